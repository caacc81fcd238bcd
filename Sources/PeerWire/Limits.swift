// The bounds of the peer protocol, each with its reason.

/// What a peer may send, and what is remembered of peers.
package enum Limits {
    /// The longest frame, in bytes. An append holds at most `appendBytesMax` of payload, or one
    /// larger entry; an entry is at most one value of the largest configurable size, a batch of
    /// commands beside it, and its overhead.
    package static let frameBytesMax = 64 * 1024 * 1024
    /// Entries in one append; above what RaftCore's own limit lets a leader send.
    package static let entriesMax = 4_096
    /// Bytes of one piece of a snapshot; above what RaftCore's own limit lets a leader send.
    package static let chunkBytesMax = 4 * 1024 * 1024
    /// Bytes of an encoded membership; above the largest that RaftCore's own limits allow.
    package static let membershipBytesMax = 16 * 1024
    /// Heartbeats, and answers, in one frame: four times the groups that a node can be configured
    /// with, in about 100 KiB.
    package static let heartbeatsMax = 4_096
    /// How much a receiver reserves at once on the word of a length field that nothing proves yet.
    package static let reserveBytesMax = 1024 * 1024
    /// Peers whose incarnations are remembered, gone ones too: a node replaced every day for ten
    /// years, in a file of 64 KiB that is written whole for each.
    package static let knownPeersMax = 4_096
}
