// Brings all groups to the members that an operator wants. Each step looks at what is, and asks the
// leaders for what is missing: nothing is remembered that matters, so whoever was interrupted, or
// not, may run it again.
//
//   absent  -- ADD -->  joining ... incoming -->  voter      done
//   voter   -- REMOVE -->  outgoing -->  absent              done
//
// A group counts as done when its leader's list is as wanted and has been committed since. How long
// to go on is decided elsewhere (`MembershipCourse`).

import HoldfastWire
package import RaftCore

/// What an operator wants of all groups.
package enum MembershipGoal: Hashable, Sendable {
    /// The node votes.
    case voter(NodeConfiguration)
    /// The node gets the log.
    case learner(NodeConfiguration)
    /// The node is no member.
    case absent(NodeID)
    /// The second votes, and the first is no member.
    case replaced(NodeID, by: NodeConfiguration)
}

/// Where one group is on its way.
package enum GroupProgress: Hashable, Sendable {
    case done
    /// Under way; how far the new member has come, where that is what is waited for.
    case waiting(CatchingUp?)
    /// Its leader could not begin it now, and is asked again.
    case notBegun
    case noLeader
    /// It will not happen, for this reason.
    case refused(String)
}

/// How much of a group a new member has.
package struct CatchingUp: Hashable, Sendable {
    /// The last entry that is durable there.
    package var match: UInt64
    /// Entries that it lacks. More by the minute where clients write faster than it catches up.
    package var lacks: UInt64
    /// Bytes of a snapshot that have arrived, while one is on its way.
    package var snapshotBytes: UInt64?

    package init(match: UInt64, lacks: UInt64, snapshotBytes: UInt64? = nil) {
        self.match = match
        self.lacks = lacks
        self.snapshotBytes = snapshotBytes
    }
}

