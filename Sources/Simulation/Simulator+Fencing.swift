// Memory that goes bad: once all are healed, the machine of a follower is changed behind its back,
// as it starts or as it takes in a leader's snapshot. Digests must find it: the node must stop by
// itself, no other node may, and it comes back with a sound machine. Its own snapshots of that time
// are thrown away.

import Checkers
import RaftCore
import Replica
import SessionMachine

struct FencingState {
    /// The followers whose machines were changed so far.
    var count = 0
    /// Writes are being made so that checkpoints are passed.
    var isDriving = false
    /// By when a changed machine must have stopped its node.
    var deadline = UInt64.max
}

extension Simulator {
    private static let corruptedMax = 2
    /// Twice as long as a leader waits for the word of one that is down.
    private static let attestTicks: UInt64 = 80

    /// Whether a run is one in which machines go bad: digests must be compared often enough.
    var corruptsMachines: Bool {
        options.corruptsMachines && options.tuning.fingerprintEntries <= 64 && !options.mixesCodecs
    }

    /// What the machine becomes with which `node` is to go on.
    func corrupted(_ machine: SessionMachine, of node: SimNode) -> SessionMachine {
        guard mayCorrupt(node) else { return machine }
        fencing.count += 1
        node.isCorrupt = true
        counts[.corruptMachines] += 1
        note("the machine of \(node.number) goes bad")
        var changed = machine
        let key = Key(Array("bit flip".utf8)[...])
        _ = changed.apply(.set(SetValue(key: key, value: [1])))
        return changed
    }

    private func mayCorrupt(_ node: SimNode) -> Bool {
        guard corruptsMachines, phase == .whole, fencing.count < Self.corruptedMax,
            !node.isLost, !nodes.contains(where: \.isCorrupt)
        else { return false }
        guard let leader = leadingNode, leader.id != node.id else { return false }
        // The sound ones must be a majority of the voters, or nobody can say who is wrong.
        let voters = leader.membership.voters
        let sound = voters.count { id in
            let voter = nodes[Int(id.rawValue) - 1]
            return id != node.id && voter.life == .up && !voter.isLost
        }
        return !leader.membership.isJoint && voters.contains(node.id) && sound * 2 > voters.count
    }

    /// Called while all are healed and equal but for those whose machines went bad. True when
    /// nothing is left to do.
    func fence() -> Bool {
        guard corruptsMachines else { return true }
        for node in nodes where node.isCorrupt && !judge.membership.isVoter(node.id) {
            // It was removed meanwhile, and nobody tells it any more.
            node.isCorrupt = false
            crash(node, restartAfter: nil)
        }
        if fencing.isDriving {
            if !nodes.contains(where: \.isCorrupt) {
                fencing.isDriving = false
                return fencing.count >= Self.corruptedMax
            }
            if now > fencing.deadline { fail("a machine that went bad was not noticed") }
            return false
        }
        if !nodes.contains(where: \.isCorrupt) {
            guard leadingNode != nil else { return false }
            let others = nodes.filter { $0.life == .up && mayCorrupt($0) }
            guard !others.isEmpty else { return true }
            // It goes bad as it starts.
            let victim = phases.random.pick(others)
            crash(victim, restartAfter: Time.millisecond)
            return false
        }
        drive()
        return false
    }

    /// Writes that pass a few checkpoints.
    private func drive() {
        fencing.isDriving = true
        fencing.deadline = now + 20 * Time.second + Self.attestTicks * options.tick
        let probe = clients.count - 1
        let writes = 4 * options.tuning.fingerprintEntries
        clients[probe].script = (0..<writes).map { _ in
            .key(Workload.probeKey, .set(RegisterSet(value: 1)), bytes: 8)
        }
        queue.schedule(.wake(client: probe), at: now)
    }

    /// A node stops by itself.
    func stopped(_ node: SimNode, _ reason: StopReason) {
        guard case .diverged = reason, node.isCorrupt || node.wasCorrupt else {
            return fail("\(node.number) stops: \(reason)")
        }
        counts[.divergences] += 1
        note("\(node.number) notices that its machine went bad, and stops")
        node.isCorrupt = false
        crash(node, restartAfter: 10 * Time.millisecond)
    }
}
