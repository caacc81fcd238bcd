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
    /// Snapshots that leave the node at a time, of all its groups together. Two keep a disk and a
    /// gigabit link busy; each further one makes all of them slower and the clients too.
    static let snapshotStreamsMax = 2
    /// Nanoseconds for which a stream may keep its place without getting further: far longer than
    /// a follower that is well takes to store a piece.
    static let snapshotStreamPatience: UInt64 = 5_000_000_000
    /// Ticks between two looks for such streams: some seconds.
    static let snapshotSweepTicks = 64
    /// Payload of the batches in one store; the last one may go beyond. After a while without room
    /// all groups may have much to store, and it must fit into the reserve of the disk.
    static let storeBytesMax = 8 * 1024 * 1024
    /// Ticks between two looks at the room on the disk where nothing is written: what waits for
    /// room goes on soon after there is some.
    static let spaceLookTicks = 4
    /// Nanoseconds between two looks while something is: a disk of 1 GB/s fills by 10 MB, a third
    /// of the usual reserve.
    static let spaceLookInterval: UInt64 = 10_000_000
    /// Nanoseconds before a snapshot that the disk did not take is asked for again.
    static let snapshotRetryPause: Int64 = 5_000_000_000
    /// Nanoseconds between two slices of cleaning while something is stored, unless so much is that
    /// the cleaner would fall behind. The commits that come meanwhile wait for a slice, some 5 ms.
    static let cleaningInterval: UInt64 = 250_000_000
    /// By how much the thread that writes snapshots gives way to the others, as `nice` does.
    static let snapshotNice: CInt = 10
    /// Of a snapshot's file, in one answer to a backup: as much as a connection may have unsent.
    static let backupPieceBytes = 1024 * 1024
    /// Reports about peers that are remembered: two kinds for more peers than a cluster has.
    static let reportsMax = 64
    /// Nanoseconds between two reports of a thing that happens to a peer again and again.
    static let reportInterval: UInt64 = 60_000_000_000
}
