// The bounds of the peer protocol, each with its reason.

/// What a peer may send.
package enum Limits {
    /// The longest frame, in bytes. An append holds at most `appendBytesMax` of payload, or one
    /// larger entry; an entry is at most one value of the largest configurable size, a batch of
    /// commands beside it, and its overhead.
    package static let frameBytesMax = 64 * 1024 * 1024
    /// Entries in one append; above what RaftCore's own limit lets a leader send.
    package static let entriesMax = 4_096
    /// How much a receiver reserves at once on the word of a length field that nothing proves yet.
    package static let reserveBytesMax = 1024 * 1024
}
