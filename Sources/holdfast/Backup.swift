// `holdfast backup` and `holdfast restore`: a cluster's sessions and values in one file, and a new
// cluster of it.

import ArgumentParser
import Glibc
import HoldfastServer
import Sealing

struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes all groups of a running cluster to a file.",
        discussion: """
            What was acknowledged before the command began is in it; of what changes meanwhile, \
            some may be. The cluster goes on as usual. The file is sealed with the cluster's keys \
            where the cluster is: without them nobody can read it, so keep a copy of them too.

            Exit codes: 0 done, 1 the cluster cannot be asked, 64 wrong arguments, 65 what a node \
            sent is damaged, 74 the file cannot be written, 78 the configuration is not the \
            cluster's.
            """
    )

    @OptionGroup var cluster: ClusterOptions

    @Argument(help: "The file to be made.", completion: .file())
    var file: String

    @Flag(help: "One JSON object instead of text.")
    var json = false

    func validate() throws {
        guard access(file, F_OK) != 0 else {
            throw ValidationError("\(file) is there already")
        }
    }

    func run() async throws {
        let configuration = cluster.load()
        var bar = ProgressBar()
        let started = ContinuousClock.now
        let size: UInt64
        do throws(BackupError) {
            size = try await BackupRun(configuration) { bar.show($0, $1, of: $2) }.run(to: file)
        } catch {
            bar.clear()
            switch error {
            case .reason(let reason): fatal(reason, as: "holdfast")
            case .cluster(let text):
                complain(text)
                throw ExitCode(1)
            }
        }
        bar.clear()
        let groups = configuration.groupCount
        guard !json else {
            return print("{\"file\":\(file.quoted),\"groups\":\(groups),\"bytes\":\(size)}")
        }
        let seconds = (ContinuousClock.now - started).components.seconds
        print("\(file): \(groups) groups, \(size) bytes, in \(seconds) s")
    }
}

struct Restoring: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Makes the data directory of a node of a new cluster from a backup.",
        discussion: """
            Give the new cluster a configuration with a 'cluster-id' of its own, as many groups as \
            the old one had, and, where the backup is sealed, its keys. Run this for every node, \
            with the same file and the same choices, before any of them is started.

            A session that was ended after the backup was taken is alive in it. End those again \
            with --revoked, or all sessions with --end-all.

            Exit codes: 0 done, 64 wrong arguments, 65 the backup is damaged, 73 the directory is \
            not empty, 74 a disk cannot be read or written, 78 the configuration does not fit, or \
            a key is missing.
            """
    )

    @OptionGroup var cluster: ClusterOptions

    @Argument(help: "The backup.", completion: .file())
    var file: String

    @Option(help: "The node's name in the configuration.")
    var node: String

    @Option(help: "The directory to be made; without it, the configuration's.")
    var data: String?

    @Option(
        help: "A file with the handles of sessions that are to be ended: the first word of a line."
    )
    var revoked: String?

    @Flag(help: "End all sessions; values stay.")
    var endAll = false

    @Flag(help: "One JSON object instead of text.")
    var json = false

    func validate() throws {
        guard revoked == nil || !endAll else {
            throw ValidationError("--revoked and --end-all exclude each other")
        }
    }

    func run() throws {
        let configuration = cluster.load()
        guard let own = configuration.node(named: node) else {
            let names = configuration.nodes.map(\.name).joined(separator: ", ")
            throw ValidationError("the configuration has no node '\(node)', but \(names)")
        }
        var bar = ProgressBar()
        let directory = data ?? own.usualDirectory
        let restore = Restore(
            file: file,
            configuration: configuration,
            node: own,
            directory: directory,
            ending: try ending(),
            progress: { bar.show($0, $1, of: $2) }
        )
        let summary: Restore.Summary
        do {
            summary = try restore.run()
        } catch .reason(let reason) {
            bar.clear()
            fatal(reason, as: "holdfast")
        }
        bar.clear()
        print(json ? summary.json : summary.text(directory, isAsItWas: revoked == nil && !endAll))
    }

    private func ending() throws -> Restore.Ending {
        if endAll { return .all }
        guard let revoked else { return .none }
        let text: String
        do {
            text = try FileText.read(revoked, bytesMax: Self.revokedBytesMax)
        } catch {
            throw ValidationError("\(revoked) cannot be read: \(error.reason)")
        }
        do {
            return .these(try Restore.handles(in: text).get())
        } catch {
            let text = "\(revoked), line \(error.number) does not begin with a session's handle"
            throw ValidationError(text)
        }
    }

    /// Room for twenty million handles.
    private static let revokedBytesMax = 1024 * 1024 * 1024
}

extension Restore.Summary {
    fileprivate func text(_ directory: String, isAsItWas: Bool) -> String {
        let taken = CreationTime(unixSeconds: takenAt).map { "\($0)" } ?? "an unknown time"
        var lines = [
            "\(directory): \(groupCount) groups, \(sessions) sessions, \(values) values",
            "of the backup of \(taken), of cluster \(cluster)",
        ]
        if isAsItWas {
            lines.append("what was ended after the backup is alive again: see --revoked, --end-all")
        } else {
            lines.append("ended \(ended) sessions; \(unknown) handles are of none in the backup")
        }
        return lines.joined(separator: "\n")
    }

    fileprivate var json: String {
        "{\"cluster\":\(cluster.quoted),\"takenAt\":\(takenAt),\"groups\":\(groupCount)"
            + ",\"sessions\":\(sessions),\"values\":\(values),\"ended\":\(ended)"
            + ",\"unknown\":\(unknown)}"
    }
}
