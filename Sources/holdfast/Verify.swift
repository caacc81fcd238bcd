// `holdfast verify`: is a data directory as it was written?

import ArgumentParser
import HoldfastServer
import Sealing

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks the data directory of a node that does not run. Changes nothing.",
        discussion: """
            Reads all of the log and of the snapshots. Names what is damaged, the first bad place \
            first, and whether the node would start with it.

            Exit codes: 0 all is as it was written, 65 something is damaged, 73 a process has the \
            directory open or another version wrote it, 74 it cannot be read, 78 a key is missing.
            """
    )

    @Argument(help: "The data directory.")
    var directory: String

    @Option(help: "The keys file, where something is sealed.")
    var keys: String?

    @Option(help: "The cluster's configuration file, which says where the keys are.")
    var config: String?

    @Flag(help: "One JSON object instead of text.")
    var json = false

    func validate() throws {
        guard keys == nil || config == nil else {
            throw ValidationError("--keys and --config exclude each other")
        }
    }

    private var source: KeySource? {
        if let keys { return .file(keys) }
        guard let config else { return nil }
        do {
            return try ClusterConfiguration(path: config).atRest.source
        } catch {
            fatal(.configuration("\(error)"), as: "holdfast")
        }
    }

    func run() throws {
        let source = source
        var bar = ProgressBar()
        let check: DataCheck
        do {
            check = try DataCheck.run(directory, keys: source) { bar.show($0, $1, of: $2) }
        } catch .reason(let reason) {
            bar.clear()
            fatal(reason, as: "holdfast")
        }
        bar.clear()
        print(json ? check.json : check.text(directory))
        if !check.problems.isEmpty { throw ExitCode(65) }
    }
}

extension DataCheck {
    fileprivate func text(_ path: String) -> String {
        var lines: [String] = []
        if let owner {
            lines.append(
                "\(path): node \(owner.node) of cluster \(owner.cluster), \(groupCount) groups"
            )
        }
        lines += [
            "log: \(rows) rows, \(rowBytes) bytes, \(entries) entries",
            "snapshots: \(snapshots), \(snapshotBytes) bytes",
            "sealed with: \(keys.isEmpty ? "nothing" : keys.joined(separator: ", "))"
                + (isClear && !keys.isEmpty ? "; some of it is in clear" : ""),
        ]
        for problem in problems { lines.append("DAMAGED: \(problem.text)") }
        lines.append(verdict)
        return lines.joined(separator: "\n")
    }

    private var verdict: String {
        switch worst {
        case nil: "all is as it was written"
        case .tolerated: "the node starts with it: something else says the same"
        case .repaired:
            "a start sets the log aside and gets it again from the other nodes, if there are any"
        case .refused:
            "the node does not start with it: keep the directory, and replace the node by one with "
                + "a new id ('holdfast members replace')"
        }
    }

    /// Nil where nothing is damaged.
    private var worst: Consequence? {
        let order: [Consequence] = [.refused, .repaired, .tolerated]
        return order.first { one in problems.contains { $0.consequence == one } }
    }

    fileprivate var json: String {
        let list = problems.map {
            "{\"problem\":\($0.text.quoted),\"consequence\":\"\($0.consequence)\"}"
        }
        let node = owner.map { "\"node\":\($0.node),\"cluster\":\($0.cluster.quoted)," }
        return "{\(node ?? "")\"groups\":\(groupCount),\"rows\":\(rows)"
            + ",\"rowBytes\":\(rowBytes),\"entries\":\(entries)"
            + ",\"snapshots\":\(snapshots),\"snapshotBytes\":\(snapshotBytes)"
            + ",\"keys\":[\(keys.map(\.quoted).joined(separator: ","))],\"clear\":\(isClear)"
            + ",\"sound\":\(problems.isEmpty),\"problems\":[\(list.joined(separator: ","))]}"
    }
}
