// The event loop's side of one connection: it carries out what the machine decides, with a socket,
// a parser and one timer. Everything here runs on the one loop. It must never decide by itself whom
// a reply is for, and never leave a caller without an answer.

import HoldfastWire
import NIOCore

final class ConnectionCore: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let loop: any EventLoop
    private let bounds: ConnectionMachine<Reply>.Bounds
    private let events: @Sendable (ConnectionEvent) -> Void
    private var machine: ConnectionMachine<Reply>
    private var parser = ReplyParser()
    private var context: ChannelHandlerContext?
    private var timer: Scheduled<Void>?
    private var timerAt: NIODeadline?
    private var isFlushComing = false
    private var isRetiring = false
    private var closeWaiters: [EventLoopPromise<Void>] = []

    init(
        loop: any EventLoop,
        bounds: ConnectionMachine<Reply>.Bounds,
        events: @escaping @Sendable (ConnectionEvent) -> Void
    ) {
        self.loop = loop
        self.bounds = bounds
        self.events = events
        machine = ConnectionMachine(bounds: bounds, now: .now())
    }

    // MARK: From the client

    /// The connect begins, and with it the time that it may take.
    func start() { armTimer() }

    func submit(_ bytes: ByteBuffer, deadline: NIODeadline, _ reply: Reply) {
        guard !reply.ticket.isCancelled else {
            return reply.complete(.failure(.cancelled(sent: false)))
        }
        let refused = machine.submit(
            .init(id: reply.ticket.id, caller: reply, bytes: bytes, deadline: deadline)
        )
        if let refused {
            let reason = machine.phase == .closed ? "the connection is closed" : "the queue is full"
            return refused.complete(.failure(.notSent(reason)))
        }
        send()
        armTimer()
    }

    func abandon(_ ticket: Ticket) {
        guard let left = machine.abandon(ticket.id) else { return }
        left.caller.complete(.failure(.cancelled(sent: left.sent)))
    }

    func retire() {
        isRetiring = true
        closeIfRetired()
    }

    func closeAndWait(_ reason: String) -> EventLoopFuture<Void> {
        close(reason)
        guard context != nil else { return loop.makeSucceededVoidFuture() }
        let promise = loop.makePromise(of: Void.self)
        closeWaiters.append(promise)
        return promise.futureResult
    }

    func close(_ reason: String) {
        guard machine.phase != .closed else { return }
        let left = machine.close()
        timer?.cancel()
        timer = nil
        context?.close(promise: nil)
        // First the node, so that a caller who comes back at once is not sent here again.
        events(.closed(reason))
        for left in left {
            left.caller.complete(.failure(left.sent ? .lost(reason) : .notSent(reason)))
        }
    }

    // MARK: From the socket

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        close("the connection was closed")
        for promise in closeWaiters { promise.succeed() }
        closeWaiters = []
    }

    func channelActive(context: ChannelHandlerContext) {
        guard machine.phase == .connecting else { return context.close(promise: nil) }
        machine.connected()
        var hello = ByteBuffer()
        RequestEncoder.encode(["HELLO", "3"].map { Array($0.utf8) }, into: &hello)
        context.writeAndFlush(wrapOutboundOut(hello), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        close("the server closed the connection")
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        close("the connection failed: \(error)")
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        machine.heard(now: .now())
        parser.feed(&bytes)
        while machine.phase != .closed {
            do throws(ReplyError) {
                guard let reply = try parser.next() else { break }
                take(reply)
            } catch {
                return close("the server sent what is no reply: \(error)")
            }
        }
        send()
        armTimer()
        closeIfRetired()
    }

    private func closeIfRetired() {
        if isRetiring, machine.isIdle { close("the node leads nothing now") }
    }

    private func take(_ reply: RESPValue) {
        if case .push = reply { return close("the server sent a push, which nobody asked for") }
        switch machine.replied() {
        case .greeted:
            if case .error(let text) = reply {
                return close("the server refused the greeting: \(text)")
            }
            events(.ready)
        case .deliver(let caller): caller.complete(.success(reply))
        case .drop: break
        case .close(let reason): close(reason)
        }
    }

    // MARK: To the socket

    private func send() {
        guard let context else { return }
        let now = NIODeadline.now()
        var wrote = false
        while let bytes = machine.nextToSend(now: now) {
            context.write(wrapOutboundOut(bytes), promise: nil)
            wrote = true
        }
        guard wrote, !isFlushComing else { return }
        // Requests that other tasks handed over meanwhile come before this in the loop's queue, and
        // go out with the same system call.
        isFlushComing = true
        loop.assumeIsolated().execute { self.flush() }
    }

    private func flush() {
        isFlushComing = false
        context?.flush()
    }

    // MARK: Time

    private func armTimer() {
        guard let next = machine.nextTick() else { return }
        if let timerAt, timerAt <= next, timer != nil { return }
        timer?.cancel()
        timerAt = next
        timer = loop.assumeIsolated().scheduleTask(deadline: next) { self.tick() }
    }

    private func tick() {
        timer = nil
        let (expired, verdict) = machine.tick(now: .now())
        for left in expired { left.caller.complete(.failure(.expired(sent: left.sent))) }
        switch verdict {
        case .fine: break
        case .suspect: events(.suspect)
        case .close(let reason): close(reason)
        }
        armTimer()
    }
}
