// The way back to peers whose addresses this node does not know: on the connections that they have
// opened themselves.
//
// A node may be asked by one that its own log does not name yet. Where that one has what the group
// needs, the answer decides whether the group ever has a leader again, so it must not depend on an
// address. What is said first on such a connection is this node's hello, as on any other; a
// connection on which there is nothing to answer stays silent. Of several connections of a peer,
// the one on which it has asked last is taken.
//
// In: open connections, from their loops; answers, from any reactor. Out: frames. Like a link, it
// drops what cannot be sent.

import NIOConcurrencyHelpers
import NIOCore
import PeerWire
import RaftCore

final class ReturnPaths: Sendable {
    /// Of each peer: it has one for each of its reactors. The one on which it asked last is last.
    private let paths = NIOLockedValueBox<[NodeID: [NIOLoopBound<ReturnPath>]]>([:])

    /// Each of these three is to be called on the loop of the path.
    func opened(_ path: ReturnPath) {
        let bound = NIOLoopBound(path, eventLoop: path.loop)
        paths.withLockedValue { $0[path.peer, default: []].append(bound) }
    }

    func asked(on path: ReturnPath) {
        paths.withLockedValue { paths in
            guard let last = paths[path.peer]?.last, !Self.isSame(last, path) else { return }
            paths[path.peer]?.removeAll { Self.isSame($0, path) }
            paths[path.peer]?.append(NIOLoopBound(path, eventLoop: path.loop))
        }
    }

    func closed(_ path: ReturnPath) {
        paths.withLockedValue { paths in
            paths[path.peer]?.removeAll { Self.isSame($0, path) }
            if paths[path.peer]?.isEmpty == true { paths[path.peer] = nil }
        }
    }

    private static func isSame(_ bound: NIOLoopBound<ReturnPath>, _ path: ReturnPath) -> Bool {
        bound.eventLoop.inEventLoop && bound.value === path
    }

    func send(_ message: Message, group: GroupID) {
        guard let path = paths.withLockedValue({ $0[message.to]?.last }) else { return }
        path.eventLoop.execute { path.value.send(message, group: group) }
    }
}

/// One connection, on its loop.
final class ReturnPath {
    let peer: NodeID
    private let channel: any Channel
    private let node: NodeContext
    private var isGreeted = false

    init(to peer: NodeID, over channel: any Channel, node: NodeContext) {
        self.peer = peer
        self.channel = channel
        self.node = node
    }

    fileprivate var loop: any EventLoop { channel.eventLoop }

    fileprivate func send(_ message: Message, group: GroupID) {
        guard channel.isWritable else { return }
        // Few messages go this way, and most connections see none: nothing is kept for them.
        var encoder = FrameEncoder(
            cluster: node.configuration.cluster,
            version: node.admissions.version(of: peer)
        )
        var bytes = channel.allocator.buffer(capacity: 256)
        if !isGreeted { encoder.encode(node.hello, to: peer, into: &bytes) }
        guard encoder.encode(message, group: group, into: &bytes) != .inexpressible else {
            return node.reportInexpressible(to: peer, group, encoder.version, [:])
        }
        encoder.finishTurn(into: &bytes)
        isGreeted = true
        channel.writeAndFlush(bytes, promise: nil)
    }
}
