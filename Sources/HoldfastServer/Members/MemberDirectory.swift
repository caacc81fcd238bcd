// Who is in the cluster, and where: the members of all groups of this node together. Every reactor
// tells of its groups, and is told when the whole has changed. Nodes that no group names, as a node
// that waits to be added sees the others, are looked up in the configuration.

import NIOConcurrencyHelpers
import RaftCore

final class MemberDirectory: Sendable {
    private struct State {
        var memberships: [Membership]
        /// By id. Of two contacts of one node the one of the lower group counts.
        var members: [NodeID: NodeConfiguration] = [:]
    }

    private let configured: [NodeConfiguration]
    private let state: NIOLockedValueBox<State>

    init(configuration: ClusterConfiguration) {
        configured = configuration.nodes
        let none = [Membership](repeating: .none, count: configuration.groupCount)
        state = NIOLockedValueBox(State(memberships: none))
    }

    enum Update: Hashable, Sendable {
        /// All groups together have other members now.
        case changed
        case same
    }

    /// The membership of a group is another one. What follows for all members is to be read when
    /// it is used, since other groups may change it meanwhile.
    func update(_ group: GroupID, _ membership: Membership) -> Update {
        state.withLockedValue { state in
            state.memberships[Int(group.rawValue)] = membership
            let members = Self.members(of: state.memberships)
            guard members != state.members else { return .same }
            state.members = members
            return .changed
        }
    }

    private static func members(of memberships: [Membership]) -> [NodeID: NodeConfiguration] {
        var members: [NodeID: NodeConfiguration] = [:]
        for member in memberships.lazy.flatMap(\.members) where members[member.id] == nil {
            members[member.id] = NodeConfiguration(member.id, contact: member.contact)
        }
        return members
    }

    /// All members.
    var byID: [NodeID: NodeConfiguration] { state.withLockedValue { $0.members } }

    /// All members, ascending by id.
    var members: [NodeConfiguration] { byID.values.sorted { $0.id < $1.id } }

    /// A node's address; nil where nobody knows it.
    func node(_ id: NodeID) -> NodeConfiguration? {
        state.withLockedValue { $0.members[id] } ?? configured.first { $0.id == id }
    }
}
