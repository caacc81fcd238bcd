// What must hold of the members of a group: each step from one membership to the next, and the
// members in snapshots. Majorities are counted here anew: a judge that asked the code it judges
// would err with it.

import RaftCore

extension GroupJudge {
    /// Dissertation section 4.3: voters change by way of a joint phase only. Old voters of the next
    /// membership are the voters of the one before, and after a joint phase its new voters stay. No
    /// id comes back.
    static func isStep(from before: Membership, to after: Membership) -> Bool {
        let added = after.members.filter { before[$0.id] == nil }
        guard added.allSatisfy({ $0.id > before.highestID }), after.highestID >= before.highestID
        else { return false }
        if before.isJointByRole, after.isJointByRole { return false }
        if after.votersOf(.new).isEmpty { return false }
        return after.votersOf(.old) == before.votersOf(before.isJointByRole ? .new : .old)
    }

    /// What is wrong with the members that a snapshot holds, as far as they are known to be
    /// committed; nil where nothing is. A node that was added with the log from its first entry on
    /// knows no members before the entry that adds it.
    func broken(_ mark: SnapshotMark) -> String? {
        guard mark.membership != .none, mark.position.index <= committed else { return nil }
        let known = memberships.last { $0.index <= mark.position.index }
        guard let known, known.membership != mark.membership else { return nil }
        return "a snapshot at \(mark.position.text) holds \(mark.membership.text), "
            + "not \(known.membership.text)"
    }
}

extension MemberRole {
    func decides(in half: Half) -> Bool {
        switch (self, half) {
        case (.voter, _), (.incoming, .new), (.outgoing, .old): true
        case (.incoming, .old), (.outgoing, .new), (.learner, _), (.joining, _): false
        }
    }
}

extension Membership {
    /// Outside of a joint phase both halves are the same.
    func votersOf(_ half: Half) -> [NodeID] {
        members.filter { $0.role.decides(in: half) }.map(\.id)
    }

    var isJointByRole: Bool { votersOf(.old) != votersOf(.new) }

    var text: String { members.map { "\($0.id.rawValue) \($0.role)" }.joined(separator: ", ") }
}
