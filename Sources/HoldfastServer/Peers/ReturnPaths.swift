// The way back to peers whose addresses this node does not know: on the connections that they have
// opened themselves.
//
// A node may be asked by one that its own log does not name yet. Where that one has what the group
// needs, the answer decides whether the group ever has a leader again, so it must not depend on an
// address. What is said first on such a connection is this node's hello, as on any other; a
// connection on which there is nothing to answer stays silent.
//
// In: open connections, from their loops; answers, from any reactor. Out: frames. Like a link, it
// drops what cannot be sent.

import NIOConcurrencyHelpers
import NIOCore
import PeerWire
import RaftCore

final class ReturnPaths: Sendable {
    /// Of each peer, oldest first: it has one for each of its reactors.
    private let open = NIOLockedValueBox<[NodeID: [NIOLoopBound<ReturnPath>]]>([:])

    /// To be called on the loop of the path.
    func opened(_ path: ReturnPath, loop: any EventLoop) {
        let bound = NIOLoopBound(path, eventLoop: loop)
        open.withLockedValue { $0[path.peer, default: []].append(bound) }
    }

    /// To be called on the loop of the path.
    func closed(_ path: ReturnPath) {
        open.withLockedValue { open in
            open[path.peer]?.removeAll { $0.eventLoop.inEventLoop && $0.value === path }
            if open[path.peer]?.isEmpty == true { open[path.peer] = nil }
        }
    }

    func send(_ message: Message, group: GroupID) {
        guard let path = open.withLockedValue({ $0[message.to]?.last }) else { return }
        path.eventLoop.execute { path.value.send(message, group: group) }
    }
}

/// One connection, on its loop.
final class ReturnPath {
    let peer: NodeID
    private let channel: any Channel
    private let node: NodeContext
    private var encoder: FrameEncoder
    private var isGreeted = false

    init(to peer: NodeID, over channel: any Channel, node: NodeContext) {
        self.peer = peer
        self.channel = channel
        self.node = node
        encoder = FrameEncoder(cluster: node.configuration.cluster, version: .v1)
    }

    fileprivate func send(_ message: Message, group: GroupID) {
        guard channel.isWritable else { return }
        var bytes = channel.allocator.buffer(capacity: 256)
        if !isGreeted { encoder.encode(node.hello, to: peer, into: &bytes) }
        isGreeted = true
        encoder.version = node.admissions.version(of: peer)
        // What the peer's version has no words for is lost on the way, as any message may be.
        encoder.encode(message, group: group, into: &bytes)
        encoder.finishTurn(into: &bytes)
        channel.writeAndFlush(bytes, promise: nil)
    }
}
