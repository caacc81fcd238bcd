// How many snapshots leave this node at a time, over all its groups. A node that comes back after a
// while may need one of every group that its peers lead; all at once they would take the disk and
// the network from the clients.
//
// A stream that is not let in is not answered: the core asks again a few heartbeats later.

import RaftCore

struct StreamGate: Sendable {
    struct Stream: Hashable, Sendable {
        var group: GroupID
        var follower: NodeID
    }

    private let limit: Int
    /// Nanoseconds without a fetch after which a stream is given up.
    private let patience: UInt64
    private var open: [(stream: Stream, lastFetch: Instant)] = []

    init(limit: Int, patience: UInt64) {
        self.limit = limit
        self.patience = patience
    }

    var count: Int { open.count }

    /// Whether a piece may be read for the stream at `now`.
    mutating func admits(_ stream: Stream, at now: Instant) -> Bool {
        if let place = open.firstIndex(where: { $0.stream == stream }) {
            open[place].lastFetch = now
            return true
        }
        guard open.count < limit else { return false }
        open.append((stream, now))
        return true
    }

    /// The stream's last piece was read.
    mutating func close(_ stream: Stream) { open.removeAll { $0.stream == stream } }

    /// Streams that nobody has asked for a piece of for too long. They are closed.
    mutating func takeAbandoned(at now: Instant) -> [Stream] {
        let over = open.filter { $0.lastFetch.advanced(by: patience) < now }.map(\.stream)
        open.removeAll { over.contains($0.stream) }
        return over
    }

    /// The group's streams are closed: this node does not lead it any more.
    mutating func closeAll(of group: GroupID) { open.removeAll { $0.stream.group == group } }
}
