// Every limit of the core in one place, each with its reason. Whatever can queue up is bounded
// here.

/// The bounds on one group's queues, windows and messages.
package struct Limits: Sendable {
    /// Bytes of payload in one AppendEntries. Larger messages delay the heartbeat behind them; one
    /// entry above the limit still travels, alone.
    package var appendBytesMax = 512 * 1024
    /// Entries in one AppendEntries, so that a run of empty entries is bounded too.
    package var appendEntriesMax = 1_024
    /// AppendEntries in flight to one follower. Covers a round trip of 250 ms at 1,000 messages/s.
    package var inflightMessagesMax = 256
    /// Payload bytes in flight to one follower: what a slow peer can pin in the send queues.
    package var inflightBytesMax = 8 * 1024 * 1024
    /// Payload bytes a leader holds uncommitted before it refuses proposals as overloaded. Bounds
    /// memory while a quorum is away and the leader does not know it yet.
    package var uncommittedBytesMax = 64 * 1024 * 1024
    /// Read barriers waiting in one group. Callers batch, so each may stand for many reads.
    package var waitingReadsMax = 65_536

    /// Payload bytes of one chunk of a snapshot: as an append, it must not hold up the heartbeat
    /// behind it.
    package var snapshotChunkBytesMax = 256 * 1024
    /// Snapshot bytes that the leader of a group sends in one tick, to all its followers together:
    /// 80 MB/s at a tick of 50 ms. A follower that comes back must not take the network from the
    /// others. The driver bounds how many groups of a node send at a time.
    package var snapshotBytesPerTickMax = 4 * 1024 * 1024
    /// Followers of one group that get a snapshot at the same time; others wait for their turn.
    package var snapshotStreamsMax = 2
    /// Entries that stay in the log before the snapshot's last one, so that a follower which is a
    /// little behind needs no snapshot.
    package var trailingEntries = 4_096
    /// Payload bytes that may stay for the same reason.
    package var trailingBytesMax = 4 * 1024 * 1024
    /// How many entries a learner may lack when it becomes a voter: what it can make up for within
    /// an election timeout, so that its promotion stalls nobody (dissertation section 4.2.1).
    package var promotionLagMax = 64

    /// Rounds of heartbeats whose send times a leader remembers. An answer that is older by so many
    /// heartbeats proves nothing about now.
    package static let trackedRounds = 128
    /// Entries of one chunk of the log in memory.
    static let chunkEntries = 256
    /// Chunks that a turn lets go of: some tenths of a millisecond.
    static let chunksReleased = 4
    /// Members of a group, learners included. Seven voters are more than any cluster needs; the
    /// rest is room for replacing all of them at once.
    package static let membersMax = 16
    /// A member's contact: a host name and a few ports.
    package static let contactBytesMax = 512
    /// Messages of later terms are ignored: at a thousand elections a second it is 292 million
    /// years away.
    package static let highestTerm = Term(UInt64(Int64.max))

    /// What would bring a log further is ignored: index arithmetic stays far inside 64 bits, also
    /// in the log that this node itself adds to. At a million entries a second it is 146,000 years
    /// away.
    package static let highestIndex = LogIndex(UInt64(Int64.max) / 2)

    package init() {}
}

/// How a leader assures itself that its reads are current.
package enum ReadRule: Hashable, Sendable {
    /// A round of heartbeats to a majority (dissertation section 6.4).
    case quorum
    /// A lease from the last such round, while clocks differ in speed by at most `drift` permille
    /// from true time; a round where there is no lease.
    case lease(driftPermille: UInt64)
}

/// Whether a node should rather lead than others.
package enum Priority: Hashable, Sendable {
    case normal
    /// Campaigns a little earlier than the others, so that it mostly leads from the start.
    case preferred
}

/// How one group's node is set up. Times are in ticks; the driver decides how long a tick is.
package struct RaftConfiguration: Sendable {
    /// This node.
    package var id: NodeID
    /// Ticks without word from a leader before a follower campaigns. Each node draws its own
    /// timeout from `electionTicks ..< 2 * electionTicks` (Raft section 5.2).
    package var electionTicks: Int
    /// Ticks between a leader's heartbeats; well below `electionTicks`.
    package var heartbeatTicks: Int
    /// Seed of the election timeouts. Differs between nodes and groups, or elections tie.
    package var seed: UInt64
    /// Nanoseconds of this node's clock for which it votes for nobody else after word from a
    /// leader, and after its own start: what leases rest on. The same on all nodes.
    package var promise: UInt64
    package var reads: ReadRule
    package var priority: Priority
    /// Ticks for which the disk may be busy with one batch before the node gives up leading: it
    /// could hold the group up for as long as its disk hangs.
    package var diskStallTicks: Int
    package var limits: Limits

    package init(
        id: NodeID,
        electionTicks: Int = 10,
        heartbeatTicks: Int = 2,
        seed: UInt64,
        promise: UInt64 = 0,
        reads: ReadRule = .quorum,
        priority: Priority = .normal,
        diskStallTicks: Int = .max,
        limits: Limits = Limits()
    ) {
        precondition(heartbeatTicks >= 1)
        precondition(electionTicks > heartbeatTicks)
        precondition(diskStallTicks >= 1)
        self.id = id
        self.electionTicks = electionTicks
        self.heartbeatTicks = heartbeatTicks
        self.seed = seed
        self.promise = promise
        self.reads = reads
        self.priority = priority
        self.diskStallTicks = diskStallTicks
        self.limits = limits
    }
}
