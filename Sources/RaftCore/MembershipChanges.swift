// The leader's side of a change of members: dissertation chapter 4.
//
//     addLearner          one entry; learners decide nothing
//     promote, remove     a joint entry; when it is committed the leader itself appends the entry
//                         that leaves the joint phase (section 4.3)
//
// One change at a time: none begins before the one before is committed, in whatever term it began,
// nor before this leader has committed an entry of its own term (the correction of July 2015 to
// single-server changes, kept here for all). A leader that is no voter, not any more or not yet,
// steps down once that is committed and so is an entry of its own term, and tells the most
// up-to-date voter that it hears of to take over (section 4.2.2).

extension RaftNode {
    mutating func changeMembership(
        _ change: MembershipChange,
        _ token: ChangeToken,
        _ effects: inout Effects
    ) {
        if let refusal = refusalOfAnyChange {
            effects.changes.append((token, .refused(refusal)))
            return
        }
        switch changed(by: change) {
        case .success(let membership) where !isReachable(membership):
            effects.changes.append((token, .refused(.wouldLoseQuorum)))
        case .success(let membership):
            appendMembership(membership)
            effects.changes.append((token, .begun(log.last)))
        case .failure(let refusal):
            effects.changes.append((token, .refused(refusal)))
        }
    }

    private var refusalOfAnyChange: MembershipRefusal? {
        guard role == .leader else { return .notLeader(leader) }
        let isSettled = history.currentIndex <= commit && !membership.isJoint
        return isSettled && hasCommittedInTerm && transfer == nil ? nil : .inProgress
    }

    private func changed(
        by change: MembershipChange
    ) -> Result<Membership, MembershipRefusal> {
        switch change {
        case .add(let id, let contact, let promotion):
            return added(id, contact, promotion)
        case .promote(let id):
            guard let member = membership[id] else { return .failure(.unknownMember(id)) }
            guard member.role.isLearner else { return .failure(.alreadyVoter(id)) }
            guard isCaughtUp(id) else { return .failure(.notCaughtUp(entries: lag(of: id))) }
            return .success(membership.promoting(id))
        case .remove(let id):
            guard let member = membership[id] else { return .failure(.unknownMember(id)) }
            if member.role.isLearner { return .success(membership.without(id)) }
            let voters = membership.members.count { $0.role == .voter }
            guard voters > 1 else { return .failure(.lastVoter) }
            return .success(membership.settingRole(of: id, to: .outgoing))
        }
    }

    private func added(
        _ id: NodeID,
        _ contact: [UInt8],
        _ promotion: MembershipChange.Promotion
    ) -> Result<Membership, MembershipRefusal> {
        guard id > membership.highestID else {
            return .failure(.idUsed(highest: membership.highestID))
        }
        guard membership.members.count < Limits.membersMax,
            contact.count <= Limits.contactBytesMax
        else { return .failure(.tooLarge) }
        var member = Member(id: id, role: .learner, contact: contact)
        if case .whenCaughtUp(let replaced) = promotion {
            if let replaced, !membership.isVoter(replaced) {
                return .failure(.unknownMember(replaced))
            }
            member.role = .joining
            member.replaces = replaced
        }
        return .success(membership.adding(member))
    }

    /// Appends the entry; it is in force at once.
    private mutating func appendMembership(_ membership: Membership) {
        let entry = Entry(term: term, index: log.last.index.next, content: .membership(membership))
        log.append(entry)
        uncommittedBytes += entry.payloadBytes
        if history.append(entry) { membershipChanged() }
    }

    /// The membership in force is another one now.
    mutating func membershipChanged() {
        quorum = Quorum(membership)
        guard role == .leader else { return }
        let before = progress
        // A new member is sent the entry that adds it, or nothing would probe it while the group is
        // idle.
        progress = membership.members.map { member in
            before.first { $0.id == member.id }
                ?? Progress(id: member.id, next: history.currentIndex)
        }
        // Fewer may be needed now for what is there already.
        recordOwnDurableLog()
    }

