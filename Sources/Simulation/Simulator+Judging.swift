// The judges of a turn, and of the whole history when the run is over.

import Checkers
import RaftCore
import Replica
import SessionMachine

extension Simulator {
    /// Looks at a node after a turn.
    func judgeTurn(_ node: SimNode, _ process: Process) {
        let raft = process.replica.raft
        guard let before = process.before else { preconditionFailure("every turn has a start") }
        process.before = nil
        if node.isImpostor { return }
        if let broken = raft.brokenInvariant() { return fail("\(node.number): \(broken)") }
        if let broken = raft.brokenTransition(from: before) {
            return fail("\(node.number): \(broken)")
        }
        mix(raft.term.rawValue << 32 ^ raft.log.last.index.rawValue << 8 ^ node.id.rawValue)
        if raft.isLeader {
            let isNew = !before.isLeader || before.term != raft.term
            if let broken = judge.leads(raft, isNew: isNew) {
                return fail("\(node.number): \(broken)")
            }
        }
        if raft.commit > node.judged {
            let isOnMajority = { (entry: Entry) in
                self.isOnMajority(entry, of: raft.membership)
                    || self.isOnMajority(entry, of: before.membership)
            }
            let broken = judge.committed(raft, after: &node.judged, isOnMajority: isOnMajority)
            if let broken { return fail("\(node.number): \(broken)") }
        }
        judgeMachine(node, process)
        node.membership = raft.membership
        if raft.membership[node.id] != nil { node.wasMember = true }
    }

    private func judgeMachine(_ node: SimNode, _ process: Process) {
        let replica = process.replica
        if replica.applied > replica.raft.commit {
            return fail("\(node.number) has applied what is not committed")
        }
        guard replica.applied > process.applied else { return }
        process.applied = replica.applied
        mix(replica.machine.digest.rawValue)
        let digest = replica.machine.digest.rawValue
        if let broken = judge.applied(replica.applied, digest: digest) {
            fail("\(node.number): \(broken)")
        }
    }

    /// Whether the disks of a majority hold the entry: of both majorities, while there are two.
    private func isOnMajority(_ entry: Entry, of membership: Membership) -> Bool {
        func isMajority(_ half: Half) -> Bool {
            let voters = membership.members.filter { $0.role.votes(in: half) }
            let holders = voters.count {
                nodes[Int($0.id.rawValue) - 1].shadow.has(
                    entry.index,
                    of: entry.term
                )
            }
            return voters.isEmpty || holders * 2 > voters.count
        }
        return isMajority(.new) && (!membership.isJoint || isMajority(.old))
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
