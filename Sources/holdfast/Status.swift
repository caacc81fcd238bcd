// `holdfast status`: nodes, groups, leaders, lag.

import ArgumentParser
import Glibc
import HoldfastServer

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows nodes, shard groups, leaders, and how far each node is behind.",
        discussion: "Exit code 0 when every group has a leader, else 1."
    )

    @OptionGroup var cluster: ClusterOptions

    @Flag(help: "One JSON object instead of text.")
    var json = false

    func run() async throws {
        let status = await ClusterStatus.ask(cluster.load())
        print(json ? status.json : status.text)
        let isLed = (0..<status.groupCount).allSatisfy { status.leader(of: $0) != nil }
        if !isLed { throw ExitCode(1) }
    }
}

/// A line on standard error.
func complain(_ text: String) {
    let line = Array("holdfast: \(text)\n".utf8)
    // There is nobody to tell if standard error is closed.
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

extension ClusterStatus {
    fileprivate var text: String {
        var lines = ["node        address                 leads   behind  state"]
        for node in nodes {
            let words = [node.repairWords, node.disk.words].compactMap(\.self)
            let state = node.problem ?? (words.isEmpty ? "up" : words.joined(separator: "; "))
            lines.append(
                [
                    node.name.padded(12), node.address.padded(24), "\(led(by: node))".padded(8),
                    "\(lag(of: node))".padded(8), state,
                ].joined()
            )
        }
        lines += ["", "group   leader      term    committed"]
        for group in 0..<groupCount {
            guard let leader = leader(of: group) else {
                lines.append("\("\(group)".padded(8))none")
                continue
            }
            let own = leader.groups[group]
            lines.append(
                "\(group)".padded(8) + leader.name.padded(12) + "\(own.term)".padded(8)
                    + "\(own.commit)"
            )
        }
        return lines.joined(separator: "\n")
    }

    fileprivate var json: String {
        let nodes = nodes.map { node in
            "{\"name\":\(node.name.quoted),\"id\":\(node.id),\"address\":\(node.address.quoted)"
                + ",\"up\":\(node.problem == nil),\"leads\":\(led(by: node))"
                + ",\"disk\":\(node.disk.rawValue.quoted),\"repairing\":\(node.repairing)"
                + ",\"behind\":\(lag(of: node))}"
        }
        let groups = (0..<groupCount).map { group in
            guard let leader = leader(of: group) else {
                return "{\"group\":\(group),\"leader\":null}"
            }
            let own = leader.groups[group]
            return "{\"group\":\(group),\"leader\":\(leader.name.quoted),\"term\":\(own.term)"
                + ",\"committed\":\(own.commit)}"
        }
        return "{\"nodes\":[\(nodes.joined(separator: ","))]"
            + ",\"groups\":[\(groups.joined(separator: ","))]}"
    }

    private func led(by node: NodeStatus) -> Int {
        (0..<groupCount).count { leader(of: $0)?.id == node.id }
    }
}

extension NodeStatus {
    fileprivate var repairWords: String? {
        repairing == 0 ? nil : "repairs its log: does not vote in \(repairing) groups"
    }
}

extension DiskCondition {
    /// Nil where there is nothing to say.
    fileprivate var words: String? {
        switch self {
        case .ok: nil
        case .stalled: "its disk hangs"
        case .low: "its disk is nearly full: make room"
        case .full: "its disk is full: make room"
        case .unknown: "its disk is in a state that this version does not know"
        }
    }
}

extension String {
    func padded(_ width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - count))
    }

    /// As a JSON string.
    var quoted: String {
        let escaped = unicodeScalars.map { scalar -> String in
            switch scalar {
            case "\"", "\\": "\\\(scalar)"
            case "\u{0}"..."\u{1f}":
                "\\u" + String(repeating: "0", count: scalar.value < 16 ? 3 : 2)
                    + String(scalar.value, radix: 16)
            default: String(scalar)
            }
        }
        return "\"\(escaped.joined())\""
    }
}
