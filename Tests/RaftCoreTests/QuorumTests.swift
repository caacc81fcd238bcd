// Majorities against their definition, over every way in which up to five members can have their
// roles.

import RaftCore
import TestKit
import Testing

/// What a quorum is, counted out: a set of members that holds more than half of the new voters and,
/// where there are members of one side only, more than half of the old.
private struct PlainQuorum {
    private let old: UInt
    private let new: UInt
    private let isJoint: Bool

    init(roles: [MemberRole]) {
        func set(of kinds: [MemberRole]) -> UInt {
            roles.indices.reduce(0) { kinds.contains(roles[$1]) ? $0 | 1 << UInt($1) : $0 }
        }
        old = set(of: [.voter, .outgoing])
        new = set(of: [.voter, .incoming])
        isJoint = set(of: [.incoming, .outgoing]) != 0
    }

    func decides(_ set: UInt) -> Bool {
        let hasNew = 2 * (set & new).nonzeroBitCount > new.nonzeroBitCount
        let hasOld = 2 * (set & old).nonzeroBitCount > old.nonzeroBitCount
        return hasNew && (hasOld || !isJoint)
    }

    /// The highest value that a deciding set of members has reached.
    func reached(_ values: [Int]) -> Int? {
        values.filter { value in
            var set: UInt = 0
            for (place, other) in values.enumerated() where other >= value {
                set |= 1 << UInt(place)
            }
            return decides(set)
        }.max()
    }
}

@Suite("Majorities, single and joint")
struct QuorumTests {
    private static let roles: [MemberRole] = [.learner, .joining, .voter, .incoming, .outgoing]

    /// Calls `body` with every choice of `length` numbers below `base`.
    private static func forEach(_ length: Int, below base: Int, _ body: ([Int]) -> Void) {
        var digits = [Int](repeating: 0, count: length)
        while true {
            body(digits)
            guard let place = digits.firstIndex(where: { $0 < base - 1 }) else { return }
            for lower in 0..<place { digits[lower] = 0 }
            digits[place] += 1
        }
    }

    private static func membership(_ roles: [MemberRole]) -> Membership {
        Membership(
            members: roles.enumerated().map { place, role in
                RaftCore.Member(id: NodeID(UInt64(place + 1)), role: role)
            }
        )
    }

    @Test("what a majority has reached is what the definition says, for all roles of up to four")
    func reachedByAll() {
        var checks = 0
        var wrong = 0
        for count in 1...4 {
            Self.forEach(count, below: 5) { choice in
                let roles = choice.map { Self.roles[$0] }
                let quorum = Quorum(Self.membership(roles))
                let plain = PlainQuorum(roles: roles)
                Self.forEach(count, below: count < 4 ? count : 3) { values in
                    checks += 1
                    if quorum.reached(by: values) != plain.reached(values) { wrong += 1 }
                }
            }
        }
        #expect(checks == 5 * 1 + 25 * 4 + 125 * 27 + 625 * 81)
        #expect(wrong == 0)
    }

    @Test("the same for all roles of five and some of their values")
    func reachedByFive() {
        var random = SeededRandom(5)
        var checks = 0
        var wrong = 0
        Self.forEach(5, below: 5) { choice in
            let roles = choice.map { Self.roles[$0] }
            let quorum = Quorum(Self.membership(roles))
            let plain = PlainQuorum(roles: roles)
            for _ in 0..<8 {
                let values = (0..<5).map { _ in random.below(5) }
                checks += 1
                if quorum.reached(by: values) != plain.reached(values) { wrong += 1 }
            }
        }
        #expect(checks == 25_000)
        #expect(wrong == 0)
    }

    /// Node 1 asks for pre-votes, and every mix of answers of the others arrives.
    @Test("an election is won, lost or open as the definition says, for all roles of up to four")
    func elections() {
        var outcomes: [Role: Int] = [:]
        for count in 1...4 {
            Self.forEach(count - 1, below: 5) { choice in
                for own in [MemberRole.voter, .incoming, .outgoing] {
                    let roles = [own] + choice.map { Self.roles[$0] }
                    Self.campaign(roles, &outcomes)
                }
            }
        }
        #expect(outcomes[.candidate, default: 0] > 1_000)
        #expect(outcomes[.preCandidate, default: 0] > 1_000)
        #expect(outcomes[.follower, default: 0] > 1_000)
    }

    private static func campaign(_ roles: [MemberRole], _ outcomes: inout [Role: Int]) {
        let plain = PlainQuorum(roles: roles)
        var asking = RaftNode(
            configuration: RaftConfiguration(id: NodeID(1), seed: 1),
            snapshot: SnapshotMark(position: .origin, membership: membership(roles))
        )
        var effects = Effects()
        while asking.role == .follower { asking.step(.tick, into: &effects) }
        // A half without voters: nobody can win, and without an answer nobody looks.
        guard plain.decides(31) else { return }
        // 0: silent, 1: grants, 2: refuses.
        forEach(roles.count - 1, below: 3) { answers in
            var node = asking
            for (place, answer) in answers.enumerated() where answer > 0 {
                let response = PreVoteResponse(proposedTerm: Term(1), granted: answer == 1)
                let from = UInt64(place + 2)
                node.step(
                    .received(message(from: from, to: 1, term: 0, .preVoteResponse(response))),
                    into: &effects
                )
            }
            var granted: UInt = 1
            var possible: UInt = 1
            for (place, answer) in answers.enumerated() {
                if answer == 1 { granted |= 2 << UInt(place) }
                if answer != 2 { possible |= 2 << UInt(place) }
            }
            let expected: Role =
                plain.decides(granted)
                ? .candidate : plain.decides(possible) ? .preCandidate : .follower
            outcomes[node.role, default: 0] += 1
            #expect(node.role == expected, "\(roles), \(answers)")
        }
    }

    @Test("two sets that decide always overlap, before, in and after a joint phase")
    func overlap() {
        var steps = 0
        Self.forEach(5, below: 5) { choice in
            let joint = choice.map { Self.roles[$0] }
            guard joint.contains(.incoming) || joint.contains(.outgoing) else { return }
            // What was in force before, and what will be after.
            let before = joint.map { $0 == .incoming ? .learner : $0 == .outgoing ? .voter : $0 }
            let after = joint.map { $0 == .incoming ? .voter : $0 == .outgoing ? .learner : $0 }
            let quorums = [before, joint, after].map { PlainQuorum(roles: $0) }
            for set in 0..<(1 as UInt) << 5 {
                let rest = ~set & 31
                for (one, other) in [(0, 1), (1, 1), (1, 2)] {
                    steps += 1
                    if quorums[one].decides(set), quorums[other].decides(rest) {
                        Issue.record("\(joint): \(set) and \(rest)")
                    }
                }
            }
        }
        #expect(steps > 200_000)
    }
}
