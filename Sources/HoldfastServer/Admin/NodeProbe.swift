// Asks a node one question by its cluster port, for the operator's commands: connect, ask, read one
// reply, close, all within a time limit. No retries: an operator wants to see what is, not what
// would be with patience. Whoever asks may be cancelled, and has an answer at once.

package import HoldfastWire
import NIOCore
import NIOPosix

/// Why a node did not answer.
package struct ProbeError: Error, CustomStringConvertible {
    package var description: String
}

package enum NodeProbe {
    /// Asks `node` the words of one command. `timeout` is for the connection, and again for the
    /// answer.
    package static func ask(
        _ node: NodeConfiguration,
        _ words: [String],
        timeout: Duration = .seconds(1)
    ) async throws(ProbeError) -> RESPValue {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let reply = loop.makePromise(of: RESPValue.self)
        // Whatever comes first settles the reply, and the reply closes the connection.
        ask(node, words, TimeAmount(timeout), reply)
        do {
            return try await withTaskCancellationHandler {
                try await reply.futureResult.get()
            } onCancel: {
                reply.fail(ProbeError(description: "was not waited for"))
            }
        } catch let error as ProbeError {
            throw error
        } catch {
            throw ProbeError(description: "\(node.host):\(node.clusterPort): not reachable")
        }
    }

    private static func ask(
        _ node: NodeConfiguration,
        _ words: [String],
        _ limit: TimeAmount,
        _ reply: EventLoopPromise<RESPValue>
    ) {
        ClientBootstrap(group: reply.futureResult.eventLoop)
            .connectTimeout(limit)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ProbeHandler(reply))
                }
            }
            .connect(host: node.host, port: node.clusterPort)
            .whenComplete { result in
                switch result {
                case .success(let channel):
                    let late = channel.eventLoop.scheduleTask(in: limit) {
                        channel.close(promise: nil)
                    }
                    reply.futureResult.whenComplete { _ in
                        late.cancel()
                        channel.close(promise: nil)
                    }
                    var request = channel.allocator.buffer(capacity: 128)
                    RequestEncoder.encode(words.map { Array($0.utf8) }, into: &request)
                    channel.writeAndFlush(request, promise: nil)
                case .failure(let error):
                    reply.fail(error)
                }
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
