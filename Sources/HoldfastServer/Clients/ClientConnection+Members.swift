// `HOLDFAST MEMBERS` on a connection: the list from what the reactors have published, changes by
// the group's replica. A change is answered when it stands in the leader's log, or was refused; how
// far it has come is in the list.

import Commands
import HoldfastWire
import NIOCore
import RaftCore

extension ClientConnection {
    /// Begins a change; false where it is answered already.
    func begin(_ command: MembersCommand) -> Bool {
        guard isOnClusterPort("MEMBERS") else { return false }
        switch command {
        case .list:
            writeMembers()
            return false
        case .add(let group, let id, let contact, let entry):
            guard let node = NodeConfiguration(NodeID(id), contact: contact) else {
                writer.error(
                    "ERR the contact must be 'NAME HOST CLUSTER-PORT STANDALONE-PORT PEER-PORT'"
                )
                return false
            }
            let promotion: MembershipChange.Promotion =
                switch entry {
                case .learner: .onRequest
                case .voter(let replaced): .whenCaughtUp(replacing: replaced.map { NodeID($0) })
                }
            let bytes = Array(node.contact.utf8)
            return begin(.add(node.id, contact: bytes, promotion: promotion), of: group)
        case .promote(let group, let id):
            return begin(.promote(NodeID(id)), of: group)
        case .remove(let group, let id):
            return begin(.remove(NodeID(id)), of: group)
        }
    }

    private func begin(_ change: MembershipChange, of group: UInt16) -> Bool {
        guard let group = existing(group) else { return false }
        reactor.submit(ChangeRequest(group: group, change: change, target: targetOfFront))
        return true
    }

    /// Whether an operator's command came where it may; says so where not.
    func isOnClusterPort(_ subcommand: String) -> Bool {
        if case .cluster = port { return true }
        writer.error("ERR HOLDFAST \(subcommand) is for the cluster port")
        return false
    }

    /// The group of that number; says so where there is none.
    func existing(_ number: UInt16) -> GroupID? {
        if Int(number) < reactor.node.configuration.groupCount { return GroupID(number) }
        writer.error("ERR there is no group \(number); see HOLDFAST MEMBERS LIST")
        return nil
    }

    /// One map a group; `-1` for what only a leader knows.
    private func writeMembers() {
        let groups = reactor.node.board.snapshot()
        writer.array(groups.count)
        for (number, group) in groups.enumerated() {
            writer.map(8)
            field("group", Int64(number))
            writer.bulk("role")
            writer.bulk("\(group.role)")
            field("term", Int64(clamping: group.term.rawValue))
            field("leader", Int64(clamping: group.leader?.rawValue ?? 0))
            field("commit", Int64(clamping: group.commit.rawValue))
            field("last", Int64(clamping: group.last.rawValue))
            field("highest-id", Int64(clamping: group.membership.highestID.rawValue))
            writer.bulk("members")
            writer.array(group.membership.members.count)
            for member in group.membership.members {
                write(member, group.progress.first { $0.id == member.id })
            }
        }
    }

    private func write(_ member: Member, _ progress: MemberProgress?) {
        writer.map(6)
        field("id", Int64(clamping: member.id.rawValue))
        writer.bulk("role")
        writer.bulk("\(member.role)")
        field("replaces", Int64(clamping: member.replaces?.rawValue ?? 0))
        writer.bulk("contact")
        writer.bulk(member.contact)
        field("match", progress.map { Int64(clamping: $0.match.rawValue) } ?? -1)
        field("snapshot-bytes", progress?.snapshotBytes.map { Int64(clamping: $0) } ?? -1)
    }

    private func field(_ name: String, _ value: Int64) {
        writer.bulk(name)
        writer.integer(value)
    }
}
