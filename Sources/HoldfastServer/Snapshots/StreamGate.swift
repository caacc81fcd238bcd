// How many snapshots leave this node at a time, over all its groups. A node that comes back after a
// while may need one of every group that its peers lead; all at once they would take the disk and
// the network from the clients.
//
// A stream that is not let in is not answered: the core asks again a few heartbeats later. Who has
// waited longest comes first; who keeps a place and gets no further loses it, and waits behind all
// others. Otherwise one follower that cannot store a snapshot would take the places for good.

import RaftCore

struct StreamGate: Sendable {
    struct Stream: Hashable, Sendable {
        var group: GroupID
        var follower: NodeID
    }

    private struct Open {
        let stream: Stream
        /// The highest offset that was asked for, and when it was first.
        var offset: UInt64
        var movedAt: Instant
    }

    private let limit: Int
    /// Nanoseconds after which a stream that gets no further is given up, and one that does not ask
    /// any more does not wait.
    private let patience: UInt64
    private var open: [Open] = []
    /// In the order in which they came.
    private var waiting: [(stream: Stream, askedAt: Instant)] = []

    init(limit: Int, patience: UInt64) {
        self.limit = limit
        self.patience = patience
    }

    var count: Int { open.count }

    /// Whether the piece at `offset` may be read for the stream at `now`.
    mutating func admits(_ stream: Stream, offset: UInt64, at now: Instant) -> Bool {
        if let place = open.firstIndex(where: { $0.stream == stream }) {
            guard offset > open[place].offset else { return true }
            open[place].offset = offset
            open[place].movedAt = now
            return true
        }
        wait(stream, at: now)
        let free = max(limit - open.count, 0)
        guard let place = waiting.prefix(free).firstIndex(where: { $0.stream == stream }) else {
            return false
        }
        waiting.remove(at: place)
        open.append(Open(stream: stream, offset: offset, movedAt: now))
        return true
    }

    private mutating func wait(_ stream: Stream, at now: Instant) {
        let patience = patience
        waiting.removeAll { $0.stream != stream && $0.askedAt.advanced(by: patience) < now }
        if let place = waiting.firstIndex(where: { $0.stream == stream }) {
            waiting[place].askedAt = now
        } else {
            waiting.append((stream, now))
        }
    }

    /// The stream's last piece was read.
    mutating func close(_ stream: Stream) { open.removeAll { $0.stream == stream } }

    /// Streams that have got no further for too long, whether or not they ask. They are closed.
    mutating func takeAbandoned(at now: Instant) -> [Stream] {
        let over = open.filter { $0.movedAt.advanced(by: patience) < now }.map(\.stream)
        open.removeAll { over.contains($0.stream) }
        return over
    }

    /// The group's streams are closed: this node does not lead it any more.
    mutating func closeAll(of group: GroupID) {
        open.removeAll { $0.stream.group == group }
        waiting.removeAll { $0.stream.group == group }
    }
}
