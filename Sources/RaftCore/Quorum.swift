// What a majority is, and what it has agreed on. While a membership is joint there are two, one of
// the old voters and one of the new, and whatever is decided needs both (Raft section 6: "agreement
// (for elections and entry commitment) requires separate majorities from both the old and new
// configurations"). The same holds for reads and leases, so everything asks here.
//
// Groups are so small that counting again and again beats sorting: no allocation.

/// The majorities of a membership.
package struct Quorum: Hashable, Sendable {
    private let members: [Member]
    /// Nil where the membership is not joint: then the new one decides alone.
    private let oldSize: Int?
    private let newSize: Int

    package init(_ membership: Membership) {
        members = membership.members
        newSize = Self.majority(members.count { $0.role.votes(in: .new) })
        let isJoint = membership.isJoint
        oldSize = isJoint ? Self.majority(members.count { $0.role.votes(in: .old) }) : nil
    }

    /// The smallest number of voters of which any two sets overlap.
    private static func majority(_ voters: Int) -> Int { voters / 2 + 1 }

    /// The highest value that a majority has reached, of `values` in the order of the members (Raft
    /// figure 2, rules for leaders); nil where there are no voters.
    package func reached<Value: Comparable>(by values: some Collection<Value>) -> Value? {
        precondition(values.count == members.count)
        guard let new = reached(by: values, size: newSize, in: .new) else { return nil }
        guard let oldSize else { return new }
        return reached(by: values, size: oldSize, in: .old).map { min($0, new) }
    }

    private func reached<Value: Comparable>(
        by values: some Collection<Value>,
        size: Int,
        in half: Half
    ) -> Value? {
        var best: Value?
        for (member, candidate) in zip(members, values) where member.role.votes(in: half) {
            if let best, candidate <= best { continue }
            var supporters = 0
            for (other, value) in zip(members, values)
            where other.role.votes(in: half) && value >= candidate {
                supporters += 1
            }
            if supporters >= size { best = candidate }
        }
        return best
    }

    /// What `ballot` amounts to.
    func outcome(of ballot: Ballot) -> Ballot.Outcome {
        let new = outcome(of: ballot, size: newSize, in: .new)
        guard let oldSize else { return new }
        let old = outcome(of: ballot, size: oldSize, in: .old)
        if new == .lost || old == .lost { return .lost }
        return new == .won && old == .won ? .won : .open
    }

    private func outcome(
        of ballot: Ballot,
        size: Int,
        in half: Half
    ) -> Ballot.Outcome {
        var granted = 0
        var refused = 0
        var voters = 0
        for member in members where member.role.votes(in: half) {
            voters += 1
            if ballot.granted.contains(member.id) { granted += 1 }
            if ballot.refused.contains(member.id) { refused += 1 }
        }
        if granted >= size { return .won }
        return refused > voters - size ? .lost : .open
    }
}

/// The votes of one election.
struct Ballot: Hashable, Sendable {
    private(set) var granted: [NodeID] = []
    private(set) var refused: [NodeID] = []

    /// Counts a node once, whatever it says later. Whether it is a voter is judged at the end.
    mutating func record(_ voter: NodeID, granted isGranted: Bool) {
        guard !granted.contains(voter), !refused.contains(voter) else { return }
        if isGranted { granted.append(voter) } else { refused.append(voter) }
    }

    enum Outcome: Hashable {
        case won
        case lost
        case open
    }
}
