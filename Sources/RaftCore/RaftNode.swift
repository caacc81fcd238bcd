// One node of one Raft group, as a function from inputs to effects. The paper's figure 2 lives in
// the files beside this one: Election (5.2, 5.4.1), AppendEntries (5.3, receiver), Replication
// (5.3, leader), Commit (5.4.2), ReadIndex (dissertation 6.4), LeadershipTransfer (3.10),
// Durability (what may leave when). This file holds the state and the dispatch.
//
// In: `step` takes one input at a time; `flush`, called once after the inputs of a turn, collects
// what they amount to: appends for followers, the batch for the disk, the commit index. Out:
// `Effects`.
//
// It must never: read a clock, do I/O, draw randomness that its configuration did not seed, trap on
// any message, or let a message out that vouches for something not durable yet.

/// The consensus state of one group on one node.
package struct RaftNode: Sendable {
    package let configuration: RaftConfiguration
    let quorum: Quorum

    // Persistent state (figure 2). In memory it may be ahead of the disk; `Durability` knows by
    // what.
    package internal(set) var term: Term
    package internal(set) var vote: NodeID?
    package internal(set) var log: LogWindow

    // Volatile state.
    package internal(set) var role = Role.follower
    /// Who leads in `term`, where this node has heard from it.
    package internal(set) var leader: NodeID?
    /// Invariant: never falls, and never passes the last entry of the log.
    package internal(set) var commit: LogIndex

    /// Ticks since word of a live leader (follower), or since the last quorum check (leader).
    var electionElapsed = 0
    var heartbeatElapsed = 0
    /// This node's own timeout, drawn anew for every wait (section 5.2).
    var electionTimeout: Int
    var random: SplitMix64

    /// Valid in the roles preCandidate and candidate.
    var ballot = Ballot()
    /// Whether the election was asked for by the leader. Valid in role candidate.
    var isTransferElection = false

    /// Valid in role leader, one for every voter, in the order of `configuration.voters`.
    package internal(set) var progress: [Progress] = []
    /// Where this leader's term begins. Valid in role leader.
    var termStart = LogIndex.zero
    /// Payload bytes in the log that are not committed. Valid in role leader.
    var uncommittedBytes = 0
    var transfer: Transfer?
    var reads = ReadQueue()

    var durability: Durability
    var lastReported: Leadership
    var appliedReported: LogIndex

    /// A node that starts, for the first time or again, with what its disk holds.
    package init(
        configuration: RaftConfiguration,
        hardState: HardState = HardState(),
        base: LogPosition = .origin,
        entries: [Entry] = []
    ) {
        self.configuration = configuration
        quorum = Quorum(voterCount: configuration.voters.count)
        term = hardState.term
        vote = hardState.vote
        log = LogWindow(base: base, stored: entries)
        precondition(log.last.term <= term, "the hard state precedes the entries that need it")
        // The stored commit index is a hint that may be newer than what the log held when written.
        commit = max(base.index, min(hardState.commit, log.last.index))
        random = SplitMix64(state: configuration.seed)
        electionTimeout = configuration.electionTicks
        durability = Durability(stored: hardState)
        lastReported = Leadership(role: .follower, term: hardState.term, leader: nil)
        appliedReported = base.index
        resetElectionTimer()
    }

    package var id: NodeID { configuration.id }

    package var isLeader: Bool { role == .leader }

    /// Leadership is being handed over: proposals are refused until that succeeds or is given up.
    package var isTransferring: Bool { transfer != nil }

    var hardState: HardState { HardState(term: term, vote: vote, commit: commit) }

    /// Takes one input. Call `flush` before carrying out the effects.
    package mutating func step(_ input: Input, into effects: inout Effects) {
        switch input {
        case .tick:
            tick(&effects)
        case .received(let message):
            receive(message, &effects)
        case .propose(let payload, let token):
            propose(payload, token, &effects)
        case .read(let token):
            read(token, &effects)
        case .persisted(let mark):
            persisted(mark, &effects)
        case .transferLeadership(let target):
            transferLeadership(to: target, &effects)
        }
    }

    /// Ends a turn: everything that its inputs made ready goes into `effects`.
    package mutating func flush(into effects: inout Effects) {
        replicate(&effects)
        startReadRoundIfWanted(&effects)
        handOutBatch(&effects)
        if commit > appliedReported {
            appliedReported = commit
            effects.applyThrough = commit
        }
        let now = Leadership(role: role, term: term, leader: leader)
        if now != lastReported {
            lastReported = now
            effects.leadership = now
        }
    }

    func isVoter(_ id: NodeID) -> Bool { configuration.voters.contains(id) }

    func envelope(to target: NodeID, _ body: Message.Body) -> Message {
        Message(from: id, to: target, term: term, body: body)
    }
}

/// A small seeded generator (Steele, Lea, Flood 2014), for election timeouts only.
struct SplitMix64: Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// A number below `bound`. The bias for bounds as small as an election timeout does not matter.
    mutating func next(below bound: Int) -> Int {
        precondition(bound >= 1)
        return Int(next() % UInt64(bound))
    }
}
