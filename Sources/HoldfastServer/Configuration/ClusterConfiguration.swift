// The whole cluster as one YAML file describes it. Every node reads the same file and finds itself
// in it by name; whatever must be equal on all nodes is therefore written once.

package import RaftCore
package import Sealing

/// A cluster and how its nodes run.
package struct ClusterConfiguration: Hashable, Sendable {
    /// Told from every other cluster; in every data directory and peer frame.
    package var cluster: ClusterID
    /// Shard groups; all nodes deal the 16,384 slots to as many. Never changed once data exists.
    package var groupCount: Int
    /// Ascending by id.
    package var nodes: [NodeConfiguration]
    package var timing: Timing
    package var limits: ServerLimits
    package var reads: Reads
    package var snapshot: SnapshotSettings
    /// How much of a disk must be free.
    var space: SpaceWatch.Marks
    package var atRest: AtRest
    /// Event loops per node; nil for one per core.
    package var reactors: Int?

    package func node(named name: String) -> NodeConfiguration? {
        nodes.first { $0.name == name }
    }

    package func node(_ id: NodeID) -> NodeConfiguration? {
        nodes.first { $0.id == id }
    }
}

/// One node and where it listens.
package struct NodeConfiguration: Hashable, Sendable {
    /// What operators call it.
    package var name: String
    package var id: NodeID
    /// Where the node's data is, unless its command line says otherwise.
    package var usualDirectory: String { dataDirectory ?? ".holdfast/\(name)" }
    /// The id as a number, as it stands in the file.
    package var number: UInt64 { id.rawValue }
    /// The address that it listens on, and that clients and peers are sent to.
    package var host: String
    /// RESP; answers `MOVED` for keys that another node leads.
    package var clusterPort: Int
    /// RESP; serves every key, forwarding once where another node leads.
    package var standalonePort: Int
    /// Raft between nodes.
    package var peerPort: Int
    /// Where it keeps its log, unless the command line says otherwise.
    package var dataDirectory: String?
}

/// The cluster's clocks, in milliseconds.
package struct Timing: Hashable, Sendable {
    /// What the other times are counted in.
    package var tick = 50
    package var heartbeat = 100
    /// The shortest time without a leader's word before a follower campaigns; each waits up to
    /// twice it.
    package var election = 500
    /// How long a request waits for an election to end.
    package var parking = 5_000
    /// How long a proposed write waits before its outcome is reported as unknown.
    package var commit = 10_000
    /// How long a node that shuts down waits for others to take over its groups.
    package var handover = 3_000
    /// How long a leader waits for its disk before it gives up leading.
    package var diskStall = 3_000
    /// How long a node waits for its disk before it stops.
    package var diskStop = 30_000

    package var heartbeatTicks: Int { max(1, heartbeat / tick) }
    package var electionTicks: Int { max(heartbeatTicks + 1, election / tick) }
    package var parkingTicks: Int { max(1, parking / tick) }
    package var commitTicks: Int { max(1, commit / tick) }
    package var diskStallTicks: Int { max(1, diskStall / tick) }
    package var diskStopTicks: Int { max(diskStallTicks + 1, diskStop / tick) }
    /// For how long a node votes for nobody else after a leader's word, in nanoseconds: as long as
    /// it takes a follower to campaign. The same with and without leases, so that a cluster may be
    /// switched from one to the other a node at a time.
    package var promise: UInt64 { UInt64(electionTicks * tick) * 1_000_000 }
}

/// How leaders assure themselves that what they read is current.
package enum Reads: Hashable, Sendable {
    /// By asking a quorum, with one round for all reads of a turn.
    case quorum
    /// By the time for which a quorum has promised to elect nobody else, while every node's clock
    /// runs at most so many permille faster or slower than true time.
    case lease(maxClockDriftPermille: Int)
}

/// When a group's log is replaced by a snapshot.
package struct SnapshotSettings: Hashable, Sendable {
    /// After so many entries,
    package var entries = 100_000
    /// or so many bytes of them.
    package var bytes = 64 * 1024 * 1024
    /// Entries that stay before it, for nodes that were away for a moment.
    package var trailing = 4_096
}

/// How the files of a node are sealed.
package struct AtRest: Hashable, Sendable {
    /// Where the keys are. Nil only where nothing is sealed, nor has been.
    package var source: KeySource?
    /// Whether what is written is sealed. Where it is not, what was sealed can still be read.
    package var seals: Bool
}

/// What clients may ask of one node.
package struct ServerLimits: Hashable, Sendable {
    /// Bytes of one value.
    package var valueBytesMax = 1024 * 1024
    /// Client connections, both RESP ports together.
    package var clientsMax = 10_000
    /// Requests of one connection that wait for their answers, before it is not read any further.
    package var requestsPerClientMax = 1_024
    /// Bytes that a node's sessions and values may take before what adds to them is refused; 0 for
    /// no such limit.
    package var memoryBytesMax = 0
}
