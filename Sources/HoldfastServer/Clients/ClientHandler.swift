// The NIO end of a client's connection. Reads only when the connection has room, so that a client
// that sends without reading fills its own socket, not our memory.

import NIOCore

final class ClientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let reactor: Reactor
    private let port: ClientPort
    private var connection: ClientConnection?

    init(reactor: Reactor, port: ClientPort) {
        self.reactor = reactor
        self.port = port
    }

    func channelActive(context: ChannelHandlerContext) {
        guard let connection = reactor.open(context.channel, port) else {
            let refusal = ByteBuffer(string: "-ERR max number of clients reached\r\n")
            context.writeAndFlush(NIOAny(refusal), promise: nil)
            return context.close(promise: nil)
        }
        self.connection = connection
        connection.readComplete()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        connection?.received(&bytes)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        connection?.readComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        connection?.resume()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if let connection { reactor.closed(connection) }
        connection = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A client that goes away without a word is no event.
        context.close(promise: nil)
    }
}

extension Reactor {
    /// Takes a new connection; nil where there are too many.
    func open(_ channel: any Channel, _ port: ClientPort) -> ClientConnection? {
        guard node.board.open(limit: node.configuration.limits.clientsMax) else { return nil }
        lastConnection += 1
        let connection = ClientConnection(
            id: lastConnection,
            port: port,
            reactor: self,
            channel: channel
        )
        connections[connection.id] = connection
        return connection
    }

    /// Requests of its that groups still work on are answered into nothing.
    func closed(_ connection: ClientConnection) {
        connections[connection.id] = nil
        node.board.close(requests: connection.served)
    }
}
