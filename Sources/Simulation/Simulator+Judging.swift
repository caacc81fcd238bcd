// The judges of a turn, and of the whole history when the run is over.

import Checkers
import PeerWire
import RaftCore
import Replica
import SessionMachine

extension Simulator {
    /// Looks at a node after a turn.
    func judgeTurn(_ node: SimNode, _ process: Process) {
        let raft = process.replica.raft
        guard let before = process.before else { preconditionFailure("every turn has a start") }
        process.before = nil
        process.termOfReads = before.isLeader ? before.term : raft.term
        if node.isImpostor { return }
        if let broken = raft.brokenInvariant() { return fail("\(node.number): \(broken)") }
        if let broken = raft.brokenTransition(from: before) {
            return fail("\(node.number): \(broken)")
        }
        let misdeed =
            brokenVoice(of: raft, before: before, node)
            ?? brokenRoom(of: raft, before: before, process)
        if let misdeed { return fail("\(node.number): \(misdeed)") }
        mix(raft.term.rawValue << 32 ^ raft.log.last.index.rawValue << 8 ^ node.id.rawValue)
        let broken =
            GroupJudge.brokenTail(of: raft, before: before)
            ?? GroupJudge.brokenCount(of: raft, before: before)
            ?? (raft.isLeader ? brokenLeader(raft, before, node) : nil)
        if let broken { return fail("\(node.number): \(broken)") }
        if raft.log.base != before.log.base {
            let broken = judge.broken(raft.snapshot) ?? judge.brokenStart(of: raft.log)
            if let broken { return fail("\(node.number): \(broken)") }
        }
        if raft.commit > node.judged {
            let isOnMajority = { (entry: Entry) in
                self.isOnMajority(entry, of: raft.membership)
                    || self.isOnMajority(entry, of: before.membership)
            }
            let broken = judge.committed(
                raft,
                after: &node.judged,
                isLeading: raft.isLeader || before.isLeader,
                isOnMajority: isOnMajority
            )
            if let broken { return fail("\(node.number): \(broken)") }
        }
        judgeMachine(node, process)
        node.membership = raft.membership
        if raft.membership[node.id] != nil { node.wasMember = true }
    }

    private func brokenVoice(
        of raft: RaftNode,
        before: RaftNode,
        _ node: SimNode
    ) -> String? {
        guard before.isMute, !raft.isMute else { return nil }
        let leader = raft.leader.flatMap { nodes[Int($0.rawValue) - 1].process?.replica.raft }
        return node.shadow.brokenVoice(of: raft, beginning: judge.beginnings[raft.term]) {
            if judge.isCommitted($0) { return true }
            // Its leader may be gone.
            guard let leader, leader.isLeader, leader.term == raft.term else { return false }
            return $0.index > leader.log.base.index && leader.log.contains($0)
        }
    }

    private func brokenRoom(
        of raft: RaftNode,
        before: RaftNode,
        _ process: Process
    ) -> String? {
        guard before.isLeader, raft.isLeader, before.term == raft.term else { return nil }
        // It may have found out in the midst of the turn.
        let rooms = [process.roomBefore, process.replica.room]
        let most = [Room.ample, .low].first { rooms.contains($0) } ?? .exhausted
        return RoomJudge.broken(
            raft.log.slice(after: before.log.last.index, through: raft.log.last.index),
            with: most
        )
    }

    /// What a node makes of a hello, by what it was told before.
    func judge(_ admission: Admission, of hello: Hello, at node: SimNode) {
        // This bug is not the node's.
        if options.sabotage == .admitsWipedDisk || node.isImpostor { return }
        let isRefused = if case .refused = admission { true } else { false }
        switch (node.met[hello.node], hello.incarnation) {
        case (nil, nil): if admission == .known { return }
        case (nil, _?): if admission == .new { return }
        case (let was?, let now): if was == now ? admission == .known : isRefused { return }
        }
        fail("\(node.number) takes the hello of \(hello.node.rawValue) for \(admission)")
    }

    private func judgeMachine(_ node: SimNode, _ process: Process) {
        let replica = process.replica
        if replica.applied > replica.raft.commit {
            return fail("\(node.number) has applied what is not committed")
        }
        guard replica.applied > process.applied else { return }
        process.applied = replica.applied
        if node.isCorrupt {
            // A leader's snapshot may have brought a sound machine; what was said of the old one is
            // not taken back.
            node.wasCorrupt = true
            node.isCorrupt = !judge.isState(
                replica.applied,
                digest: replica.machine.digest.rawValue
            )
            return
        }
        mix(replica.machine.digest.rawValue)
        let digest = replica.machine.digest.rawValue
        if let broken = judge.applied(replica.applied, digest: digest) {
            fail("\(node.number): \(broken)")
        }
    }

    /// Whether the disks of a majority hold the entry, or held it when they lost a part of their
    /// log: of both majorities, while there are two.
    private func isOnMajority(_ entry: Entry, of membership: Membership) -> Bool {
        isMajority(of: membership) {
            let shadow = nodes[Int($0.rawValue) - 1].shadow
            return shadow.has(entry.index, of: entry.term)
                || shadow.hasLost(entry.index, of: entry.term)
        }
    }

    // MARK: The history

    func judgeHistory() {
        // Whole milliseconds are stamped, and lives are counted in them.
        let clocks = ClockBounds(
            spread: wallSpread + 2 * Time.millisecond,
            settled: phases.settledAt,
            lateBy: PhaseState.lateBy
        )
        let rules = SessionRules(
            granularityDivisor: 16,
            granularityMax: 60 * Time.second,
            expiredGrace: 60 * Time.second,
            tombstoneFloor: 600 * Time.second
        )
        history.close(clients)
        let verdicts = history.judge(
            clocks: clocks,
            rules: rules,
            claimsReads: options.claimsReads
        )
        for verdict in verdicts {
            counts[.histories] += 1
            switch verdict {
            case .sound: break
            case .broken(let reason): fail(reason)
            case .undecided: counts[.undecided] += 1
            }
        }
        if let first = nodes.compactMap({ $0.process?.replica }).max(by: { $0.applied < $1.applied }
        ) {
            let counters = first.machine.counters
            counts[.commands] += counters.commands
            counts[.expiries] += counters.valuesExpired
            counts[.sessionsExpired] += counters.sessionsExpired
            counts[.evictions] += counters.evicted
        }
    }
}
