// One node, from an empty process to listening, and back. The order of both is the point:
//
//   start   configuration -> ports bound -> the directory's identity -> recovery -> reactors run
//   stop    no new connections -> leaderships handed over -> requests in flight answered ->
//           connections closed -> the disk drained and closed
//
// Whatever can be refused is refused before anything is written or anybody is talked to.

import LogStore
package import Logging
import NIOCore
import NIOPosix
import RaftCore
import Replica
import ServiceLifecycle
import SessionMachine

package struct HoldfastNode: Service {
    private let context: NodeContext
    private let loops: MultiThreadedEventLoopGroup
    private let reactors: [Reactor]
    private let listeners: [any Channel]

    /// Opens the node's directory and its ports. `dataDirectory` overrides the configuration's.
    package static func start(
        _ configuration: ClusterConfiguration,
        node name: String,
        dataDirectory: String?,
        logger: Logger
    ) async throws(StartError) -> HoldfastNode {
        guard let own = configuration.node(named: name) else {
            let names = configuration.nodes.map(\.name).joined(separator: ", ")
            throw .reason(.usage("--node \(name) is not in the configuration; it has \(names)"))
        }
        let directory = dataDirectory ?? own.dataDirectory ?? ".holdfast/\(own.name)"
        let ports = try await Ports.bind(own)
        do {
            let (store, recovered) = try open(configuration, own, directory, logger)
            return try await run(configuration, own, ports, store, recovered, logger)
        } catch {
            await ports.close()
            throw error
        }
    }

    private static func open(
        _ configuration: ClusterConfiguration,
        _ own: NodeConfiguration,
        _ directory: String,
        _ logger: Logger
    ) throws(StartError) -> (LogStore, [RecoveredGroup]) {
        do {
            let store = try LogStore.open(
                directory: directory,
                identity: NodeIdentity(cluster: configuration.cluster, node: own.id),
                groupCount: configuration.groupCount
            )
            let recovered = try store.recover { rows, total in
                logger.info("recovering", metadata: ["rows": "\(rows)", "of": "\(total)"])
            }
            return (store, recovered)
        } catch {
            throw .reason(FatalReason(error))
        }
    }

    private static func run(
        _ configuration: ClusterConfiguration,
        _ own: NodeConfiguration,
        _ ports: Ports,
        _ store: LogStore,
        _ recovered: [RecoveredGroup],
        _ logger: Logger
    ) async throws(StartError) -> HoldfastNode {
        let count = configuration.reactors ?? System.coreCount
        let context = NodeContext(
            configuration: configuration,
            own: own,
            reactorCount: count,
            disk: DiskThread(store: store),
            logger: logger
        )
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: count)
        var reactors: [Reactor] = []
        for (index, loop) in loops.makeIterator().enumerated() {
            let groups = recovered.map { group in
                Int(group.group.rawValue) % count == index ? makeGroup(group, context) : nil
            }
            reactors.append(Reactor(index: index, loop: loop, node: context, groups: groups))
        }
        for reactor in reactors {
            let all = reactors
            reactor.loop.execute { reactor.start(with: all) }
        }
        let listeners = try await ports.listen(reactors, loops)
        logger.notice(
            "listening",
            metadata: [
                "node": "\(own.name)", "cluster-port": "\(own.clusterPort)",
                "standalone-port": "\(own.standalonePort)", "peer-port": "\(own.peerPort)",
            ]
        )
        return HoldfastNode(
            context: context,
            loops: loops,
            reactors: reactors,
            listeners: listeners
        )
    }

    private static func makeGroup(
        _ recovered: RecoveredGroup,
        _ context: NodeContext
    ) -> LocalGroup {
        let configuration = context.configuration
        let raft = RaftNode(
            configuration: RaftConfiguration(
                id: context.id,
                voters: configuration.nodes.map(\.id),
                electionTicks: configuration.timing.electionTicks,
                heartbeatTicks: configuration.timing.heartbeatTicks,
                seed: UInt64.random(in: 0...UInt64.max)
            ),
            hardState: recovered.hardState,
            entries: recovered.entries
        )
        // Every replica of a group must hash alike, and no two clusters should.
        let seed = HashSeed(
            low: configuration.cluster.low ^ UInt64(recovered.group.rawValue),
            high: configuration.cluster.high
        )
        let replica = Replica(
            group: recovered.group,
            raft: raft,
            machine: SessionMachine(seed: seed),
            tuning: Tuning(
                parkingTicks: configuration.timing.parkingTicks,
                pendingTicks: configuration.timing.commitTicks
            )
        )
        return LocalGroup(id: recovered.group, replica: replica)
    }

    // MARK: Running and stopping

    /// Serves until the service group shuts down.
    package func run() async throws {
        // Throws where the task is cancelled, which asks for the same.
        try? await gracefulShutdown()
        await stop()
    }

    private func stop() async {
        context.logger.notice("stopping: handing leadership over")
        for listener in listeners { listener.close(promise: nil) }
        await drain()
        await finishRequests()
        for reactor in reactors {
            let stopped = reactor.loop.submit { reactor.stop() }
            do { try await stopped.get() } catch {
                fatal(.bug("a reactor did not stop: \(error)"))
            }
        }
        do {
            try await context.disk.close()
            try await loops.shutdownGracefully()
        } catch {
            fatal(.disk("the end of the log or of its threads failed: \(error)"))
        }
        context.logger.notice("stopped")
    }

    /// Waits until nothing is led here, at most for the configured time.
    private func drain() async {
        let timing = context.configuration.timing
        for _ in 0..<max(1, timing.handover / timing.tick) {
            var led = 0
            for reactor in reactors {
                // A loop that takes no task any more leads nothing.
                led += (try? await reactor.loop.submit { reactor.drain() }.get()) ?? 0
            }
            guard led > 0, !context.peers.isEmpty else { return }
            // Cancellation cuts the wait short, and the number of rounds is bounded.
            try? await Task.sleep(for: .milliseconds(timing.tick))
        }
    }

    /// Gives the requests that are under way a moment to be answered.
    private func finishRequests() async {
        let timing = context.configuration.timing
        for _ in 0..<max(1, 1_000 / timing.tick) {
            var running = 0
            for reactor in reactors {
                // As above: it runs nothing either.
                running += (try? await reactor.loop.submit { reactor.requests.count }.get()) ?? 0
            }
            guard running > 0 else { return }
            // Cancellation cuts the wait short, and the number of rounds is bounded.
            try? await Task.sleep(for: .milliseconds(timing.tick))
        }
    }
}

/// Why a node did not start. Something of it may still run: the process must end.
package enum StartError: Error {
    case reason(FatalReason)
}
