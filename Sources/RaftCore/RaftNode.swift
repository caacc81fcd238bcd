// One node of one Raft group, as a function from inputs to effects. The paper's figure 2 lives in
// the files beside this one: Election (5.2, 5.4.1), AppendEntries (5.3, receiver), Replication
// (5.3, leader), Commit (5.4.2), Membership (6), SnapshotTransfer and SnapshotInstall (7),
// ReadIndex and Lease (dissertation 6.4), LeadershipTransfer (3.10), Durability (what may leave
// when), Voice (a node that has lost a part of its log). This file holds the state and the
// dispatch.
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

    // Persistent state (figure 2). In memory it may be ahead of the disk; `Durability` knows by
    // what.
    package internal(set) var term: Term
    package internal(set) var vote: NodeID?
    package internal(set) var log: LogWindow
    /// The newest durable snapshot: this node's own or one that it was sent. Invariant: the log
    /// begins at or before it.
    package internal(set) var snapshot: SnapshotMark
    var history: MembershipHistory
    /// Of the membership in force.
    var quorum: Quorum

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
    /// The time of the inputs, by this node's clock.
    var now: Instant
    /// Since this node heard a leader or campaigned, somebody asked for its vote without what its
    /// log has.
    var isAskedFromBehind = false
    /// Until then this node votes for nobody: see `Lease.swift`.
    var promiseEnd: Instant

    /// Valid in the roles preCandidate and candidate.
    var ballot = Ballot()

    /// Valid in role leader, one for every member, in the order of the membership.
    package internal(set) var progress: [Progress] = []
    /// Where this leader's term begins. Valid in role leader.
    var termStart = LogIndex.zero
    /// Payload bytes in the log that are not committed. Valid in role leader.
    var uncommittedBytes = 0
    var transfer: Transfer?
    var reads = ReadQueue()
    /// Valid in role leader.
    var roundClock = RoundClock()
    /// Somebody may campaign past all promises: no lease for the rest of this leadership.
    var isLeaseForfeited = false
    /// Snapshot bytes that may still be sent in this tick.
    var snapshotBudget = 0
    /// Turns that were given to transfers of snapshots, in all leaderships; never goes back.
    var snapshotTurns: UInt64 = 0
    /// Valid in role follower.
    var incoming: IncomingSnapshot?
    /// Up to where this log is known to be that of the term's leader. Valid in role follower.
    var agreed: LogIndex
    /// Set in a node that has lost a part of its log.
    var lostVoice: LostVoice?
    /// Set in a node that has not.
    var homecoming: Homecoming?

    var durability: Durability
    var lastReported: Leadership
    var appliedReported: LogIndex
    var membershipReported: Membership

    /// A node that starts, for the first time or again, with what its disk holds: a snapshot, and
    /// the log after `base`, which is not after the snapshot. A node that starts for the first time
    /// has a snapshot of nothing at `.origin`, with the members that its group begins with.
    package init(
        configuration: RaftConfiguration,
        hardState: HardState = HardState(),
        snapshot: SnapshotMark,
        base: LogPosition = .origin,
        entries: [Entry] = [],
        startedAt: Instant = .zero
    ) {
        precondition(base.index <= snapshot.position.index, "a snapshot stands for what is gone")
        self.configuration = configuration
        self.snapshot = snapshot
        log = LogWindow(base: base, stored: entries)
        durability = Durability(stored: hardState)
        if !log.contains(snapshot.position) {
            // It stopped between storing a leader's snapshot and saying so in its log.
            log = LogWindow(base: snapshot.position, stored: [])
            durability.base = snapshot.position
            // An older snapshot could still be started from, with a log that lacks what this one
            // stands for: no promise before the disk has forgotten that log.
            durability.isBaseNeeded = true
        }
        (term, vote) = Self.hardState(hardState, atLeast: snapshot.position.term)
        precondition(log.last.term <= term, "the hard state precedes the entries that need it")
        // The stored commit index is a hint that may be newer than what the log held when written.
        commit = max(snapshot.position.index, min(hardState.commit, log.last.index))
        agreed = commit
        history = MembershipHistory(snapshot)
        for entry in log.slice(after: snapshot.position.index, through: log.last.index) {
            _ = history.append(entry)
        }
        quorum = Quorum(history.current)
        random = SplitMix64(state: configuration.seed)
        electionTimeout = configuration.electionTicks
        if hardState.isMute {
            lostVoice = LostVoice(token: random.next())
        } else {
            homecoming = Homecoming(token: configuration.seed)
        }
        now = startedAt
        // Section 6.4.1: it may have heard a leader just before it stopped.
        promiseEnd = startedAt.advanced(by: configuration.promise)
        lastReported = Leadership(role: .follower, term: term, leader: nil)
        appliedReported = snapshot.position.index
        membershipReported = history.current
        resetElectionTimer()
    }

    /// A snapshot of a later term than the disk knows was stored before that term was: this node
    /// has not voted in it.
    private static func hardState(
        _ stored: HardState,
        atLeast snapshotTerm: Term
    ) -> (term: Term, vote: NodeID?) {
        stored.term >= snapshotTerm ? (stored.term, stored.vote) : (snapshotTerm, nil)
    }

    package var id: NodeID { configuration.id }

    /// The members in force: the newest of the log, committed or not.
    package var membership: Membership { history.current }

    /// The members in force as of the entry at `index`, which is not before the snapshot.
    package func membership(at index: LogIndex) -> Membership { history.membership(at: index) }

    package var isLeader: Bool { role == .leader }

    /// Leadership is being handed over: proposals are refused until that succeeds or is given up.
    package var isTransferring: Bool { transfer != nil }

    var hardState: HardState {
        HardState(term: term, vote: vote, commit: commit, isMute: isMute)
    }

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
        case .changeMembership(let change, let token):
            changeMembership(change, token, &effects)
        case .snapshotStored(let mark):
            snapshotStored(mark)
        case .fetched(let fetch, let chunk):
            fetched(fetch, chunk, &effects)
        case .snapshotReceived(let mark):
            snapshotReceived(mark, &effects)
        case .chunkKept(let position, let end):
            chunkKept(position, through: end, &effects)
        case .snapshotDamaged(let position):
            snapshotDamaged(position)
        case .fingerprint(let fingerprint):
            report(fingerprint, &effects)
        }
    }

    /// The time of the inputs that follow, by this node's monotonic clock. To be told before a
    /// message or a tick is fed in, and before a flush: leases and promises count from it.
    package mutating func setClock(_ now: Instant) {
        self.now = max(self.now, now)
    }

    /// Ends a turn: everything that its inputs made ready goes into `effects`.
    package mutating func flush(into effects: inout Effects) {
        continueMembershipChange(&effects)
        regainVoice()
        replicate(&effects)
        fetchChunks(&effects)
        startReadRoundIfWanted(&effects)
        handOutBatch(&effects)
        withdrawLeaseReads(&effects)
        log.releaseSome()
        if commit > appliedReported {
            appliedReported = commit
            effects.applyThrough = commit
        }
        let now = Leadership(role: role, term: term, leader: leader)
        if now != lastReported {
            lastReported = now
            effects.leadership = now
        }
        if membership != membershipReported {
            membershipReported = membership
            effects.membership = membership
        }
    }

    /// To the leader, which may be this node.
    private func report(_ fingerprint: Fingerprint, _ effects: inout Effects) {
        if role == .leader {
            effects.fingerprints.append((id, fingerprint))
        } else if let leader {
            effects.send.append(envelope(to: leader, .fingerprint(fingerprint)))
        }
    }

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
