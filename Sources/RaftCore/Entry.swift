// One entry of a group's log. Its payload is opaque here: the replica encodes it once, and the same
// bytes go to the log, the disk and the wire.

/// A log entry: what was proposed, and where in the log it stands.
package struct Entry: Hashable, Sendable {
    /// What an entry carries.
    package enum Content: Hashable, Sendable {
        /// The entry with which each leader opens its term, so that entries of earlier terms commit
        /// (Raft section 8).
        case noop
        /// Bytes for the state machine.
        case command(ArraySlice<UInt8>)
        /// The members of the group from this entry on, whether it is committed or not
        /// (dissertation section 4.1).
        case membership(Membership)
    }

    package var term: Term
    package var index: LogIndex
    package var content: Content

    package init(term: Term, index: LogIndex, content: Content) {
        self.term = term
        self.index = index
        self.content = content
    }

    package var position: LogPosition { LogPosition(term: term, index: index) }

    /// Bytes of payload; the unit of every byte limit.
    package var payloadBytes: Int {
        switch content {
        case .noop: 0
        case .membership(let membership): membership.encodedBytes
        case .command(let bytes): bytes.count
        }
    }
}
