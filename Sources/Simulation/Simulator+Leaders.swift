// What must hold of a leader at every moment: that enough voters elected it, that nobody else holds
// a lease meanwhile, and that its followers have what it believes they have. Each follows from the
// rules of Raft, and shows a mistake long before an entry is lost by it.

import RaftCore
import Replica

extension Simulator {
    /// What is wrong with a leader after a turn; nil where nothing is.
    func brokenLeader(_ raft: RaftNode, _ before: RaftNode, _ node: SimNode) -> String? {
        let isNew = !before.isLeader || before.term != raft.term
        return judge.leads(raft, isNew: isNew, at: now)
            ?? (isNew ? brokenElection(of: raft, before) : nil)
            ?? brokenLease(of: raft, node)
            ?? brokenMatch(of: raft)
    }

    /// Counted by the votes that left, and by the leases of those who led before, each by its
    /// holder's own clock: it may be paused, and look at its clock only later.
    private func brokenElection(of raft: RaftNode, _ before: RaftNode) -> String? {
        let term = raft.term.rawValue
        let voters = judge.voters(for: raft.id, in: raft.term)
        let isElected = [raft.membership, before.membership].contains { membership in
            isMajority(of: membership) { voters.contains($0) }
        }
        if !isElected { return "leads term \(term) by the votes of \(voters.map(\.rawValue)) only" }
        guard options.claimsReads else { return nil }
        for other in nodes where other.id != raft.id && !other.isImpostor {
            guard let holder = other.process?.replica.raft, holder.isLeader,
                holder.term < raft.term, let end = holder.leaseEnd,
                other.clock.instant(at: now) < end
            else { continue }
            return "leads term \(term) while \(other.number) holds a lease"
        }
        return nil
    }

    /// A lease ends before another leads, and begins when what was committed before is known.
    private func brokenLease(of raft: RaftNode, _ node: SimNode) -> String? {
        guard options.claimsReads, let end = raft.leaseEnd, node.clock.instant(at: now) < end else {
            return nil
        }
        if judge.highestTermLed > raft.term {
            return "holds a lease of term \(raft.term.rawValue) after another was elected"
        }
        if raft.log.term(at: raft.commit) != raft.term {
            return "holds a lease before it has committed in its term"
        }
        return nil
    }

    /// What a follower of this term has acknowledged is on its disk.
    private func brokenMatch(of raft: RaftNode) -> String? {
        for follower in raft.progress where follower.match > raft.log.base.index {
            let other = nodes[Int(follower.id.rawValue) - 1]
            // One that has gone on to another term may have put something else in its place.
            guard other.isIntact, other.shadow.term <= raft.term,
                !other.shadow.has(follower.match, of: raft.log.term(at: follower.match))
            else { continue }
            return "believes that \(other.number) has entry \(follower.match.rawValue)"
        }
        return nil
    }

    /// What is wrong with an acknowledgement that leaves `raft` in the term of its leader: it is of
    /// another entry than the leader's.
    func brokenAcknowledgement(in message: Message, of raft: RaftNode) -> String? {
        guard case .appendResponse(.accepted(let match)) = message.body, message.term == raft.term,
            let leader = nodes[Int(message.to.rawValue) - 1].process?.replica.raft,
            leader.isLeader, leader.term == raft.term, match > leader.log.base.index,
            match > raft.log.base.index
        else { return nil }
        if leader.log.term(at: match) == raft.log.term(at: match) { return nil }
        return "acknowledges entry \(match.rawValue), which is not its leader's"
    }

    /// Whether those who pass are a majority: two majorities, while there are two.
    func isMajority(of membership: Membership, _ passes: (NodeID) -> Bool) -> Bool {
        [Half.new, .old].allSatisfy { half in
            let voters = membership.votersOf(half)
            return voters.isEmpty || voters.count(where: passes) * 2 > voters.count
        }
    }
}
