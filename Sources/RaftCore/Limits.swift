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

    /// Messages of later terms are ignored: at a thousand elections a second it is 292 million
    /// years away.
    package static let highestTerm = Term(UInt64(Int64.max))

    package init() {}
}

/// How one group's node is set up. Times are in ticks; the driver decides how long a tick is.
package struct RaftConfiguration: Sendable {
    /// This node.
    package var id: NodeID
    /// All voting nodes, this one included, ascending, no duplicates.
    package var voters: [NodeID]
    /// Ticks without word from a leader before a follower campaigns. Each node draws its own
    /// timeout from `electionTicks ..< 2 * electionTicks` (Raft section 5.2).
    package var electionTicks: Int
    /// Ticks between a leader's heartbeats; well below `electionTicks`.
    package var heartbeatTicks: Int
    /// Seed of the election timeouts. Differs between nodes and groups, or elections tie.
    package var seed: UInt64
    package var limits: Limits

    package init(
        id: NodeID,
        voters: [NodeID],
        electionTicks: Int = 10,
        heartbeatTicks: Int = 2,
        seed: UInt64,
        limits: Limits = Limits()
    ) {
        precondition(voters.contains(id), "a node takes part in its own group")
        precondition(zip(voters, voters.dropFirst()).allSatisfy { $0 < $1 }, "voters ascend")
        precondition(heartbeatTicks >= 1)
        precondition(electionTicks > heartbeatTicks)
        self.id = id
        self.voters = voters
        self.electionTicks = electionTicks
        self.heartbeatTicks = heartbeatTicks
        self.seed = seed
        self.limits = limits
    }
}
