// The whole cluster as its nodes tell it: what `holdfast status`, `ready` and `leader` print. Each
// node is asked by itself; one that does not answer is shown as such.

import HoldfastWire
import RaftCore

/// One node's word about itself and its groups.
package struct NodeStatus: Sendable {
    package var name: String
    package var id: UInt64
    package var address: String
    /// Nil where it answered.
    package var problem: String?
    package var disk = DiskCondition.ok
    /// Groups whose log it has lost in part, and gets again from the others; it does not vote in
    /// them.
    package var repairing = 0
    package var groups: [Group] = []

    package struct Group: Sendable {
        package var role: String
        package var term: UInt64
        package var leader: UInt64
        package var commit: UInt64
        package var applied: UInt64
        package var last: UInt64
        /// Ids of the members, learners included.
        package var members: [UInt64]
    }
}

/// How a node's disk is, in the word that INFO has for it.
package enum DiskCondition: String, Sendable {
    case ok
    /// It has been at one write for too long.
    case stalled
    /// It is nearly full: what adds to the state is refused.
    case low
    /// It is full: nothing is stored.
    case full
    /// It says something that this version does not know.
    case unknown
}

/// All nodes' words, and what follows from them.
package struct ClusterStatus: Sendable {
    package let nodes: [NodeStatus]
    package let groupCount: Int

    package static func ask(_ configuration: ClusterConfiguration) async -> ClusterStatus {
        let nodes = await withTaskGroup { group in
            for node in configuration.nodes {
                group.addTask { await status(of: node) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        return ClusterStatus(
            nodes: nodes.sorted { $0.id < $1.id },
            groupCount: configuration.groupCount
        )
    }

    private static func status(of node: NodeConfiguration) async -> NodeStatus {
        var status = NodeStatus(
            name: node.name,
            id: node.id.rawValue,
            address: "\(node.host):\(node.clusterPort)"
        )
        do {
            guard case .bulk(let text) = try await NodeProbe.ask(node, ["INFO", "holdfast"]) else {
                status.problem = "answers INFO with something else: is it holdfastd?"
                return status
            }
            let info = String(decoding: text, as: UTF8.self)
            let disk = line("disk", of: info) ?? DiskCondition.ok.rawValue
            status.disk = DiskCondition(rawValue: disk) ?? .unknown
            status.repairing = line("groups_repairing", of: info).flatMap { Int($0) } ?? 0
            status.groups = groups(in: info)
        } catch {
            status.problem = "\(error)"
        }
        return status
    }

    /// What INFO says of something; nil where it has no such line.
    private static func line(_ name: String, of info: String) -> String? {
        let line = info.split(whereSeparator: \.isNewline).first { $0.hasPrefix(name + ":") }
        return line.map { String($0.dropFirst(name.count + 1)) }
    }

    private static func groups(in text: String) -> [NodeStatus.Group] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            guard line.hasPrefix("group"), line.contains("role="),
                let colon = line.firstIndex(of: ":")
            else { return nil }
            var fields: [Substring: Substring] = [:]
            for field in line[line.index(after: colon)...].split(separator: ",") {
                let pair = field.split(separator: "=", maxSplits: 1)
                if pair.count == 2 { fields[pair[0]] = pair[1] }
            }
            func number(_ name: Substring) -> UInt64 { fields[name].flatMap { UInt64($0) } ?? 0 }
            return NodeStatus.Group(
                role: String(fields["role"] ?? "?"),
                term: number("term"),
                leader: number("leader"),
                commit: number("commit"),
                applied: number("applied"),
                last: number("last"),
                members: (fields["members"] ?? "").split(separator: "/").compactMap { UInt64($0) }
            )
        }
    }

    /// The node that leads a group by its own word; of two that say so, the one of the later term.
    package func leader(of group: Int) -> NodeStatus? {
        nodes
            .filter { group < $0.groups.count && $0.groups[group].role == "leader" }
            .max { $0.groups[group].term < $1.groups[group].term }
    }

    /// Whether every group has a leader, and all of its members that the configuration names answer
    /// and know it.
    package var isReady: Bool {
        (0..<groupCount).allSatisfy { group in
            guard let leader = leader(of: group) else { return false }
            let members = leader.groups[group].members
            return nodes.filter { members.contains($0.id) }.allSatisfy {
                $0.problem == nil && group < $0.groups.count
                    && $0.groups[group].leader == leader.id
            }
        }
    }

    /// How many entries a node lacks of those that its leaders have committed.
    package func lag(of node: NodeStatus) -> UInt64 {
        (0..<min(groupCount, node.groups.count)).reduce(0) { sum, group in
            guard leader(of: group)?.groups[group].members.contains(node.id) == true else {
                return sum
            }
            let committed = leader(of: group)?.groups[group].commit ?? 0
            let applied = node.groups[group].applied
            return sum &+ (committed > applied ? committed - applied : 0)
        }
    }

    /// The group of a key.
    package func group(of key: String) -> Int {
        HashSlot.group(of: HashSlot.of(Array(key.utf8)), groupCount: groupCount)
    }
}
