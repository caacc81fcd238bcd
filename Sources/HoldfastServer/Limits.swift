// The bounds on what one client and one peer can make a node hold.

import NIOCore

enum Limits {
    /// Requests of one connection that run at a time: bounds the replies that can come in while
    /// the client does not read.
    static let runningMax = 128
    /// Bytes of requests that a connection holds before it stops reading: room for the longest
    /// request that the parser lets through, and for one behind it.
    static let heldBytesMax = 64 * 1024 * 1024
    /// Bytes of a connection's replies that are made and not with the socket: beyond it no further
    /// request is started. The socket's own bound is of this size.
    static let unsentReplyBytesMax = 1024 * 1024
    /// Bytes handed to a peer's socket and not written: above this the peer is too slow, and
    /// messages are dropped until it has caught up. Two full windows of appends.
    static let peerOutstandingBytesMax = 16 * 1024 * 1024
    /// Bytes of forwarded requests that wait for a peer's socket: above it they are given back.
    static let forwardedBytesMax = 16 * 1024 * 1024
    /// As long as an election takes: the patience of who waits for the peer is of that order.
    static let peerConnectTimeout = TimeAmount.seconds(1)
}
