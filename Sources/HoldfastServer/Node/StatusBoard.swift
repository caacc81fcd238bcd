// What every reactor tells the rest of the node about its groups, several times a second and at
// each change of leadership. Read by INFO, CLUSTER, DBSIZE and SCAN; never on the way of
// a request for a key.

import NIOConcurrencyHelpers
import RaftCore

/// One group as this node sees it.
struct GroupStatus: Sendable {
    var role = Role.follower
    var term = Term.zero
    var leader: NodeID?
    var commit = LogIndex.zero
    var applied = LogIndex.zero
    var last = LogIndex.zero
    /// This node has lost a part of the log, and gets it again from the others.
    var isMute = false
    /// The newest membership of the log.
    var membership = Membership.none
    /// Where each member stands, by a leader.
    var progress: [MemberProgress] = []
    var values = 0
    var sessions = 0
    var memoryBytes = 0
}

/// How far a member is, as its leader sees it.
struct MemberProgress: Sendable {
    var id: NodeID
    /// The last entry that is durable there.
    var match: LogIndex
    /// Bytes of a snapshot that have arrived there, while one is on its way.
    var snapshotBytes: UInt64?
}

/// The groups of this node, and a few counts.
final class StatusBoard: Sendable {
    private let groups: NIOLockedValueBox<[GroupStatus]>
    private let counts = NIOLockedValueBox(Counts())

    struct Counts: Sendable {
        var clients = 0
        var accepted = 0
        var refused = 0
        var requests = 0
        var isDiskStalled = false
    }

    init(groupCount: Int) {
        groups = NIOLockedValueBox(Array(repeating: GroupStatus(), count: groupCount))
    }

    func update(_ group: GroupID, _ status: GroupStatus) {
        groups.withLockedValue { $0[Int(group.rawValue)] = status }
    }

    /// What the sessions and values of all groups take.
    var memoryBytes: Int { groups.withLockedValue { $0.reduce(0) { $0 + $1.memoryBytes } } }

    func snapshot() -> [GroupStatus] { groups.withLockedValue { $0 } }

    var clientCounts: Counts { counts.withLockedValue { $0 } }

    /// Whether the disk has been at one write for too long.
    var isDiskStalled: Bool {
        get { counts.withLockedValue { $0.isDiskStalled } }
        set { counts.withLockedValue { $0.isDiskStalled = newValue } }
    }

    /// Counts a connection in; false where `limit` are open already.
    func open(limit: Int) -> Bool {
        counts.withLockedValue { counts in
            guard counts.clients < limit else {
                counts.refused += 1
                return false
            }
            counts.clients += 1
            counts.accepted += 1
            return true
        }
    }

    func close(requests: Int) {
        counts.withLockedValue {
            $0.clients -= 1
            $0.requests += requests
        }
    }
}
