// Who leads: reports of it, and keeping leaders spread. Each group has a home, the voter whose turn
// it is when groups are dealt round; a leader that is not at home hands over once the home is well,
// has the whole log, and has room on its disk. A leader whose own disk is nearly full hands over to
// any such voter. While members change, leaders stay.

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
        status.isMute = raft.isMute
        if raft.isLeader { status.progress = raft.progress.map(MemberProgress.init) }
        status.values = gauges.values
        status.sessions = gauges.sessions
        status.memoryBytes = gauges.memoryBytes
        node.board.update(group.id, status)
    }

    /// A group that had lost a part of its log has all of it again.
    private func reportVoice(of group: LocalGroup) {
        let isMute = group.replica.raft.isMute
        defer { group.wasMute = isMute }
        guard group.wasMute, !isMute else { return }
        node.logger.notice(
            "the log is whole again: this node votes",
            metadata: ["group": "\(group.id.rawValue)"]
        )
    }

    /// Called each tick.
    func balanceLeaders() {
        if ticks.isMultiple(of: 5) {
            for case let group? in groups {
                publish(group)
                reportVoice(of: group)
            }
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
        let raft = group.replica.raft
        let home = raft.membership.home(of: group.id)
        if balance.isDraining { return drainTarget(of: group, home: home) }
        if node.space.room == .ample {
            return raft.progress.first { $0.id == home && isFit($0, raft) }?.id
        }
        // The homes of other groups are spread too, so that its groups fall to all who have room.
        let fit = raft.progress.filter { !raft.membership.isJoint && isFit($0, raft) }
        return fit.isEmpty ? nil : fit[Int(group.id.rawValue) / raft.progress.count % fit.count].id
    }

    /// Whether another node could lead the group from now on.
    private func isFit(_ progress: Progress, _ raft: RaftNode) -> Bool {
        guard progress.id != node.id, raft.membership.isVoter(progress.id),
            let peer = peers[progress.id], !peer.isShortOfRoom,
            peer.isSteady(steadyTicks, at: ticks), case .replicate = progress.state
        else { return false }
        return raft.log.last.index.distance(from: progress.match) <= 64
    }

    /// The group's home if it can, otherwise the peer that has most of the log.
    private func drainTarget(of group: LocalGroup, home: NodeID?) -> NodeID? {
        let raft = group.replica.raft
        let alive = raft.progress.filter { progress in
            progress.id != node.id && raft.membership.isVoter(progress.id)
                && peers[progress.id]?.isAlive(at: ticks) == true
        }
        // One that has no room is better than none.
        let roomy = alive.filter { peers[$0.id]?.isShortOfRoom == false }
        let targets = roomy.isEmpty ? alive : roomy
        if let atHome = targets.first(where: { $0.id == home }) { return atHome.id }
        return targets.max { $0.match < $1.match }?.id
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
