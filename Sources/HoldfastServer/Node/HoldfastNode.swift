// One node, from an empty process to listening, and back. The order of both is the point:
//
//   start   configuration -> keys -> ports bound -> room on the disk -> the directory's identity ->
//           recovery (NodeRecovery) -> reactors run
//   reload  the keys, while it runs
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
        first: FirstStart,
        logger: Logger
    ) async throws(StartError) -> HoldfastNode {
        guard let own = configuration.node(named: name) else {
            let names = configuration.nodes.map(\.name).joined(separator: ", ")
            throw .reason(.usage("--node \(name) is not in the configuration; it has \(names)"))
        }
        let directory = dataDirectory ?? own.usualDirectory
        let keys = try NodeKeys.read(configuration.atRest)
        if !configuration.atRest.seals {
            logger.warning("encryption at rest is off: whoever gets hold of the disk reads it")
        }
        let ports = try await Ports.bind(own)
        let space = DiskSpace(directory: directory, marks: configuration.space, logger: logger)
        await space.waitForRoom()
        do {
            let recovery = NodeRecovery(
                configuration: configuration,
                own: own,
                first: first,
                space: space,
                keys: keys
            )
            let recovered = try recovery.open(directory, logger)
            return try await run(configuration, own, ports, recovered, space, logger)
        } catch {
            await ports.close()
            throw error
        }
    }

    private static func run(
        _ configuration: ClusterConfiguration,
        _ own: NodeConfiguration,
        _ ports: Ports,
        _ recovered: RecoveredNode,
        _ space: DiskSpace,
        _ logger: Logger
    ) async throws(StartError) -> HoldfastNode {
        let count = configuration.reactors ?? System.coreCount
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: count)
        let (context, reactors) = recovered.makeReactors(
            on: Array(loops.makeIterator()),
            configuration,
            own,
            space,
            logger
        )
        for reactor in reactors { reactor.loop.execute { reactor.start(with: reactors) } }
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

    // MARK: Running and stopping

    /// Reads the keys again. May take as long as a command that prints them.
    package func reloadKeys() async {
        do {
            let isNew = try await NIOThreadPool.singleton.runIfActive { [context] in
                context.keys.reload(context.logger)
            }
            guard isNew else { return }
            context.disk.cleanSoon()
            context.snapshots.reseal()
        } catch {
            context.logger.error("the keys were not read again", metadata: ["reason": "\(error)"])
        }
    }

    /// Serves until the service group shuts down.
    package func run() async throws {
        let watch = Task { [context, reactors] in
            await RemovalWatch(context: context, reactors: reactors).run()
        }
        // Throws where the task is cancelled, which asks for the same.
        try? await gracefulShutdown()
        watch.cancel()
        await stop(watch)
    }

    private func stop(_ watch: Task<Void, Never>) async {
        context.logger.notice("stopping: handing leadership over")
        for listener in listeners { listener.close(promise: nil) }
        await drain()
        await finishRequests()
        // It ends at once; but it must not speak to a reactor that has stopped.
        await watch.value
        for reactor in reactors {
            let stopped = reactor.loop.submit { reactor.stop() }
            do { try await stopped.get() } catch {
                fatal(.bug("a reactor did not stop: \(error)"))
            }
        }
        do {
            try await closeDisk()
            try await loops.shutdownGracefully()
        } catch {
            fatal(.disk("the end of the log or of its threads failed: \(error)"))
        }
        context.logger.notice("stopped")
    }

    /// The reactors have stopped, and the first one watches the disk no more.
    private func closeDisk() async throws {
        let patience = context.configuration.timing.diskStop
        let alarm = reactors[0].loop.scheduleTask(in: .milliseconds(Int64(patience))) {
            fatal(DiskWatch.death(after: patience))
        }
        try await context.snapshots.close()
        try await context.disk.close()
        alarm.cancel()
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
            guard led > 0, context.members.members.count > 1 else { return }
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
