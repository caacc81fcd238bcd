// This reactor's way to the cluster port of one peer, for requests that came in by the standalone
// port. Requests go out in order and their replies come back in order, so each reply belongs to the
// oldest target that waits.
//
//   idle -> connecting -> greeting -> open -> idle
//
// What was not sent is given back as not done; what was sent and not answered when the connection
// breaks is lost: only the asker knows whether it may be repeated.

import HoldfastWire
import NIOCore
import NIOPosix

/// Who waits for a forwarded request.
struct ForwardTarget {
    var connection: UInt64
    var reference: PartReference
}

final class Forwarder {
    private enum State {
        case idle
        case connecting
        /// HELLO was sent; nothing else leaves before it is answered.
        case greeting(any Channel)
        case open(any Channel)
        case closed
    }

    private let peer: NodeConfiguration
    private unowned let reactor: Reactor
    private var state = State.idle
    /// Requests that wait for the socket to take them.
    private var output = ByteBuffer()
    /// Oldest first: those that were sent, then the last `unsent` ones, which are in `output`.
    private var targets = CircularBuffer<ForwardTarget>()
    private var unsent = 0
    private var parser = ReplyParser()
    private var busySince = 0

    init(to peer: NodeConfiguration, reactor: Reactor) {
        self.peer = peer
        self.reactor = reactor
    }

    func send(_ request: ByteBuffer, for target: ForwardTarget) {
        if case .closed = state { return give(back: [target], .notDone) }
        guard output.readableBytes < Limits.forwardedBytesMax else {
            return give(back: [target], .notDone)
        }
        if targets.isEmpty { busySince = reactor.ticks }
        output.writeImmutableBuffer(request)
        targets.append(target)
        unsent += 1
        if case .idle = state { connect() }
        reactor.scheduleTurn()
    }

    func flush() {
        guard case .open(let channel) = state, channel.isWritable, output.readableBytes > 0 else {
            return
        }
        let bytes = output
        output = channel.allocator.buffer(capacity: 4_096)
        unsent = 0
        channel.writeAndFlush(bytes, promise: nil)
    }

    /// A peer that has gone silent keeps its connection open; who waits for it must not.
    func tick() {
        guard let channel, !targets.isEmpty else { return }
        let isSilent = reactor.peers[peer.id]?.isAlive(at: reactor.ticks) != true
        let patience = reactor.node.configuration.timing.electionTicks
        if isSilent, reactor.ticks - busySince > patience { channel.close(promise: nil) }
    }

    // MARK: The connection

    private var channel: (any Channel)? {
        switch state {
        case .greeting(let channel), .open(let channel): channel
        case .idle, .connecting, .closed: nil
        }
    }

    private func connect() {
        state = .connecting
        let forwarder = NIOLoopBound(self, eventLoop: reactor.loop)
        ClientBootstrap(group: reactor.loop)
            .connectTimeout(Limits.peerConnectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ForwardHandler(forwarder.value)
                    )
                }
            }
            .connect(host: peer.host, port: peer.clusterPort)
            .whenComplete { result in
                switch result {
                case .success(let channel): forwarder.value.opened(channel)
                case .failure: forwarder.value.failed()
                }
            }
    }

    private func opened(_ channel: any Channel) {
        guard case .connecting = state else {
            channel.close(promise: nil)
            return
        }
        state = .greeting(channel)
        parser = ReplyParser()
        busySince = reactor.ticks
        let hello = ByteBuffer(string: "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n")
        channel.writeAndFlush(hello, promise: nil)
    }

    private func greeted(_ reply: RESPValue, _ channel: any Channel) {
        if case .error = reply {
            // It takes no more clients, say. Nothing was asked of it yet.
            return channel.close(promise: nil)
        }
        state = .open(channel)
        flush()
    }

    private func failed() {
        guard case .connecting = state else { return }
        state = .idle
        giveAllBack()
    }

    fileprivate func received(_ bytes: inout ByteBuffer) {
        parser.feed(&bytes)
        busySince = reactor.ticks
        do {
            while let value = try parser.next() {
                if case .greeting(let channel) = state {
                    greeted(value, channel)
                } else if let target = targets.popFirst() {
                    give(back: [target], .reply(value))
                }
            }
        } catch {
            // Replies cannot be told apart any more: the connection ends, and with it the waiting.
            channel?.close(promise: nil)
        }
    }

    fileprivate func broken() {
        guard channel != nil else { return }
        state = .idle
        giveAllBack()
    }

    private func giveAllBack() {
        let sent = Array(targets.dropLast(unsent))
        let kept = Array(targets.suffix(unsent))
        targets.removeAll()
        unsent = 0
        output.clear()
        give(back: sent, .lost)
        give(back: kept, .notDone)
    }

    private func give(back waiting: [ForwardTarget], _ result: ForwardResult) {
        for target in waiting {
            reactor.connections[target.connection]?.forwarded(target.reference, result)
        }
    }

    func close() {
        channel?.close(promise: nil)
        state = .closed
        giveAllBack()
    }
}

private final class ForwardHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let forwarder: Forwarder

    init(_ forwarder: Forwarder) { self.forwarder = forwarder }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        forwarder.received(&bytes)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) { forwarder.flush() }

    func channelInactive(context: ChannelHandlerContext) { forwarder.broken() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