    /// Goes on with what is under way, when its time has come: leaves a joint phase that is
    /// committed, promotes a joining learner that has caught up, steps down when not a voter.
    mutating func continueMembershipChange(_ effects: inout Effects) {
        guard role == .leader, history.currentIndex <= commit else { return }
        if membership.isJoint {
            appendMembership(membership.leavingJoint)
        } else if !hasCommittedInTerm {
            // One that is no voter was elected for what its log has: the others need it first.
            return
        } else if !membership.isVoter(id) {
            leaveGroup(&effects)
        } else if transfer == nil, let id = learnerToPromote {
            let promoted = membership.promoting(id)
            if isReachable(promoted) { appendMembership(promoted) }
        }
    }

    /// Whether enough of the voters of `membership` have been heard of lately to commit it, and to
    /// go on after it.
    private func isReachable(_ membership: Membership) -> Bool {
        func isHeard(_ membership: Membership) -> Bool {
            let heard = membership.members.map { member in
                member.id == id || progressOf(member.id)?.isHeardOfLately == true ? 1 : 0
            }
            return Quorum(membership).reached(by: heard) == 1
        }
        return isHeard(membership) && isHeard(membership.leavingJoint)
    }

    private var learnerToPromote: NodeID? {
        membership.members.first { $0.role == .joining && isCaughtUp($0.id) }?.id
    }

    /// Whether a learner, as a voter, would keep up.
    private func isCaughtUp(_ id: NodeID) -> Bool {
        guard let follower = progressOf(id), case .replicate = follower.state else { return false }
        return follower.isHeardOfLately && lag(of: id) <= configuration.limits.promotionLagMax
    }

    private func lag(of id: NodeID) -> Int {
        log.last.index.distance(from: progressOf(id)?.match ?? .zero)
    }

    /// Section 4.2.2: "a leader that is removed from the configuration steps down once the C_new
    /// entry is committed". The others learn of that commit, and one of them takes over at once.
    private mutating func leaveGroup(_ effects: inout Effects) {
        broadcastHeartbeat(&effects)
        let voters = progress.filter { membership.isVoter($0.id) }
        // Of equals the one that was told to campaign before: a second one would split the votes.
        let called = transfer.flatMap { $0.isTimeoutNowSent ? $0.target : nil }
        func fitness(_ voter: Progress) -> (Int, LogIndex, Int) {
            (voter.isHeardOfLately ? 1 : 0, voter.match, voter.id == called ? 1 : 0)
        }
        if let successor = voters.max(by: { fitness($0) < fitness($1) }) {
            effects.send.append(envelope(to: successor.id, .timeoutNow))
        }
        becomeFollower(term: term, leader: nil)
    }

    private func progressOf(_ id: NodeID) -> Progress? { progress.first { $0.id == id } }
}

extension Membership {
    func adding(_ member: Member) -> Membership {
        Membership(members: members + [member], highestID: member.id)
    }

    func without(_ id: NodeID) -> Membership {
        Membership(members: members.filter { $0.id != id }, highestID: highestID)
    }

    func settingRole(of id: NodeID, to role: MemberRole) -> Membership {
        var changed = self
        for index in changed.members.indices where changed.members[index].id == id {
            changed.members[index].role = role
            changed.members[index].replaces = nil
        }
        return changed
    }

    /// A learner enters, and the voter that it replaces leaves, in one joint step.
    func promoting(_ id: NodeID) -> Membership {
        let replaced = self[id]?.replaces
        let entering = settingRole(of: id, to: .incoming)
        // It may have been removed meanwhile.
        guard let replaced, isVoter(replaced) else { return entering }
        return entering.settingRole(of: replaced, to: .outgoing)
    }

    /// Section 4.3: "C_new": who comes in is a voter, who goes out is gone.
    var leavingJoint: Membership {
        var settled = Membership(
            members: members.filter { $0.role != .outgoing },
            highestID: highestID
        )
        for index in settled.members.indices where settled.members[index].role == .incoming {
            settled.members[index].role = .voter
        }
        return settled
    }
}
