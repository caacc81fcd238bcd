// Everything that can happen to a node of a group, and everything that it can ask for. The driver
// feeds inputs one at a time and carries out the effects; the core itself does no I/O and knows no
// clock.

/// Something that happened.
package enum Input: Sendable {
    /// One tick of the driver's clock went by.
    case tick
    /// A message arrived.
    case received(Message)
    /// A client's command; answered by `Effects.accepted` or `Effects.refused`.
    case propose(ArraySlice<UInt8>, ProposalToken)
    /// A barrier for linearizable reads; answered by `Effects.readable` or `Effects.unreadable`.
    case read(ReadToken)
    /// The batch that was handed out last is on the disk.
    case persisted(PersistMark)
    /// Hand leadership to `to` as soon as it has the whole log.
    case transferLeadership(to: NodeID)
    /// Asks for a change of members; answered by `Effects.changes`.
    case changeMembership(MembershipChange, ChangeToken)
    /// The driver's own snapshot at `mark` is durable: the log up to it may go.
    case snapshotStored(SnapshotMark)
    /// A piece of this node's snapshot that `Effects.fetch` asked for.
    case fetched(SnapshotFetch, FetchedChunk)
    /// The driver has kept the chunks of the snapshot at this position up to this offset.
    case chunkKept(LogPosition, through: UInt64)
    /// All chunks of `mark` that `Effects.chunks` handed out make a sound snapshot, which is
    /// durable. The machine must be exchanged for it when `Effects.restore` says so, not before.
    case snapshotReceived(SnapshotMark)
    /// What was received is not a sound snapshot: it starts again.
    case snapshotDamaged(LogPosition)
    /// The fingerprint of this node's machine, for its leader.
    case fingerprint(Fingerprint)
}

/// Names a change of membership for its answer. Chosen by the caller, opaque here.
package struct ChangeToken: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// What the driver found where a fetch asked it to look.
package enum FetchedChunk: Hashable, Sendable {
    case bytes(ArraySlice<UInt8>, isLast: Bool)
    /// That snapshot has been superseded and removed.
    case gone
}

/// Names a proposal for its answer. Chosen by the caller, opaque here.
package struct ProposalToken: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Names a read barrier for its answer. Chosen by the caller, opaque here.
package struct ReadToken: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Counts the rounds of heartbeats by which a leader confirms itself. Never reused within a term.
package struct ReadRound: RawRepresentable, Hashable, Comparable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let none = ReadRound(rawValue: 0)

    package static func < (left: ReadRound, right: ReadRound) -> Bool {
        left.rawValue < right.rawValue
    }

    var next: ReadRound { ReadRound(rawValue: rawValue + 1) }
}

/// Identifies a persist batch by the last entry that it makes durable, and by the term of its hard
/// state. Both: an index alone would not tell an entry from the one that replaced it.
package struct PersistMark: Hashable, Sendable {
    package var hardStateTerm: Term
    package var last: LogPosition

    package init(hardStateTerm: Term, last: LogPosition) {
        self.hardStateTerm = hardStateTerm
        self.last = last
    }
}
