// The client as a service: what it is made of, and its life. Calls come in from any task and are
// answered by `command`; the connections and the map are the router's. It must never answer a call
// after shutdown as if it had been asked.
//
// Reading order: this file, CallProgress (when to try again), Router (whom to ask), Node,
// Connection, ConnectionMachine (who waits for which reply).

import HoldfastWire
public import Logging
import NIOConcurrencyHelpers
public import NIOCore
import NIOPosix
public import ServiceLifecycle

/// A client of a Holdfast cluster.
///
/// One client serves a whole process: it keeps few connections, one to each node by default, and
/// any number of tasks share them. Give it to a `ServiceGroup`, or use
/// ``withClient(configuration:logger:isolation:_:)``.
///
/// ```swift
/// let client = HoldfastClient(
///     configuration: .init(seeds: [(host: "10.0.0.1", port: 7101)]),
///     logger: logger
/// )
/// let session = try await client.sessions.create(for: "user-17")
/// switch try await client.sessions.validate(session.token) {
/// case .valid(let session): print(session.state.subject)
/// case .expired, .revoked, .mismatch, .unknown: print("please log in")
/// }
/// ```
///
/// Every call ends by its deadline with an answer or with a ``HoldfastError``, which says whether
/// the call may have taken effect. Calls that are safe to repeat are repeated until then: across
/// elections, lost connections and redirections. A cancelled task gets its error at once.
///
/// A node that accepts connections and answers nothing is noticed after
/// ``Configuration/silenceTimeout`` and ``Configuration/probeTimeout`` together, 1.5 s by default:
/// when a connection owes a reply for so long without a byte, a PING goes out on a fresh
/// connection, and when that is not answered either, all connections to the node are closed and its
/// calls go to other nodes.
public final class HoldfastClient: Service, Sendable {
    let configuration: Configuration
    let router: Router
    private let life: NIOLockedValueBox<Life>

    private struct Life {
        enum Phase { case open, draining, closed }

        var phase = Phase.open
        var isRunning = false
        /// Calls between their begin and their end.
        var calls = 0
        var drained: EventLoopPromise<Void>?
    }

    private let loop: any EventLoop

    /// Makes a client. It connects when first used.
    ///
    /// - Parameters:
    ///   - configuration: Where the cluster is. A value outside its documented range stops the
    ///     program.
    ///   - eventLoopGroup: Where connections live; nil for the process's shared group. Must outlive
    ///     the client.
    ///   - logger: Gets debug and trace messages only, never a token or a value.
    public init(
        configuration: Configuration,
        eventLoopGroup: (any EventLoopGroup)? = nil,
        logger: Logger
    ) {
        configuration.check()
        self.configuration = configuration
        let group = eventLoopGroup ?? MultiThreadedEventLoopGroup.singleton
        loop = group.next()
        router = Router(configuration: configuration, group: group, logger: logger)
        life = NIOLockedValueBox(Life())
    }

    /// The calls on login sessions.
    public var sessions: Sessions { Sessions(client: self) }

    // MARK: Life

    /// Keeps the client's map of the cluster fresh until graceful shutdown or cancellation.
    ///
    /// On graceful shutdown new calls fail with ``HoldfastError/Code/shutdown``, calls under way
    /// are let end, and the connections are closed. On cancellation the connections are closed at
    /// once. Calls work before `run`, but then find leaders by redirection only.
    ///
    /// - Throws: ``HoldfastError`` with code `invalidArgument` when it was run before.
    public func run() async throws {
        let isFirst = life.withLockedValue { life in
            defer { life.isRunning = true }
            return !life.isRunning
        }
        guard isFirst else { throw HoldfastError.invalid("a client can be run once") }
        await cancelWhenGracefulShutdown { await self.router.keepMapFresh() }
        await drain()
        life.withLockedValue { $0.phase = .closed }
        await router.shutDown()
    }

    /// Runs a client for as long as `body` does.
    ///
    /// - Parameters:
    ///   - configuration: Where the cluster is.
    ///   - logger: Gets debug and trace messages only, never a token or a value.
    ///   - isolation: Where `body` runs: by default, where the caller does.
    ///   - body: What to do with the client. The client is shut down when it returns or throws.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws.
    public static func withClient<Value: Sendable>(
        configuration: Configuration,
        logger: Logger,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (HoldfastClient) async throws -> Value
    ) async throws -> Value {
        let client = HoldfastClient(configuration: configuration, logger: logger)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await client.run() }
            let outcome: Result<Value, any Error>
            do {
                outcome = .success(try await body(client))
            } catch {
                outcome = .failure(error)
            }
            group.cancelAll()
            try await group.waitForAll()
            return try outcome.get()
        }
    }

    /// Refuses new calls, and returns when those under way have ended or the task is cancelled.
    private func drain() async {
        let promise = loop.makePromise(of: Void.self)
        let isEmpty = life.withLockedValue { life in
            life.phase = .draining
            life.drained = promise
            return life.calls == 0
        }
        if isEmpty { promise.succeed() }
        await withTaskCancellationHandler {
            // The promise only succeeds; it fails only if its loop has shut down, and then there is
            // nothing to wait for.
            try? await promise.futureResult.get()
        } onCancel: {
            promise.succeed()
        }
    }

    /// Counts a call in, for `drain`.
    func enter() throws(HoldfastError) {
        let isOpen = life.withLockedValue { life in
            guard life.phase == .open else { return false }
            life.calls += 1
            return true
        }
        guard isOpen else { throw .shutDown }
    }

    /// Counts a call out.
    func leave() {
        let drained: EventLoopPromise<Void>? = life.withLockedValue { life in
            life.calls -= 1
            return life.calls == 0 ? life.drained : nil
        }
        drained?.succeed()
    }
}

extension HoldfastError {
    static var shutDown: HoldfastError {
        HoldfastError(.shutdown, outcome: .notDone, message: "the client is shut down")
    }
}
