// Who takes part: links to the members of the groups come and go with their memberships, and an
// operator's changes of members find their groups.
//
// A link to a node that is a member of any group of this node stays. One to another node whose
// address the configuration names, as to a node that was removed, is made when something is to be
// said to it and goes when it falls silent. Who is named nowhere is answered on its own connection.

import HoldfastWire
import Logging
import NIOCore
import PeerWire
import RaftCore
import Replica

/// A change of a group's members, and who waits for the answer.
struct ChangeRequest: Sendable {
    var group: GroupID
    var change: MembershipChange
    var target: ReplyTarget
}

extension Reactor {
    // MARK: Links

    /// The way to a peer; made where there is none and its address is known.
    func link(to id: NodeID) -> PeerLink? {
        if let link = peers[id] { return link }
        guard id != node.id, let address = address(of: id) else { return nil }
        let link = PeerLink(to: address, reactor: self)
        link.isMember = members[id] != nil
        peers[id] = link
        return link
    }

    /// Over the link; or, to one that is no member and cannot be reached by any address that is
    /// known, on its own connection.
    func post(_ message: Message, _ group: GroupID) {
        if let link = link(to: message.to), link.isMember || link.isOpen {
            link.send(message, group: group)
        } else {
            node.returnPaths.send(message, group: group)
        }
    }

    func forwarder(to id: NodeID) -> Forwarder? {
        if let forwarder = forwarders[id] { return forwarder }
        guard id != node.id, let address = address(of: id) else { return nil }
        let forwarder = Forwarder(to: address, reactor: self)
        forwarders[id] = forwarder
        return forwarder
    }

    /// Where a node is; nil where neither a group nor the configuration names it.
    func address(of id: NodeID) -> NodeConfiguration? {
        members[id] ?? node.members.node(id)
    }

    /// Called each tick.
    func tickPeers() {
        let isShortOfRoom = node.space.room != .ample
        for peer in peers.values {
            peer.tick()
            peer.tell(isShortOfRoom: isShortOfRoom)
        }
        for (id, peer) in peers where !peer.isMember && peer.isOver {
            peer.close()
            peers[id] = nil
        }
    }

    /// A peer says how it is, on the connection of one reactor.
    func learned(_ notice: RoomNotice) {
        for other in reactors {
            other.loop.execute {
                other.peers[notice.from]?.isShortOfRoom = notice.isShortOfRoom
            }
        }
    }

    // MARK: Members

    /// A group has other members now.
    func membershipChanged(_ membership: Membership, _ group: LocalGroup) {
        publish(group)
        if membership[node.id] != nil {
            group.part = .member
        } else if group.part == .member {
            group.part = .leaving
        }
        guard node.members.update(group.id, membership) == .changed else { return }
        for reactor in reactors { reactor.loop.execute { reactor.membersChanged() } }
    }

    /// Looks up who the members are now: what another reactor knew when it said that they changed
    /// may be older than what this one was told before.
    private func membersChanged() {
        let before = members
        members = node.members.byID
        for (id, peer) in peers {
            peer.isMember = members[id] != nil
            // It moved: the old address leads nowhere.
            guard let member = members[id], member != peer.peer else { continue }
            peer.close()
            peers[id] = nil
        }
        for (id, forwarder) in forwarders where members[id] != before[id] {
            forwarder.close()
            forwarders[id] = nil
        }
        for id in members.keys { _ = link(to: id) }
    }

    /// A membership counts as soon as it stands in the log, but until it is committed another
    /// leader may take it back. So this waits until it is applied. (Few live to see that: a node
    /// that is removed while another leads hears no more of the group; see `RemovalWatch`.)
    func settleRemoval(from group: LocalGroup) {
        guard group.part == .leaving else { return }
        let applied = group.replica.raft.membership(at: group.replica.applied)
        if applied[node.id] == nil { reportRemoval(from: group) }
    }

    func reportRemoval(from group: LocalGroup) {
        guard group.part != .removed else { return }
        group.part = .removed
        node.logger.notice(
            """
            this node was removed from group \(group.id.rawValue): it takes no part in it any \
            more. Once it is removed from all groups ('holdfast members list') it can be stopped; \
            it may come back under a new id only.
            """
        )
    }

    // MARK: Changes

    /// Brings a change to its group, here or on the reactor that owns it.
    func submit(_ request: ChangeRequest) {
        let owner = Int(request.group.rawValue) % reactors.count
        guard owner == index else {
            outgoing[owner].changes.append(request)
            return scheduleTurn()
        }
        let group = own(request.group)
        group.lastChange += 1
        let token = ChangeToken(rawValue: group.lastChange)
        group.changes[token] = request.target
        group.replica.changeMembership(request.change, token)
        markDirty(group)
    }

    func carryOutChanges(_ group: LocalGroup) {
        for (token, answer) in group.effects.changes {
            guard let target = group.changes.removeValue(forKey: token) else { continue }
            switch answer {
            case .begun(let position):
                node.logger.notice(
                    "change of members begun",
                    metadata: [
                        "group": "\(group.id.rawValue)", "entry": "\(position.index.rawValue)",
                    ]
                )
                render(target) { $0.integer(Int64(clamping: position.index.rawValue)) }
            case .refused(let refusal):
                let text = MemberErrors.text(refusal, group.id) { self.address(of: $0) }
                render(target) { $0.error(text) }
            }
        }
    }
}
