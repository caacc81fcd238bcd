// `holdfast members list`: each node with the groups in which it votes or learns, and each group
// that is on its way from one membership to another.

import ArgumentParser
import HoldfastServer
import RaftCore

struct MembersList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Shows who takes part in the groups, and what is under way.",
        discussion: "Exit code 0 when every group has a leader, else 1."
    )

    @OptionGroup var cluster: ClusterOptions

    @Flag(help: "One JSON object instead of text.")
    var json = false

    func run() async throws {
        let view = await MembershipView.ask(cluster.load())
        print(json ? view.json : view.text)
        if view.groups.contains(where: { $0 == nil }) { throw ExitCode(1) }
    }
}

extension MembershipView {
    fileprivate var text: String {
        var lines = [
            "id    node        address                 votes   learns  leads   lacks   state"
        ]
        for node in nodes {
            let roles = roles(of: node.id)
            let learning = roles.count { $0.isLearner }
            let leads = groups.count { $0?.leader == node.number }
            lines.append(
                "\(node.number)".padded(6) + node.name.padded(12)
                    + "\(node.host):\(node.clusterPort)".padded(24)
                    + "\(roles.count - learning)".padded(8) + "\(learning)".padded(8)
                    + "\(leads)".padded(8) + "\(lag(of: node.id))".padded(8) + state(of: node.id)
            )
        }
        for (number, group) in groups.enumerated() {
            guard let group else {
                lines.append("group \(number): no leader answers")
                continue
            }
            let moving = group.members.filter { $0.role != .voter }
            guard !moving.isEmpty else { continue }
            let words = moving.map { "\(name(of: $0.id)) is \(describe($0, group))" }
            lines.append("group \(number): \(words.joined(separator: ", "))")
        }
        return lines.joined(separator: "\n")
    }

    private func name(of id: NodeID) -> String { node(id)?.name ?? "node \(id.rawValue)" }

    private func state(of id: NodeID) -> String {
        let up = isAnswering(id) ? "up" : problems[id] ?? "not asked"
        if isRemoved(id) { return "removed (\(up))" }
        return roles(of: id).isEmpty ? "not added (\(up))" : up
    }

    private func describe(_ member: ListedMember, _ group: GroupMembers) -> String {
        var text = "\(member.role)"
        if let match = member.match, group.last > match { text += ", lacks \(group.last - match)" }
        if let bytes = member.snapshotBytes { text += ", has \(bytes) bytes of a snapshot" }
        return text
    }

    fileprivate var json: String {
        let nodes = nodes.map { node in
            "{\"id\":\(node.number),\"name\":\(node.name.quoted),\"up\":"
                + "\(isAnswering(node.id)),\"removed\":\(isRemoved(node.id)),\"lacks\":"
                + "\(lag(of: node.id))}"
        }
        let groups = groups.enumerated().map { number, group -> String in
            guard let group else { return "{\"group\":\(number),\"leader\":null}" }
            let members = group.members.map { member in
                let lacks = member.match.map { group.last > $0 ? group.last - $0 : 0 } ?? 0
                return "{\"id\":\(member.id.rawValue),\"role\":\("\(member.role)".quoted)"
                    + ",\"lacks\":\(lacks)}"
            }
            return "{\"group\":\(number),\"leader\":\(group.leader),\"term\":\(group.term)"
                + ",\"members\":[\(members.joined(separator: ","))]}"
        }
        return "{\"nodes\":[\(nodes.joined(separator: ","))]"
            + ",\"groups\":[\(groups.joined(separator: ","))]}"
    }
}
