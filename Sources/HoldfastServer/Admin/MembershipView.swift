// What the nodes of a cluster say of its members, put together: the word of each group's leader
// counts. Nodes are found from the configuration and from the members' own contacts, so that a
// configuration that lacks some of them, or has some more, will do.

import HoldfastWire
package import RaftCore

package struct MembershipView: Sendable {
    /// What each node that answered says itself.
    package var lists: [NodeID: [GroupMembers]] = [:]
    /// All nodes that are known of, ascending by id.
    package var nodes: [NodeConfiguration] = []
    /// By group: the word of the leader; nil while nobody says that it leads.
    package var groups: [GroupMembers?]
    /// Why others did not answer.
    package var problems: [NodeID: String] = [:]

    /// Asks the nodes of the configuration, and then those of whom only others know: `known`, and
    /// the members.
    package static func ask(
        _ configuration: ClusterConfiguration,
        known: [NodeConfiguration] = []
    ) async -> MembershipView {
        var view = MembershipView(
            groups: Array(repeating: nil, count: configuration.groupCount)
        )
        await view.ask(configuration.nodes)
        await view.ask(known)
        await view.ask(view.groups.compactMap(\.self).flatMap(\.members).compactMap(\.node))
        return view
    }

    /// Asks those who were not asked yet.
    private mutating func ask(_ named: [NodeConfiguration]) async {
        var nodes: [NodeConfiguration] = []
        for node in named where !(self.nodes + nodes).contains(where: { $0.id == node.id }) {
            nodes.append(node)
        }
        let answers = await withTaskGroup { group in
            for node in nodes { group.addTask { (node, await Self.answer(of: node)) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for (node, answer) in answers {
            switch answer {
            case .success(let list): take(list, from: node)
            case .failure(let error): problems[node.id] = error.description
            }
        }
        self.nodes = (self.nodes + nodes).sorted { $0.id < $1.id }
    }

    private static func answer(
        of node: NodeConfiguration
    ) async -> Result<[GroupMembers], ProbeError> {
        do {
            let reply = try await NodeProbe.ask(node, ["HOLDFAST", "MEMBERS", "LIST"])
            if case .error(let text) = reply { return .failure(ProbeError(description: text)) }
            guard let list = GroupMembers.all(reply) else {
                return .failure(ProbeError(description: "answers something else: is it holdfastd?"))
            }
            return .success(list)
        } catch {
            return .failure(error)
        }
    }

    private mutating func take(_ list: [GroupMembers], from node: NodeConfiguration) {
        guard list.count == groups.count else {
            problems[node.id] = "has \(list.count) groups; the configuration says \(groups.count)"
            return
        }
        lists[node.id] = list
        for (place, group) in list.enumerated() where group.isLedHere {
            // Of two that say so, the one of the later term.
            if let other = groups[place], other.term >= group.term { continue }
            groups[place] = group
        }
    }

    package func isAnswering(_ id: NodeID) -> Bool { lists[id] != nil }

    package func node(_ id: NodeID) -> NodeConfiguration? { nodes.first { $0.id == id } }

    /// Groups of which the node is a member, by role.
    package func roles(of id: NodeID) -> [MemberRole] {
        groups.compactMap { $0?[id]?.role }
    }

    /// Whether the node was a member once and is not any more, in any group.
    package func isRemoved(_ id: NodeID) -> Bool {
        roles(of: id).isEmpty && groups.contains { ($0?.highestID ?? 0) >= id.rawValue }
    }

    /// The highest id that any group ever had, by the word of all who answered.
    var highestID: UInt64 { lists.values.lazy.flatMap(\.self).map(\.highestID).max() ?? 0 }

    /// Entries of all groups that the node lacks, by the leaders' word.
    package func lag(of id: NodeID) -> UInt64 {
        groups.reduce(0) { sum, group in
            guard let group, let match = group[id]?.match else { return sum }
            return sum &+ (group.last > match ? group.last - match : 0)
        }
    }
}
