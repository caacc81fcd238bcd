// The node's executable: arguments, configuration, signals. Everything else is `HoldfastServer`.

import ArgumentParser
import HoldfastServer
import Logging
import ServiceLifecycle
import UnixSignals

@main
struct Holdfastd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "holdfastd",
        abstract: "Runs one node of a Holdfast cluster.",
        discussion: """
            SIGTERM or SIGINT hands leadership to other nodes, answers what is under way, and \
            ends. SIGHUP reads the keys of what is at rest again.

            Exit codes: 0 stopped as asked, 64 wrong arguments, 65 damaged data, 69 a port is in \
            use, 70 a safety rule was broken, 73 the data directory is another node's or in use, \
            74 the disk failed, 76 this node's state is not that of the other nodes, 78 a mistake \
            in the configuration.
            """
    )

    @Option(help: "The cluster's configuration file.")
    var config: String

    @Option(help: "Which of the configuration's nodes this is.")
    var node: String

    @Option(help: "The data directory. Default: the node's 'data', or .holdfast/NODE.")
    var data: String?

    @Flag(
        help: """
            The cluster runs already, and 'holdfast members add' will add this node. Only says \
            something to a data directory that is new.
            """
    )
    var join = false

    @Option(help: "How much to log: trace, debug, info, notice, warning, error or critical.")
    var logLevel = "info"

    func run() async throws {
        guard let level = Logger.Level(rawValue: logLevel) else {
            fatal(.usage("--log-level \(logLevel) is not one of \(levels)"))
        }
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        let logger = Logger(label: "holdfastd")
        let cluster: ClusterConfiguration
        do {
            cluster = try ClusterConfiguration(path: config)
        } catch {
            fatal(.configuration("\(error)"))
        }
        // From here on, so that one which comes during a long start is not lost, nor the process.
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        let service: HoldfastNode
        do {
            service = try await HoldfastNode.start(
                cluster,
                node: node,
                dataDirectory: data,
                first: join ? .join : .bootstrap,
                logger: logger
            )
        } catch .reason(let reason) {
            fatal(reason)
        }
        let group = ServiceGroup(
            services: [service, KeyReload(node: service, hangups: hangups)],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await group.run()
    }

    private var levels: String {
        Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
    }
}

/// SIGHUP: the operator has changed the keys.
private struct KeyReload: Service {
    let node: HoldfastNode
    let hangups: UnixSignalsSequence

    func run() async throws {
        for await _ in hangups.cancelOnGracefulShutdown() { await node.reloadKeys() }
    }
}
