// One connection as the rest of the client sees it: a thing that any task may ask, of which all
// work is done on one event loop. Requests go in from anywhere; results come out exactly once each.
// It must never touch the core off its loop.

import HoldfastWire
import NIOCore
import NIOPosix

/// What a connection tells its node.
enum ConnectionEvent: Sendable {
    /// The greeting was answered.
    case ready
    /// The node owes a reply and has been silent for too long.
    case suspect
    /// It is over, and why. Said once.
    case closed(String)
}

final class Connection: Sendable {
    let address: NodeAddress
    private let loop: any EventLoop
    private let core: NIOLoopBoundBox<ConnectionCore>

    /// A connection that is not open yet; it takes requests at once, `open` sends them.
    ///
    /// - Parameter events: Called on the event loop.
    init(
        to address: NodeAddress,
        on loop: any EventLoop,
        bounds: ConnectionMachine<Reply>.Bounds,
        events: @escaping @Sendable (ConnectionEvent) -> Void
    ) {
        self.address = address
        self.loop = loop
        core = NIOLoopBoundBox.makeBoxSendingValue(
            ConnectionCore(loop: loop, bounds: bounds, events: events),
            eventLoop: loop
        )
    }

    /// Connects. `timeout` is for the TCP connect alone; the core watches over both together.
    func open(timeout: TimeAmount) {
        let core = core
        loop.execute { core.value.start() }
        ClientBootstrap(group: loop)
            .connectTimeout(timeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(core.value)
                }
            }
            .connect(host: address.host, port: address.port)
            .whenFailure { error in core.value.close("cannot connect: \(error)") }
    }

    /// Sends one encoded request and waits for its reply.
    ///
    /// When the calling task is cancelled the result comes at once; the reply is swallowed when it
    /// comes, and the connection stays in use.
    func request(
        _ bytes: ByteBuffer,
        deadline: NIODeadline
    ) async -> Result<RESPValue, AttemptFailure> {
        let ticket = Ticket()
        let core = core
        let loop = loop
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                submit(bytes, deadline: deadline, ticket: ticket) {
                    continuation.resume(returning: $0)
                }
            }
        } onCancel: {
            ticket.cancel()
            loop.execute { core.value.abandon(ticket) }
        }
    }

    /// Sends one encoded request; `complete` is called on the event loop, once.
    func submit(
        _ bytes: ByteBuffer,
        deadline: NIODeadline,
        ticket: Ticket = Ticket(),
        complete: @escaping @Sendable (Result<RESPValue, AttemptFailure>) -> Void
    ) {
        let core = core
        loop.execute {
            core.value.submit(bytes, deadline: deadline, Reply(ticket: ticket, complete: complete))
        }
    }

    /// Closes it. Who still waits hears that the request was lost, or not sent.
    func close(_ reason: String) {
        let core = core
        loop.execute { core.value.close(reason) }
    }

    /// Closes it as soon as no reply is owed.
    func retire() {
        let core = core
        loop.execute { core.value.retire() }
    }

    /// Closes it, and returns once the socket is closed too.
    func closeAndWait(_ reason: String) async {
        let core = core
        let closed = loop.flatSubmit { core.value.closeAndWait(reason) }
        // It fails only when the loop has shut down, and its sockets with it.
        try? await closed.get()
    }
}
