// This reactor's way to the cluster port of one peer, for requests that came in by the standalone
// port. Requests go out in order and their replies come back in order, so each reply belongs to the
// oldest target that waits.
//
//   idle -> connecting -> open -> idle
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
        case open(any Channel)
        case closed
    }

    private let peer: NodeConfiguration
    private unowned let reactor: Reactor
    private var state = State.idle
    private var output = ByteBuffer()
    /// Oldest first. Its length is bounded by what the connections may have running.
    private var targets = CircularBuffer<ForwardTarget>()
    private var parser = ReplyParser()
    /// Replies that are due to the greeting, not to a target.
    private var greetings = 0
    private var busySince = 0

    init(to peer: NodeConfiguration, reactor: Reactor) {
        self.peer = peer
        self.reactor = reactor
    }

    func send(_ request: ByteBuffer, for target: ForwardTarget) {
        guard case .closed = state else {
            if targets.isEmpty { busySince = reactor.ticks }
            output.writeImmutableBuffer(request)
            targets.append(target)
            if case .idle = state { connect() }
            return reactor.scheduleTurn()
        }
        give(back: [target], .notDone)
    }

    func flush() {
        guard case .open(let channel) = state, output.readableBytes > 0 else { return }
        let bytes = output
        output = channel.allocator.buffer(capacity: 4_096)
        channel.writeAndFlush(bytes, promise: nil)
    }

    /// A peer that has gone silent keeps its connection open; who waits for it must not.
    func tick() {
        guard case .open(let channel) = state, !targets.isEmpty else { return }
        let isSilent = reactor.peers[peer.id]?.isAlive(at: reactor.ticks) != true
        let patience = reactor.node.configuration.timing.electionTicks
        if isSilent, reactor.ticks - busySince > patience { channel.close(promise: nil) }
    }

    // MARK: The connection

    private func connect() {
        state = .connecting
        let forwarder = NIOLoopBound(self, eventLoop: reactor.loop)
        ClientBootstrap(group: reactor.loop)
            .connectTimeout(.seconds(1))
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
        state = .open(channel)
        parser = ReplyParser()
        greetings = 1
        busySince = reactor.ticks
        let hello = ByteBuffer(string: "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n")
        channel.write(hello, promise: nil)
        channel.flush()
        flush()
    }

    private func failed() {
        guard case .connecting = state else { return }
        state = .idle
        output.clear()
        giveAllBack(.notDone)
    }

    fileprivate func received(_ bytes: inout ByteBuffer) {
        parser.feed(&bytes)
        busySince = reactor.ticks
        do {
            while let value = try parser.next() {
                if greetings > 0 {
                    greetings -= 1
                } else if let target = targets.popFirst() {
                    give(back: [target], .reply(value))
                }
            }
        } catch {
            // Replies cannot be told apart any more: the connection ends, and with it the waiting.
            if case .open(let channel) = state { channel.close(promise: nil) }
        }
    }

    fileprivate func broken() {
        guard case .open = state else { return }
        state = .idle
        output.clear()
        giveAllBack(.lost)
    }

    private func giveAllBack(_ result: ForwardResult) {
        let waiting = Array(targets)
        targets.removeAll()
        give(back: waiting, result)
    }

    private func give(back waiting: [ForwardTarget], _ result: ForwardResult) {
        for target in waiting {
            reactor.connections[target.connection]?.forwarded(target.reference, result)
        }
    }

    func close() {
        if case .open(let channel) = state { channel.close(promise: nil) }
        state = .closed
        giveAllBack(.lost)
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

    func channelInactive(context: ChannelHandlerContext) { forwarder.broken() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
