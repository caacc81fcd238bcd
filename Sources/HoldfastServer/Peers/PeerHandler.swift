// The receiving end of a peer's link: bytes to frames, frames to the reactors. The first frame must
// be a hello that fits this cluster; a connection that says anything else is closed, and so is one
// whose bytes do not decode.

import Logging
import NIOCore
import PeerWire
import RaftCore

final class PeerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let reactor: Reactor
    private var decoder: FrameDecoder
    private var buffer = ByteBuffer()
    /// Known after its hello.
    private var peer: NodeID?

    init(reactor: Reactor) {
        self.reactor = reactor
        decoder = FrameDecoder(cluster: reactor.node.configuration.cluster)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.discardReadBytes()
            buffer.writeBuffer(&bytes)
        }
        do {
            while let frame = try decoder.next(from: &buffer) {
                guard take(frame) else { return context.close(promise: nil) }
            }
            buffer.reserveCapacity(
                minimumWritableBytes: decoder.bytesMissing(in: buffer)
            )
        } catch {
            refuse("\(error)")
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset is how a crashed peer says goodbye; its link comes back by itself.
        context.close(promise: nil)
    }

    /// False where the connection must end.
    private func take(_ frame: Frame) -> Bool {
        switch frame {
        case .hello(let hello):
            return greet(hello)
        case .message(let group, let message):
            guard let peer, message.from == peer, message.to == reactor.node.id,
                Int(group.rawValue) < reactor.node.configuration.groupCount
            else {
                refuse("a message that is not from this peer to this node")
                return false
            }
            reactor.received(message, for: group)
            return true
        }
    }

    private func greet(_ hello: Hello) -> Bool {
        let own = reactor.node.hello
        guard hello.cluster == own.cluster else {
            refuse("it belongs to another cluster; check 'cluster-id' on both nodes")
            return false
        }
        guard hello.groupCount == own.groupCount else {
            refuse("it has \(hello.groupCount) groups, this node \(own.groupCount)")
            return false
        }
        guard reactor.node.peers.contains(where: { $0.id == hello.node }) else {
            refuse("node \(hello.node.rawValue) is not in this node's configuration")
            return false
        }
        peer = hello.node
        return true
    }

    private func refuse(_ reason: String) {
        reactor.node.logger.warning(
            "peer connection refused",
            metadata: [
                "peer": "\(peer.map { "\($0.rawValue)" } ?? "unknown")", "reason": "\(reason)",
            ]
        )
    }
}
