// The mind of one connection: who waits for which reply. Requests, replies and the time go in; what
// to write, whom to answer and whether to close come out. It does no I/O and reads no clock. It
// must never hand a reply to another caller than the one who asked (replies come in the order of
// the requests), and never call a request unsent once its bytes were handed out.

import NIOCore

/// Names one request for as long as somebody waits for it.
typealias RequestID = ObjectIdentifier

struct ConnectionMachine<Caller> {
    /// How long things may take, and how many there may be; see `HoldfastClient.Configuration`.
    struct Bounds {
        var connect: TimeAmount
        var attempt: TimeAmount
        var silence: TimeAmount
        var inFlight: Int
        var waiting: Int
    }

    struct Request {
        var id: RequestID
        var caller: Caller
        var bytes: ByteBuffer
        var deadline: NIODeadline
    }

    /// A caller who gets no reply, and whether the request was sent.
    struct Left {
        var caller: Caller
        var sent: Bool
    }

    enum Phase: Equatable {
        /// No socket yet. To `greeting` when connected, to `closed` when that fails.
        case connecting
        /// HELLO is sent. To `ready` with its reply.
        case greeting
        case ready
        /// The end; nobody waits any more.
        case closed
    }

    private struct Sent {
        var id: RequestID
        /// Nil once the caller has gone: the entry stays to swallow the reply.
        var caller: Caller?
        var deadline: NIODeadline
        var sentAt: NIODeadline
    }

    private(set) var phase = Phase.connecting
    private let bounds: Bounds
    private let openedAt: NIODeadline
    private var waiting = CircularBuffer<Request>()
    private var inFlight = CircularBuffer<Sent>()
    private var heardAt: NIODeadline
    private var suspectedAt: NIODeadline
    /// No deadline is earlier than this; nil when there is none at all.
    private var earliestDeadline: NIODeadline?

    init(bounds: Bounds, now: NIODeadline) {
        self.bounds = bounds
        openedAt = now
        heardAt = now
        suspectedAt = now
    }

    /// Whether nobody waits and no reply is owed.
    var isIdle: Bool { waiting.isEmpty && inFlight.isEmpty }

    // MARK: Requests

    /// Takes a request, to be had again from `nextToSend`; returns the caller when there is no
    /// room.
    mutating func submit(_ request: Request) -> Caller? {
        guard phase != .closed, waiting.count < bounds.waiting else { return request.caller }
        waiting.append(request)
        earliestDeadline = min(earliestDeadline ?? request.deadline, request.deadline)
        return nil
    }

    /// The bytes of the next request that may go out now. Whoever takes them must write them.
    mutating func nextToSend(now: NIODeadline) -> ByteBuffer? {
        guard phase == .ready, inFlight.count < bounds.inFlight else { return nil }
        guard let request = waiting.popFirst() else { return nil }
        inFlight.append(
            Sent(
                id: request.id,
                caller: request.caller,
                deadline: request.deadline,
                sentAt: now
            )
        )
        return request.bytes
    }

    /// The caller has gone. Nil when it was answered already.
    mutating func abandon(_ id: RequestID) -> Left? {
        if let place = waiting.firstIndex(where: { $0.id == id }) {
            return Left(caller: waiting.remove(at: place).caller, sent: false)
        }
        for place in inFlight.indices where inFlight[place].id == id {
            guard let caller = inFlight[place].caller else { continue }
            inFlight[place].caller = nil
            return Left(caller: caller, sent: true)
        }
        return nil
    }

    // MARK: The socket

    /// The socket is there, and HELLO goes out.
    mutating func connected() {
        precondition(phase == .connecting)
        phase = .greeting
    }

    /// Bytes came, whatever they are.
    mutating func heard(now: NIODeadline) { heardAt = now }

    enum ReplyAction {
        /// It was the greeting's.
        case greeted
        case deliver(Caller)
        /// Nobody waits for it any more.
        case drop
        /// Nobody ever asked: the connection cannot be trusted to be in step.
        case close(String)
    }

    /// A whole reply came.
    mutating func replied() -> ReplyAction {
        switch phase {
        case .greeting:
            phase = .ready
            return .greeted
        case .ready:
            guard let sent = inFlight.popFirst() else { return .close("a reply to no request") }
            guard let caller = sent.caller else { return .drop }
            return .deliver(caller)
        case .connecting, .closed: return .close("a reply on no connection")
        }
    }

    /// Ends everything; returns those who still wait, in the order they came.
    mutating func close() -> [Left] {
        var left: [Left] = []
        for sent in inFlight {
            if let caller = sent.caller { left.append(Left(caller: caller, sent: true)) }
        }
        for request in waiting { left.append(Left(caller: request.caller, sent: false)) }
        inFlight.removeAll()
        waiting.removeAll()
        earliestDeadline = nil
        phase = .closed
        return left
    }

    // MARK: Time

    enum Verdict: Equatable {
        case fine
        /// A reply is owed and not a byte came for too long: probe the node.
        case suspect
        case close(String)
    }

    /// Time passed. Returns the callers whose deadline is over, and what to think of the
    /// connection.
    mutating func tick(now: NIODeadline) -> (expired: [Left], verdict: Verdict) {
        guard phase != .closed else { return ([], .fine) }
        let expired = expire(now: now)
        if phase != .ready {
            guard openedAt + bounds.connect <= now else { return (expired, .fine) }
            return (expired, .close("no connection in time"))
        }
        guard let oldest = inFlight.first else { return (expired, .fine) }
        if oldest.sentAt + bounds.attempt <= now {
            return (expired, .close("no reply in time"))
        }
        guard quietSince(oldest) + bounds.silence <= now else { return (expired, .fine) }
        suspectedAt = now
        return (expired, .suspect)
    }

    /// When `tick` is wanted next; nil when only an event can change anything.
    func nextTick() -> NIODeadline? {
        var next = earliestDeadline
        func sooner(_ time: NIODeadline) { next = min(next ?? time, time) }
        switch phase {
        case .closed: return nil
        case .connecting, .greeting: sooner(openedAt + bounds.connect)
        case .ready:
            guard let oldest = inFlight.first else { return next }
            sooner(oldest.sentAt + bounds.attempt)
            sooner(quietSince(oldest) + bounds.silence)
        }
        return next
    }

    private func quietSince(_ oldest: Sent) -> NIODeadline {
        max(oldest.sentAt, max(heardAt, suspectedAt))
    }

    private mutating func expire(now: NIODeadline) -> [Left] {
        guard let earliest = earliestDeadline, earliest <= now else { return [] }
        var expired: [Left] = []
        var next: NIODeadline?
        for place in inFlight.indices {
            guard let caller = inFlight[place].caller else { continue }
            let deadline = inFlight[place].deadline
            if deadline <= now {
                expired.append(Left(caller: caller, sent: true))
                inFlight[place].caller = nil
            } else {
                next = min(next ?? deadline, deadline)
            }
        }
        for request in waiting where request.deadline <= now {
            expired.append(Left(caller: request.caller, sent: false))
        }
        waiting.removeAll { $0.deadline <= now }
        for request in waiting { next = min(next ?? request.deadline, request.deadline) }
        earliestDeadline = next
        return expired
    }
}
