// What a step asks its driver to do, as data. Whatever stands here may be carried out at once and
// in any order, but for `restore`, which comes before `applyThrough`, and `chunks`, each after the
// one before. A message that needs something durable first is kept inside until `.persisted` comes
// back.

/// What must be on the disk, in one transaction, before `.persisted(mark)` is fed back.
package struct PersistBatch: Hashable, Sendable {
    package var mark: PersistMark
    package var hardState: HardState
    /// The log begins after this position now: a durable snapshot stands for what came before.
    /// Where the stored log has that very entry, what precedes it may go, whenever it suits; where
    /// it has not, all of it goes. Nil where nothing changed. To be done before `entries` are
    /// added.
    package var base: LogPosition?
    /// Consecutive entries. They replace whatever the stored log has from the first one's index on.
    package var entries: [Entry]

    package init(
        mark: PersistMark,
        hardState: HardState,
        base: LogPosition? = nil,
        entries: [Entry]
    ) {
        self.mark = mark
        self.hardState = hardState
        self.base = base
        self.entries = entries
    }
}

/// A piece of this node's own snapshot is wanted for a follower. Answered by `Input.fetched`; an
/// answer that comes late, twice or never does no harm.
package struct SnapshotFetch: Hashable, Sendable {
    package var follower: NodeID
    package var mark: SnapshotMark
    package var offset: UInt64
    /// At most this many bytes.
    package var bytesMax: Int
}

/// A piece of a leader's snapshot arrived. Pieces of one snapshot come in order and without gaps;
/// one with offset 0 begins a new snapshot, and whatever was received before is of no use any more.
/// After the last one the driver checks the whole, makes it durable, and says `snapshotReceived` or
/// `snapshotDamaged`.
package struct ReceivedChunk: Hashable, Sendable {
    package var mark: SnapshotMark
    package var offset: UInt64
    package var bytes: ArraySlice<UInt8>
    package var isLast: Bool
}

/// A barrier that holds.
package struct Readable: Hashable, Sendable {
    package var token: ReadToken
    /// A read may be served once everything up to here is applied.
    package var index: LogIndex
    /// Set where a lease stands for the quorum: the read must have been *made* before this moment
    /// of the node's clock. Look up, then look at the clock, then answer; too late, ask again.
    package var validUntil: Instant?

    package init(token: ReadToken, index: LogIndex, validUntil: Instant? = nil) {
        self.token = token
        self.index = index
        self.validUntil = validUntil
    }
}

/// What became of a request for a change of members.
package enum ChangeAnswer: Hashable, Sendable {
    /// It stands in the log there. It is done when that entry is applied, or, for a change that has
    /// a joint phase, when the membership is not joint any more.
    case begun(LogPosition)
    case refused(MembershipRefusal)
}

/// Why a proposal was not taken. It is certain that it has no effect.
package enum Refusal: Hashable, Sendable {
    /// Somebody else leads; who, if known.
    case notLeader(NodeID?)
    /// Leadership is being handed over.
    case transferring
    /// Too many bytes wait for a quorum.
    case overloaded
}

/// A node's part in its group.
package enum Role: Hashable, Sendable {
    case follower
    case preCandidate
    case candidate
    case leader
}

/// Who a node thinks leads; for redirects and metrics.
package struct Leadership: Hashable, Sendable {
    package var role: Role
    package var term: Term
    package var leader: NodeID?

    package init(role: Role, term: Term, leader: NodeID?) {
        self.role = role
        self.term = term
        self.leader = leader
    }
}

/// The group's safety was broken by somebody: this node must stop before it does harm.
package enum Violation: Hashable, Sendable {
    /// A leader wants to replace an entry that is committed here.
    case committedEntryReplaced(LogPosition)
    /// Two leaders in one term.
    case secondLeader(NodeID, Term)
}

/// This node has less than it has acknowledged: its disk, or somebody who put an old image of it
/// back, has lost the rest.
package struct Loss: Hashable, Sendable {
    /// The highest entry that the leader knows it to have acknowledged.
    package var acknowledged: LogIndex
    /// The last entry that it has on its disk, be it that leader's or another.
    package var durable: LogIndex
}

/// A proposal that stands in the leader's log.
package struct Accepted: Hashable, Sendable {
    package var token: ProposalToken
    package var position: LogPosition
}

/// The effects of one or more steps. The driver reuses one value and calls `removeAll` between
/// turns.
package struct Effects: Sendable {
    /// To be sent; may leave at once.
    package var send: [Message] = []
    /// To be stored; at most one batch is out at a time.
    package var persist: PersistBatch?
    /// Proposals that were appended to the leader's log, and where.
    package var accepted: [Accepted] = []
    package var refused: [(token: ProposalToken, reason: Refusal)] = []
    /// Entries up to here are committed: apply what was not applied yet.
    package var applyThrough: LogIndex?
    package var readable: [Readable] = []
    /// Barriers that failed: this node cannot say what is current.
    package var unreadable: [ReadToken] = []
    /// Set when role, term or leader changed.
    package var leadership: Leadership?
    /// Answers to `changeMembership`.
    package var changes: [(token: ChangeToken, answer: ChangeAnswer)] = []
    /// The newest membership of the log, where it changed; committed or not.
    package var membership: Membership?
    /// Pieces of this node's snapshot to be read.
    package var fetch: [SnapshotFetch] = []
    /// Pieces of a leader's snapshot to be kept.
    package var chunks: [ReceivedChunk] = []
    /// The newest snapshot is gone, or no follower can use it: another one is wanted soon, be it at
    /// the same entry.
    package var isSnapshotWanted = false
    /// The machine must become that of this snapshot, before anything else is applied.
    package var restore: SnapshotMark?
    /// What other nodes, and this one, say of their machines. For a leader.
    package var fingerprints: [(node: NodeID, fingerprint: Fingerprint)] = []
    /// Found out just now. The node is mute until it has it again.
    package var loss: Loss?
    package var violation: Violation?

    package init() {}

    package mutating func removeAll() {
        send.removeAll(keepingCapacity: true)
        persist = nil
        accepted.removeAll(keepingCapacity: true)
        refused.removeAll(keepingCapacity: true)
        applyThrough = nil
        readable.removeAll(keepingCapacity: true)
        unreadable.removeAll(keepingCapacity: true)
        leadership = nil
        changes.removeAll(keepingCapacity: true)
        membership = nil
        fetch.removeAll(keepingCapacity: true)
        chunks.removeAll(keepingCapacity: true)
        isSnapshotWanted = false
        restore = nil
        fingerprints.removeAll(keepingCapacity: true)
        loss = nil
        violation = nil
    }
}
