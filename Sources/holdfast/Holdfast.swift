// The operator's tool: arguments in, text or JSON out. What it knows about a cluster comes from
// `HoldfastServer`'s admin part; what it does to one, from the client.

import ArgumentParser
import HoldfastServer

@main
struct Holdfast: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "holdfast",
        abstract: "Looks after a Holdfast cluster.",
        discussion: """
            Exit codes: 0 done, 1 the answer is no or the cluster cannot be asked, 64 wrong \
            arguments, 65 damaged data, 70 a bug, 73 a data directory is in use or another \
            version wrote it, 74 a disk cannot be read, 78 a mistake in the configuration.
            """,
        subcommands: [
            Status.self, Ready.self, Leader.self, Nodes.self, Members.self, Keys.self, Verify.self,
            Backup.self, Restoring.self, SessionCommand.self, Tour.self,
        ]
    )
}

/// What every subcommand is told.
struct ClusterOptions: ParsableArguments {
    @Option(help: "The cluster's configuration file.")
    var config: String

    func load() -> ClusterConfiguration {
        do {
            return try ClusterConfiguration(path: config)
        } catch {
            fatal(.configuration("\(error)"), as: "holdfast")
        }
    }
}

struct Nodes: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints the configured nodes: name, id, host, cluster, standalone and peer port."
    )

    @OptionGroup var cluster: ClusterOptions

    func run() {
        for node in cluster.load().nodes {
            print(
                node.name,
                node.number,
                node.host,
                node.clusterPort,
                node.standalonePort,
                node.peerPort
            )
        }
    }
}

struct Ready: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Exit code 0 when every shard group has a leader that all nodes know, else 1."
    )

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        guard await ClusterStatus.ask(cluster.load()).isReady else { throw ExitCode(1) }
    }
}

struct Leader: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints the node that leads a key, subject, session id or handle."
    )

    @OptionGroup var cluster: ClusterOptions

    @Argument(help: "The key.")
    var key: String

    func run() async throws {
        let status = await ClusterStatus.ask(cluster.load())
        let group = status.group(of: key)
        guard let leader = status.leader(of: group) else {
            complain("no node that answers leads group \(group); try again, or see holdfast status")
            throw ExitCode(1)
        }
        print(leader.name)
    }
}
