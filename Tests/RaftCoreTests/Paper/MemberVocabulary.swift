// Memberships in one line: `1 2 -3 +4 ~5 ^6/2` is voters 1 and 2, 3 going out, 4 coming in, the
// learner 5, and 6 which joins in the place of 2. And the groups, messages and waits that tests of
// memberships, snapshots and leases share.

import RaftCore
import TestKit

extension Membership {
    init(_ words: String, highest: UInt64? = nil) {
        let members = words.split(separator: " ").map { RaftCore.Member(words: $0) }
        self.init(members: members, highestID: highest.map { NodeID($0) })
    }

    var words: String { members.map(\.words).joined(separator: " ") }
}

extension RaftCore.Member {
    private static let signs: [(sign: Character, role: MemberRole)] = [
        ("~", .learner), ("^", .joining), ("+", .incoming), ("-", .outgoing),
    ]

    fileprivate init(words: Substring) {
        let role = Self.signs.first { $0.sign == words.first }?.role
        let parts = words.drop { !$0.isNumber }.split(separator: "/").map { UInt64($0) ?? 0 }
        self.init(
            id: NodeID(parts[0]),
            role: role ?? .voter,
            replaces: parts.count > 1 ? NodeID(parts[1]) : nil
        )
    }

    fileprivate var words: String {
        let sign = Self.signs.first { $0.role == role }.map { String($0.sign) } ?? ""
        return sign + "\(id.rawValue)" + (replaces.map { "/\($0.rawValue)" } ?? "")
    }
}

func members(_ term: UInt64, _ index: UInt64, _ words: String) -> Entry {
    Entry(
        term: Term(term),
        index: LogIndex(index),
        content: .membership(Membership(words))
    )
}

func mark(_ term: UInt64, _ index: UInt64, _ words: String = "1 2 3") -> SnapshotMark {
    SnapshotMark(position: position(term, index), membership: Membership(words))
}

/// A piece of a snapshot, of zeroes, to node 2.
func chunk(
    from: UInt64 = 1,
    term: UInt64,
    _ mark: SnapshotMark,
    offset: UInt64,
    count: Int = 10,
    isLast: Bool = false
) -> Message {
    let body = SnapshotChunk(
        mark: mark,
        offset: offset,
        bytes: [UInt8](repeating: 0, count: count)[...],
        isLast: isLast
    )
    return message(from: from, to: 2, term: term, .snapshotChunk(body))
}

extension Message {
    var isHeartbeat: Bool {
        if case .heartbeat = body { true } else { false }
    }

    var snapshotChunk: SnapshotChunk? {
        if case .snapshotChunk(let chunk) = body { chunk } else { nil }
    }

    var snapshotResponse: SnapshotResponse? {
        if case .snapshotResponse(let response) = body { response } else { nil }
    }
}

extension Cluster {
    /// A group of nodes 1 to `size` whose logs, all the same, hold these entries and nothing else.
    /// Voters at the start are 1 to `voters`.
    init(size: Int, voters: Int, entries: [Entry]) {
        self.init(size: voters, outsiders: size - voters)
        for index in members.indices {
            members[index].isUp = false
            members[index].disk.hardState = HardState(term: entries.last?.term ?? .zero)
            members[index].disk.entries = entries
            restart(members[index].node.id)
        }
    }

    /// Node 4 is about to take the place of 3: the leader, 1, has just appended the joint entry,
    /// and nobody has received it.
    static func inJointPhase(adjust: (inout RaftConfiguration) -> Void = { _ in }) -> Cluster {
        var cluster = Cluster(size: 3, outsiders: 1, adjust: adjust)
        cluster.pass(nanoseconds: cluster[1].configuration.promise)
        cluster.campaign(NodeID(1))
        cluster.step(
            NodeID(1),
            .changeMembership(
                .add(
                    NodeID(4),
                    contact: [],
                    promotion: .whenCaughtUp(replacing: NodeID(3))
                ),
                ChangeToken(rawValue: 1)
            )
        )
        cluster.propose(1, at: NodeID(1))
        var budget = 1_000
        while !cluster[1].membership.isJoint, budget > 0 {
            budget -= 1
            for member in cluster.members { cluster.sync(member.node.id) }
            if !cluster.network.isEmpty { cluster.deliver(at: 0) }
        }
        return cluster
    }

    /// Time goes by on all clocks.
    mutating func pass(nanoseconds: UInt64) {
        for index in members.indices {
            members[index].clock = members[index].clock.advanced(by: nanoseconds)
        }
    }

    mutating func add(
        _ id: UInt64,
        _ promotion: MembershipChange.Promotion = .onRequest,
        at leader: UInt64 = 1
    ) {
        change(.add(NodeID(id), contact: [], promotion: promotion), at: NodeID(leader))
    }

    /// The memberships that are committed, oldest first.
    var committedMemberships: [String] {
        committed.compactMap { entry in
            if case .membership(let membership) = entry.content { membership.words } else { nil }
        }
    }

    /// The refusal that the last request for a change got.
    var lastRefusal: MembershipRefusal? {
        if case .refused(let refusal) = changes.last { refusal } else { nil }
    }

    /// Delivers everything that is not an append, and the answers to it, again and again.
    mutating func settleWithoutAppends() {
        var budget = 1_000
        while !network.isEmpty, budget > 0 {
            budget -= 1
            if network[0].appendRequest == nil { deliver(at: 0) } else { network.removeFirst() }
        }
    }

    /// Proposes and commits so many entries.
    mutating func commit(_ count: Int, at leader: UInt64 = 1) {
        for number in 0..<count {
            propose(UInt8(truncatingIfNeeded: number), at: NodeID(leader))
            settle()
        }
    }

    /// Lets a node take a snapshot and store it.
    mutating func snapshot(_ id: UInt64) {
        cut(NodeID(id))
        while !members[index(of: NodeID(id))].work.isEmpty { work(NodeID(id)) }
    }
}
