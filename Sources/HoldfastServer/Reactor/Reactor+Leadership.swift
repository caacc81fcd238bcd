// Who leads: reports of it, and keeping leaders spread. Each group has a home, the voter whose turn
// it is when groups are dealt round; a leader that is not at home hands over once the home is well
// and has the whole log. While members change, leaders stay.

import Logging
import NIOCore
import RaftCore
import Replica
import SessionMachine

/// The state of a reactor's leader balancing.
struct LeaderBalance {
    /// Ticks until the next look.
    var wait = 40
    /// Set at shutdown: every group goes, and none comes back.
    var isDraining = false
}

extension Reactor {
    /// How long a peer must have been heard without a gap before leaderships move to it: longer
    /// than a node that flaps stays up.
    private var steadyTicks: Int { 3_000 / node.configuration.timing.tick }

    func report(_ leadership: Leadership, _ group: LocalGroup) {
        publish(group)
        if leadership.role != .leader { node.snapshots.closeStreams(of: group.id) }
        node.logger.debug(
            "leadership",
            metadata: [
                "group": "\(group.id.rawValue)", "role": "\(leadership.role)",
                "term": "\(leadership.term.rawValue)",
                "leader": "\(leadership.leader.map { "\($0.rawValue)" } ?? "none")",
            ]
        )
    }

    func publish(_ group: LocalGroup) {
        let raft = group.replica.raft
        let gauges = group.replica.machine.gauges
        var status = GroupStatus()
        status.role = raft.role
        status.term = raft.term
        status.leader = raft.leader
        status.commit = raft.commit
        status.applied = group.replica.applied
        status.last = raft.log.last.index
        status.membership = raft.membership
        if raft.isLeader { status.progress = raft.progress.map(MemberProgress.init) }
        status.values = gauges.values
        status.sessions = gauges.sessions
        status.memoryBytes = gauges.memoryBytes
        node.board.update(group.id, status)
    }

    /// Called each tick.
    func balanceLeaders() {
        if ticks.isMultiple(of: 5) {
            for case let group? in groups { publish(group) }
        }
        balance.wait -= 1
        guard balance.wait <= 0 || balance.isDraining else { return }
        balance.wait = 20
        for case let group? in groups where group.replica.isLeader {
            guard !group.replica.raft.isTransferring, let target = successor(of: group) else {
                continue
            }
            group.replica.transferLeadership(to: target)
            markDirty(group)
        }
    }

    /// Who should lead the group instead of this node; nil to stay.
    private func successor(of group: LocalGroup) -> NodeID? {
        let home = group.replica.raft.membership.home(of: group.id)
        if balance.isDraining { return drainTarget(of: group, home: home) }
        guard let home, home != node.id, let peer = peers[home],
            peer.isSteady(steadyTicks, at: ticks),
            let progress = group.replica.raft.progress.first(where: { $0.id == home }),
            case .replicate = progress.state,
            group.replica.raft.log.last.index.distance(from: progress.match) <= 64
        else { return nil }
        return home
    }

    /// The group's home if it can, otherwise the peer that has most of the log.
    private func drainTarget(of group: LocalGroup, home: NodeID?) -> NodeID? {
        let raft = group.replica.raft
        let alive = raft.progress.filter { progress in
            progress.id != node.id && raft.membership.isVoter(progress.id)
                && peers[progress.id]?.isAlive(at: ticks) == true
        }
        if let atHome = alive.first(where: { $0.id == home }) { return atHome.id }
        return alive.max { $0.match < $1.match }?.id
    }

    /// Hands all leaderships over; answers how many are left here.
    func drain() -> Int {
        loop.preconditionInEventLoop()
        if !balance.isDraining {
            balance.isDraining = true
            balanceLeaders()
        }
        return groups.count { $0?.replica.isLeader == true }
    }
}

extension Membership {
    /// The voter whose turn it is when groups are dealt round; nil while the members change, and
    /// where there are none.
    func home(of group: GroupID) -> NodeID? {
        guard !isJoint else { return nil }
        let voters = voters
        return voters.isEmpty ? nil : voters[Int(group.rawValue) % voters.count]
    }
}

extension MemberProgress {
    init(_ progress: Progress) {
        id = progress.id
        match = progress.match
        if case .snapshot(let transfer) = progress.state { snapshotBytes = transfer.acknowledged }
    }
}
