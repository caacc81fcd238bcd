// A port of loopback that takes what comes and never answers.

import NIOCore
import NIOPosix
import Testing

struct SilentServer {
    let port: Int
    /// Succeeds when something came in.
    let heard: EventLoopFuture<Void>

    /// Runs `body` on a server that is closed afterwards, also after a failure.
    static func with(
        on loop: any EventLoop,
        _ body: (SilentServer) async throws -> Void
    ) async throws {
        let promise = loop.makePromise(of: Void.self)
        // Succeeding a promise that has its value does nothing.
        defer { promise.succeed() }
        let channel = try await ServerBootstrap(group: loop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FirstBytes(promise))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(channel.localAddress?.port)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(SilentServer(port: port, heard: promise.futureResult)))
        } catch {
            result = .failure(error)
        }
        // Nobody can connect any more when this returns.
        try await channel.close()
        try result.get()
    }
}

/// Tells that something came in.
private final class FirstBytes: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let promise: EventLoopPromise<Void>

    init(_ promise: EventLoopPromise<Void>) { self.promise = promise }

    // Succeeding a promise that has its value does nothing.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { promise.succeed() }
}
