// Asks a node one question by its cluster port, for the operator's commands: connect, ask, read one
// reply, close, all within a time limit. No retries: an operator wants to see what is, not what
// would be with patience.

package import HoldfastWire
import NIOCore
import NIOPosix

/// Why a node did not answer.
package struct ProbeError: Error, CustomStringConvertible {
    package var description: String
}

package enum NodeProbe {
    /// Asks `node` the words of one command.
    package static func ask(
        _ node: NodeConfiguration,
        _ words: [String],
        timeout: Duration = .seconds(1)
    ) async throws(ProbeError) -> RESPValue {
        let limit = TimeAmount(timeout)
        do {
            let channel = try await ClientBootstrap(
                group: MultiThreadedEventLoopGroup.singleton
            )
            .connectTimeout(limit)
            .connect(host: node.host, port: node.clusterPort)
            .get()
            let reply = channel.eventLoop.makePromise(of: RESPValue.self)
            try await channel.eventLoop.submit {
                try channel.pipeline.syncOperations.addHandler(ProbeHandler(reply))
            }.get()
            let late = channel.eventLoop.scheduleTask(in: limit) {
                channel.close(promise: nil)
            }
            defer {
                late.cancel()
                channel.close(promise: nil)
            }
            var request = channel.allocator.buffer(capacity: 128)
            RequestEncoder.encode(words.map { Array($0.utf8) }, into: &request)
            channel.writeAndFlush(request, promise: nil)
            return try await reply.futureResult.get()
        } catch let error as ProbeError {
            throw error
        } catch {
            throw ProbeError(description: "\(node.host):\(node.clusterPort): not reachable")
        }
    }
}

private final class ProbeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let reply: EventLoopPromise<RESPValue>
    private var parser = ReplyParser()

    init(_ reply: EventLoopPromise<RESPValue>) { self.reply = reply }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        parser.feed(&bytes)
        do {
            if let value = try parser.next() { reply.succeed(value) }
        } catch {
            reply.fail(error)
        }
    }

    // Failing a promise that has its value does nothing.
    func channelInactive(context: ChannelHandlerContext) {
        reply.fail(ProbeError(description: "no answer in time"))
    }
}