package struct MembershipDriver {
    private let configuration: ClusterConfiguration
    private let goal: MembershipGoal
    /// Goes on where too few voters answer to be sure that the group goes on.
    private let safety: Safety
    /// By group: the leader's log when its list was first seen as wanted.
    private var sightings: [Int: Sighting] = [:]

    package enum Safety: Hashable, Sendable {
        case checked
        case forced
    }

    private struct Sighting {
        var term: UInt64
        var last: UInt64
    }

    /// What is to be done for one group.
    enum Action: Hashable {
        case command([String])
        case settled
        case waiting(CatchingUp?)
        case refused(String)
    }

    package init(
        _ configuration: ClusterConfiguration,
        goal: MembershipGoal,
        safety: Safety = .checked
    ) {
        self.configuration = configuration
        self.goal = goal
        self.safety = safety
    }

    /// Looks once and does what is next; where each group is then.
    package mutating func step() async -> [GroupProgress] {
        let view = await MembershipView.ask(configuration)
        var progress: [GroupProgress] = []
        for (number, group) in view.groups.enumerated() {
            guard let group else {
                progress.append(.noLeader)
                continue
            }
            progress.append(await step(number, group, view))
        }
        return progress
    }

    private mutating func step(
        _ number: Int,
        _ group: GroupMembers,
        _ view: MembershipView
    ) async -> GroupProgress {
        switch next(group, view) {
        case .settled:
            return confirm(number, group)
        case .waiting(let member):
            sightings[number] = nil
            return .waiting(member)
        case .refused(let text):
            return .refused(text)
        case .command(let words):
            sightings[number] = nil
            guard let leader = view.node(NodeID(group.leader)) else { return .noLeader }
            return await send(words, to: leader)
        }
    }

    private mutating func confirm(_ number: Int, _ group: GroupMembers) -> GroupProgress {
        if let seen = sightings[number], seen.term == group.term {
            return group.commit >= seen.last ? .done : .waiting(nil)
        }
        sightings[number] = Sighting(term: group.term, last: group.last)
        return .waiting(nil)
    }

    private func send(_ words: [String], to leader: NodeConfiguration) async -> GroupProgress {
        do {
            let reply = try await NodeProbe.ask(leader, ["HOLDFAST", "MEMBERS"] + words)
            guard case .error(let text) = reply else { return .waiting(nil) }
            switch text.prefix(while: { $0 != " " }) {
            case "NOTLEADER", "INPROGRESS": return .notBegun
            // It went on while it was looked at.
            case "NOTCAUGHTUP", "ALREADYVOTER": return .waiting(nil)
            default: return .refused(text)
            }
        } catch {
            // It may have been done; the next look tells.
            return .noLeader
        }
    }

    // MARK: What is next

    func next(_ group: GroupMembers, _ view: MembershipView) -> Action {
        switch goal {
        case .voter(let node): nextOfVoter(node, group, view, replacing: nil)
        case .learner(let node): nextOfLearner(node, group, view)
        case .absent(let id): nextOfAbsent(id, group, view)
        case .replaced(let old, let node): nextOfReplaced(old, node, group, view)
        }
    }

    private func nextOfVoter(
        _ node: NodeConfiguration,
        _ group: GroupMembers,
        _ view: MembershipView,
        replacing old: NodeID?
    ) -> Action {
        guard let member = group[node.id] else {
            if let refusal = isNoNewNode(node, group, view) { return .refused(refusal) }
            var words = ["ADD", "\(group.group)", "\(node.number)", node.contact]
            if let old { words += ["REPLACES", "\(old.rawValue)"] }
            return .command(words)
        }
        if let refusal = otherAddress(node, member) { return .refused(refusal) }
        switch member.role {
        case .voter: return group.isJoint ? .waiting(nil) : .settled
        case .learner where hasCaughtUp(member, group):
            return .command(["PROMOTE", "\(group.group)", "\(node.number)"])
        case .learner, .joining, .incoming: return .waiting(catchingUp(member, group))
        case .outgoing: return .refused(Self.leaving(node))
        }
    }

    private func nextOfLearner(
        _ node: NodeConfiguration,
        _ group: GroupMembers,
        _ view: MembershipView
    ) -> Action {
        guard let member = group[node.id] else {
            if let refusal = isNoNewNode(node, group, view) { return .refused(refusal) }
            return .command(["ADD", "\(group.group)", "\(node.number)", node.contact, "LEARNER"])
        }
        if let refusal = otherAddress(node, member) { return .refused(refusal) }
        switch member.role {
        case .learner:
            return hasCaughtUp(member, group) ? .settled : .waiting(catchingUp(member, group))
        case .joining, .incoming, .voter: return .refused("\(node.name) is no learner there")
        case .outgoing: return .refused(Self.leaving(node))
        }
    }

    private func nextOfAbsent(
        _ id: NodeID,
        _ group: GroupMembers,
        _ view: MembershipView
    ) -> Action {
        if let refusal = isUnheardOf(id, view) { return .refused(refusal) }
        guard let member = group[id] else { return group.isJoint ? .waiting(nil) : .settled }
        guard member.role != .outgoing else { return .waiting(nil) }
        if safety == .checked, let text = danger(of: id, group, view) { return .refused(text) }
        return .command(["REMOVE", "\(group.group)", "\(id.rawValue)"])
    }

    private func nextOfReplaced(
        _ old: NodeID,
        _ node: NodeConfiguration,
        _ group: GroupMembers,
        _ view: MembershipView
    ) -> Action {
        // Before anything is added: it would be added in nobody's place.
        if let refusal = isUnheardOf(old, view) { return .refused(refusal) }
        let isUnderWay = view.lists.values.joined().contains { group in
            group[old] != nil || group[node.id] != nil
        }
        guard isUnderWay else {
            return .refused(
                "node \(old.rawValue) is no member any more, so there is nobody to replace; "
                    + "'holdfast members add --node \(node.name)' adds \(node.name)"
            )
        }
        let isVoter = group[old]?.role == .voter
        let action = nextOfVoter(node, group, view, replacing: isVoter ? old : nil)
        guard case .settled = action else { return action }
        return nextOfAbsent(old, group, view)
    }

    /// Why a node cannot be added as it is; nil where it can, or where the leader will say why not.
    private func isNoNewNode(
        _ node: NodeConfiguration,
        _ group: GroupMembers,
        _ view: MembershipView
    ) -> String? {
        guard node.number > group.highestID else { return nil }
        guard let own = view.lists[node.id] else {
            let problem = view.problems[node.id] ?? "not asked"
            return "\(node.name) does not answer (\(problem)); start it with holdfastd --join"
        }
        guard own[group.group].members.isEmpty else {
            return
                "\(node.name) was started without --join, as a member of a new cluster. Stop it, "
                + "empty its data directory, and start it with --join"
        }
        return nil
    }

    /// Why an id cannot be that of a node to take out; nil where it is one, or was. A group that an
    /// interrupted change has not reached yet may know less than the others: all are asked.
    private func isUnheardOf(_ id: NodeID, _ view: MembershipView) -> String? {
        guard id.rawValue > view.highestID || id.rawValue == 0 else { return nil }
        return "no node \(id.rawValue) was ever a member of this cluster; 'holdfast members list' "
            + "shows who is"
    }

    private func catchingUp(_ member: ListedMember, _ group: GroupMembers) -> CatchingUp? {
        member.match.map { match in
            CatchingUp(
                match: match,
                lacks: group.last > match ? group.last - match : 0,
                snapshotBytes: member.snapshotBytes
            )
        }
    }

    /// As the leader sees it: under load there is always something on its way.
    private func hasCaughtUp(_ member: ListedMember, _ group: GroupMembers) -> Bool {
        guard let lacks = catchingUp(member, group)?.lacks else { return false }
        return lacks <= UInt64(RaftCore.Limits().promotionLagMax)
    }

    private func otherAddress(_ node: NodeConfiguration, _ member: ListedMember) -> String? {
        guard let known = member.node, known.contact != node.contact else { return nil }
        return "it is there already, as '\(known.contact)'; the configuration says "
            + "'\(node.contact)'"
    }

    private static func leaving(_ node: NodeConfiguration) -> String {
        "\(node.name) is being removed; it can come back under a new id only"
    }

    /// Why the group might stand still without the node; nil where most of the others answer.
    private func danger(
        of id: NodeID,
        _ group: GroupMembers,
        _ view: MembershipView
    ) -> String? {
        let others = group.members.filter { $0.role == .voter && $0.id != id }
        let up = others.count { view.isAnswering($0.id) }
        guard up <= others.count / 2, !others.isEmpty else { return nil }
        return "of the \(others.count) voters that would be left \(up) answer: the group would "
            + "stand still. Start them, or say --force if you know better"
    }
}
