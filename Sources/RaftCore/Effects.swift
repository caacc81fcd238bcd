// What a step asks its driver to do, as data. Whatever stands here may be carried out at once and
// in any order: a message that needs something durable first is kept inside until `.persisted`
// comes back.

/// What must be on the disk, in one transaction, before `.persisted(mark)` is fed back.
package struct PersistBatch: Hashable, Sendable {
    package var mark: PersistMark
    package var hardState: HardState
    /// Consecutive entries. They replace whatever the stored log has from the first one's index on.
    package var entries: [Entry]

    package init(mark: PersistMark, hardState: HardState, entries: [Entry]) {
        self.mark = mark
        self.hardState = hardState
        self.entries = entries
    }
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
    /// Barriers that hold: a read may be served once everything up to `index` is applied.
    package var readable: [(token: ReadToken, index: LogIndex)] = []
    /// Barriers that failed: this node cannot say what is current.
    package var unreadable: [ReadToken] = []
    /// Set when role, term or leader changed.
    package var leadership: Leadership?
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
        violation = nil
    }
}
