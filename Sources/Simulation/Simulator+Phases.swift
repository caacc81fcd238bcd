// The course of a run: when a phase ends, and what must be true by then.

import Checkers
import RaftCore
import Replica
import SessionMachine

struct PhaseState {
    /// The nodes that are healed first.
    var core: [Int] = []
    /// By when the phase must have done what it is for.
    var deadline: UInt64 = 0
    /// From when on nothing has disturbed the group.
    var settledAt = UInt64.max
    var random: Stream

    /// How long after its end something may still be seen in a quiet group: until the next entry
    /// after the leader's clock has passed it.
    static let lateBy = 2 * Time.second

    init(seed: UInt64) { random = Stream(seed: seed, .healing) }
}

extension Simulator {
    /// Looks where the run stands, and again soon.
    func look() {
        switch phase {
        case .safety:
            let isLongEnough = now >= options.duration && operations >= options.operations
            if isLongEnough || now >= options.duration * 6 { beginCore() }
        case .core:
            if now > phases.deadline {
                return fail("no progress within the bound by the healed \(phases.core)")
            }
        case .whole:
            if isConverged(), fence() { return beginSettled() }
            if failure != nil { return }
            if now > phases.deadline, !fencing.isDriving {
                return fail("not converged: \(describeNodes())")
            }
        case .settled:
            if now > phases.deadline { return fail("no last look within the bound") }
        case .over: return
        }
        queue.schedule(.look, at: now + 100 * Time.millisecond)
    }

    /// Elections may tie, promises must run out, snapshots travel in small pieces.
    private var patience: UInt64 {
        20 * Time.second + 40 * options.electionTimeout + 10 * options.promise
    }

    // MARK: The core

    private func beginCore() {
        phase = .core
        phases.core = drawCore()
        phases.deadline = now + patience
        note("only \(phases.core) are healed")
        endFaults()
        // Mending heals the links to all others, so that what is broken is broken after it.
        for node in nodes where phases.core.contains(node.number) { mend(node) }
        for node in nodes where !phases.core.contains(node.number) { breakForGood(node) }
        for number in phases.core { network.isCalm[number] = true }
        clients[clients.count - 1].script = [
            .key(Workload.probeKey, .set(RegisterSet(value: 1)), bytes: 8),
            .key(Workload.probeKey, .get, bytes: 0),
        ]
        queue.schedule(.wake(client: clients.count - 1), at: now)
    }

    /// A random set of nodes with a majority of every membership that may be in force somewhere.
    private func drawCore() -> [Int] {
        var candidates = nodes.filter(\.isIntact).map(\.number)
        phases.random.shuffle(&candidates)
        let memberships = currentMemberships()
        var core: [Int] = []
        for candidate in candidates {
            if memberships.allSatisfy({ hasMajority(core, of: $0) }) { break }
            let isVoter = memberships.contains { $0.isVoter(nodes[candidate - 1].id) }
            if isVoter { core.append(candidate) }
        }
        return core.sorted()
    }

    /// Every membership that may be in force somewhere, or in a moment.
    func currentMemberships() -> [Membership] {
        let current = nodes.filter { !$0.isLost && judge.isCurrent($0.membership) }
            .map(\.membership)
        return current + current.compactMap(promoted)
    }

    /// With those as voters who are about to become it; nil where nobody is.
    private func promoted(_ membership: Membership) -> Membership? {
        let joining = membership.members.filter { $0.role == .joining }
        guard !joining.isEmpty else { return nil }
        let replaced = joining.compactMap(\.replaces)
        let members = membership.members.filter { !replaced.contains($0.id) }.map { member in
            member.role == .joining ? Member(id: member.id, role: .voter) : member
        }
        return Membership(members: members, highestID: membership.highestID)
    }

    /// Whether `numbers` can decide for `membership`.
    func hasMajority(_ numbers: [Int], of membership: Membership) -> Bool {
        isMajority(of: membership) { numbers.contains(Int($0.rawValue)) }
    }

