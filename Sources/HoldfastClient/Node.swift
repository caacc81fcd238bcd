// One node of the cluster: its few connections, opened when first wanted, and whether it is worth
// asking. Goes in: what its connections report. Comes out: a connection, or "not now". It must
// never queue requests for a node that is known not to answer.

import HoldfastWire
import Logging
import NIOConcurrencyHelpers
import NIOCore

final class Node: Sendable {
    let address: NodeAddress
    private let group: any EventLoopGroup
    private let configuration: HoldfastClient.Configuration
    private let logger: Logger
    /// Called when a connection ends or cannot be had, on any thread.
    private let trouble: @Sendable () -> Void
    private let state: NIOLockedValueBox<State>

    private struct State {
        var connections: [Connection?]
        /// Which connection the next request takes.
        var turn = 0
        /// Connects that failed since the last that did not.
        var failures = 0
        /// Until then the node is left alone.
        var awayUntil: NIODeadline?
        /// The connections on which somebody probes the node just now.
        var probed: Set<Int> = []
        var isShutDown = false
    }

    init(
        _ address: NodeAddress,
        group: any EventLoopGroup,
        configuration: HoldfastClient.Configuration,
        logger: Logger,
        trouble: @escaping @Sendable () -> Void
    ) {
        self.address = address
        self.group = group
        self.configuration = configuration
        self.logger = logger
        self.trouble = trouble
        state = NIOLockedValueBox(
            State(connections: Array(repeating: nil, count: configuration.connectionsPerNode))
        )
    }

    // MARK: Asking

    /// Whether the node may be asked now, as far as is known.
    func isReachable(now: NIODeadline) -> Bool {
        state.withLockedValue { state in
            guard !state.isShutDown else { return false }
            guard let awayUntil = state.awayUntil else { return true }
            return awayUntil <= now
        }
    }

    /// The connection whose turn it is, perhaps one that is still being opened.
    func connection(now: NIODeadline) -> Result<Connection, AttemptFailure> {
        let (connection, isNew): (Connection?, Bool) = state.withLockedValue { state in
            guard !state.isShutDown else { return (nil, false) }
            if let awayUntil = state.awayUntil, now < awayUntil { return (nil, false) }
            let place = state.turn
            state.turn = (place + 1) % state.connections.count
            if let connection = state.connections[place] { return (connection, false) }
            let connection = make(place)
            state.connections[place] = connection
            return (connection, true)
        }
        guard let connection else { return .failure(.notSent("the node does not answer")) }
        if isNew { connection.open(timeout: TimeAmount(configuration.connectTimeout)) }
        return .success(connection)
    }

    /// Asks on a connection of its own, which no other request can hold up.
    func askApart(
        _ words: [String],
        timeout: Duration
    ) async -> Result<RESPValue, AttemptFailure> {
        let connection = makeApart(timeout: timeout)
        let reply = await connection.request(
            Self.encode(words),
            deadline: .now() + TimeAmount(timeout)
        )
        connection.close("done")
        return reply
    }

    // MARK: What connections report

    private func make(_ place: Int) -> Connection {
        Connection(to: address, on: group.next(), bounds: .init(configuration)) {
            [weak self] event in
            switch event {
            case .ready: self?.ready()
            case .suspect: self?.probe(place)
            case .closed(let reason): self?.closed(place, reason)
            }
        }
    }

    private func ready() {
        state.withLockedValue { state in
            state.failures = 0
            state.awayUntil = nil
        }
    }

    /// Places are emptied before anybody hears of the end, so what stands there is what ended.
    private func closed(_ place: Int, _ reason: String) {
        let isShutDown = state.withLockedValue { state in
            state.connections[place] = nil
            return state.isShutDown
        }
        logger.debug("connection ended", metadata: ["node": "\(address)", "reason": "\(reason)"])
        guard !isShutDown else { return }
        leaveAlone()
        trouble()
    }

    /// For a while that doubles with each failure, so that a node that is down costs little.
    private func leaveAlone() {
        state.withLockedValue { state in
            let first = TimeAmount(Limits.reconnectFirst).nanoseconds
            let most = TimeAmount(Limits.reconnectMax).nanoseconds
            let pause = min(first << Int64(min(state.failures, 16)), most)
            state.failures += 1
            state.awayUntil = .now() + .nanoseconds(pause)
        }
    }

    // MARK: Suspicion

    /// A stopped process still accepts connections, for the kernel does it. So the question is a
    /// PING on a fresh connection: a node that is only busy with one request answers it.
    private func probe(_ place: Int) {
        let isFirst = state.withLockedValue { $0.probed.insert(place).inserted }
        guard isFirst else { return }
        let connection = makeApart(timeout: configuration.probeTimeout)
        let deadline = NIODeadline.now() + TimeAmount(configuration.probeTimeout)
        connection.submit(Self.encode(["PING"]), deadline: deadline) { [weak self] reply in
            connection.close("done")
            self?.probed(place, reply)
        }
    }

    private func probed(_ place: Int, _ reply: Result<RESPValue, AttemptFailure>) {
        let suspects: [Connection] = state.withLockedValue { state in
            state.probed.remove(place)
            guard case .failure = reply else { return [] }
            return state.connections.compactMap { $0 }
        }
        for connection in suspects { connection.close("the node does not answer a PING") }
    }

    private func makeApart(timeout: Duration) -> Connection {
        var bounds = ConnectionMachine<Reply>.Bounds(configuration)
        bounds.connect = TimeAmount(timeout)
        let connection = Connection(to: address, on: group.next(), bounds: bounds) { _ in }
        connection.open(timeout: bounds.connect)
        return connection
    }

    private static func encode(_ words: [String]) -> ByteBuffer {
        var bytes = ByteBuffer()
        RequestEncoder.encode(words.map { Array($0.utf8) }, into: &bytes)
        return bytes
    }

    // MARK: The end

    /// Takes no more requests, and closes each connection once it owes no reply.
    func retire() {
        state.withLockedValue { $0.isShutDown = true }
        for connection in connections { connection.retire() }
    }

    /// Closes everything, for good.
    func shutDown() async {
        state.withLockedValue { $0.isShutDown = true }
        for connection in connections { await connection.closeAndWait("the client shut down") }
    }

    private var connections: [Connection] {
        state.withLockedValue { $0.connections.compactMap { $0 } }
    }
}

extension ConnectionMachine.Bounds {
    init(_ configuration: HoldfastClient.Configuration) {
        self.init(
            connect: TimeAmount(configuration.connectTimeout),
            attempt: TimeAmount(configuration.attemptTimeout),
            silence: TimeAmount(configuration.silenceTimeout),
            inFlight: configuration.requestsInFlightPerConnection,
            waiting: configuration.requestsWaitingPerConnection
        )
    }
}
