// What a test does to a `Group`: crashes, restarts, pauses, cut links, elections.

import RaftCore
import Replica
import TestKit

extension Group {
    mutating func crash(_ id: NodeID) {
        let index = index(of: id)
        guard members[index].isUp else { return }
        members[index].isUp = false
        // The write that was with the disk may have made it or not.
        if let batch = members[index].writing, random.chance(50) {
            members[index].disk.store(batch)
        }
        members[index].writing = nil
        loseDriver(index)
        members[index].isUnfinished = false
        members[index].again = []
        members[index].pausedAt = nil
        answers.crashed(id)
    }

    mutating func restart(_ id: NodeID) {
        let index = index(of: id)
        guard !members[index].isUp else { return }
        var configuration = members[index].replica.raft.configuration
        configuration.seed = random.next()
        guard let machine = decoded(members[index].snapshot) else {
            return fail("node \(id.rawValue) cannot read its own snapshot")
        }
        let raft = members[index].disk.restart(configuration, at: clock(of: id))
        members[index].replica = Replica(
            group: Self.id,
            raft: raft,
            machine: machine,
            tuning: tuning
        )
        members[index].isUp = true
    }

    /// Stops a node as SIGSTOP does. Its next turn goes on where it stood.
    mutating func pause(_ id: NodeID) {
        if isAwake(id) { members[index(of: id)].pausedAt = clock(of: id) }
    }

    mutating func isolate(_ id: NodeID) {
        for other in followers(of: id) {
            cuts.insert([id, other])
            cuts.insert([other, id])
        }
    }

    mutating func heal() { cuts = [] }

    // MARK: Elections

    /// Ticks every node, settling in between, until somebody leads and has committed in its term.
    @discardableResult
    mutating func elect(ticksMax: Int = 200) -> NodeID {
        for _ in 0..<ticksMax {
            if let leader, isSettled(leader) { return leader }
            tickAll()
        }
        fail("nobody was elected")
        return NodeID(1)
    }

    /// Lets time stand until all members of the leader's group have applied the same: the last
    /// attestation may take its time.
    mutating func rest(ticksMax: Int = 60) {
        tickAll(count: 3, standing: true)
        for _ in 0..<ticksMax where !isAtRest { tickAll(standing: true) }
    }

    private var isAtRest: Bool {
        guard let leader else { return false }
        return self[leader].raft.membership.members.allSatisfy {
            self[$0.id].applied == self[leader].applied
        }
    }

    private func isSettled(_ leader: NodeID) -> Bool {
        let raft = self[leader].raft
        return raft.commit == raft.log.last.index && raft.log.last.term == raft.term
    }

    /// Makes `id` lead, as if its timeout were the shortest.
    mutating func campaign(_ id: NodeID, ticksMax: Int = 60) {
        // The others must have heard no leader for so long that they may vote. Should one of them
        // ask for votes itself, nobody hears it, and asking changes nothing.
        for other in followers(of: id) where !self[other].isLeader {
            tick(other, count: members[index(of: other)].replica.raft.configuration.electionTicks)
        }
        network.removeAll()
        for _ in 0..<ticksMax where !self[id].isLeader {
            tick(id)
            settle()
        }
        if !self[id].isLeader { fail("node \(id.rawValue) was not elected") }
    }
}