    private func mend(_ node: SimNode) {
        // A process whose disk hangs is ended; nothing else helps.
        if node.trouble.hungUntil == .max { crash(node, restartAfter: Time.millisecond) }
        node.trouble = DiskTrouble()
        node.pausedUntil = min(node.pausedUntil, now)
        resume(node)
        for other in nodes where other.id != node.id {
            network.heal(from: node.number, to: other.number)
            network.heal(from: other.number, to: node.number)
        }
        if node.life == .down {
            queue.schedule(.start(node.number, epoch: node.epoch), at: now + Time.millisecond)
        }
    }

    /// It may be dead, unreachable, or half reachable: for the rest it must not matter.
    private func breakForGood(_ node: SimNode) {
        switch phases.random.below(5) {
        // Its process goes on, and answers what needs no disk.
        case 0 where options.diskStallTicks != .max: node.trouble.hungUntil = .max
        case 0, 4: stopForGood(node)
        case 1: cutOff(node, from: true, to: true)
        case 2: cutOff(node, from: true, to: false)
        default: cutOff(node, from: false, to: true)
        }
    }

    /// It stays down, also where it is down already and was to be started again.
    func stopForGood(_ node: SimNode) {
        if node.life == .down { node.epoch += 1 }
        crash(node, restartAfter: nil)
    }

    private func cutOff(_ node: SimNode, from: Bool, to: Bool) {
        for other in nodes where other.id != node.id {
            if from { network.cut(from: node.number, to: other.number) }
            if to { network.cut(from: other.number, to: node.number) }
        }
    }

    /// The probing client had an answer.
    func probed() {
        guard clients[clients.count - 1].script?.isEmpty == true else { return }
        switch phase {
        case .core: beginWhole()
        case .settled: phase = .over
        default: break
        }
    }

    // MARK: The whole

    private func beginWhole() {
        phase = .whole
        phases.deadline = now + patience + 30 * Time.second
        note("all are healed")
        network.healAll()
        for node in nodes {
            network.isCalm[node.number] = true
            mend(node)
        }
    }

    /// The nodes that take part and can be expected to.
    private func expected() -> [SimNode]? {
        guard let members = leadingNode?.membership else { return nil }
        if members.isJoint { return nil }
        var group: [SimNode] = []
        for member in members.members {
            let node = nodes[Int(member.id.rawValue) - 1]
            if node.isLost { continue }
            // One that waits to be promoted, and can be, is promoted.
            if member.role == .joining { return nil }
            group.append(node)
        }
        return group
    }

    private func isConverged() -> Bool {
        if clients.contains(where: { $0.current != nil }) { return false }
        guard let group = expected(),
            let first = group.first(where: { !$0.isCorrupt })?.process?.replica
        else {
            return false
        }
        return group.allSatisfy { node in
            guard let replica = node.process?.replica else { return false }
            let raft = replica.raft
            return !raft.isMute && replica.applied == first.applied
                && raft.log.last == first.raft.log.last
                && raft.commit == raft.log.last.index && replica.applied == raft.commit
                && (node.isCorrupt || replica.machine.digest == first.machine.digest)
        }
    }

    private func describeNodes() -> String {
        nodes.map { node in
            guard let replica = node.process?.replica else { return "\(node.number) \(node.life)" }
            let raft = replica.raft
            return
                "\(node.number) \(raft.role) term \(raft.term.rawValue) log \(raft.log.last.text)"
                + " commit \(raft.commit.rawValue) applied \(replica.applied.rawValue)"
        }
        .joined(separator: "; ")
    }

    // MARK: The last look

    private func beginSettled() {
        phase = .settled
        phases.settledAt = now + Time.second
        note("converged")
        let look = phases.settledAt + PhaseState.lateBy + Time.second
        phases.deadline = look + patience
        clients[clients.count - 1].script = workload.lastLook()
        queue.schedule(.wake(client: clients.count - 1), at: look)
    }
}
