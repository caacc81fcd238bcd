// A whole group in one value: replicas with their machines, a network that the test cuts and
// reorders, disks that forget what was not synced, and one virtual clock. Every turn checks the
// invariants of the core, that machines which have applied the same entries have the same digest,
// and the answers (`AnswerBook`). Same seed, same run.

import RaftCore
import Replica
import SessionMachine
import TestKit

/// One node with its disk.
struct Member {
    var replica: Replica
    var isUp = true
    /// What survives a crash.
    var disk = MemoryDisk()
    /// Handed to the disk, not answered yet.
    var writing: PersistBatch?
    /// How far its clock is ahead of `Group.now`.
    var ahead = Milliseconds.zero

}

struct Group {
    static let id = GroupID(3)
    /// Virtual time between two ticks of one node.
    static let tick = Milliseconds(100)

    var members: [Member]
    var network: [Message] = []
    var random: SeededRandom
    /// Links that are cut, as [from, to].
    var cuts: Set<[NodeID]> = []
    var now = MachineTime.testStart
    var answers = AnswerBook()
    /// The digest that any machine had after an entry, for all time.
    var digests: [LogIndex: StateDigest] = [:]
    var failure: String?
    let tuning: Tuning

    init(
        size: Int = 3,
        seed: UInt64 = 1,
        tuning: Tuning = Tuning(parkingTicks: 30, pendingTicks: 60)
    ) {
        random = SeededRandom(seed)
        self.tuning = tuning
        let voters = (1...size).map { NodeID(UInt64($0)) }
        members = voters.map { id in
            let configuration = RaftConfiguration(
                id: id,
                voters: voters,
                seed: seed &* 31 &+ id.rawValue
            )
            return Member(replica: Self.replica(RaftNode(configuration: configuration), tuning))
        }
    }

    private static func replica(_ raft: RaftNode, _ tuning: Tuning) -> Replica {
        let machine = SessionMachine(seed: HashSeed(low: 0x0706_0504, high: 0x0f0e_0d0c))
        return Replica(group: id, raft: raft, machine: machine, tuning: tuning)
    }

    subscript(id: NodeID) -> Replica { members[index(of: id)].replica }

    func index(of id: NodeID) -> Int { Int(id.rawValue) - 1 }

    var ids: [NodeID] { members.map(\.replica.raft.id) }

    var leader: NodeID? {
        members.filter { $0.isUp && $0.replica.isLeader }
            .max { $0.replica.raft.term < $1.replica.raft.term }?.replica.raft.id
    }

    func followers(of leader: NodeID) -> [NodeID] { ids.filter { $0 != leader } }

    /// What went wrong first, here or in the answers.
    var broken: String? { failure ?? answers.failure }

    // MARK: Turns

    /// One turn of one node: its inputs, then its effects carried out and everything checked.
    mutating func turn(_ id: NodeID, _ inputs: (inout Replica, inout ReplicaEffects) -> Void) {
        let index = index(of: id)
        guard members[index].isUp, broken == nil else { return }
        let before = members[index].replica
        var effects = ReplicaEffects()
        inputs(&members[index].replica, &effects)
        let time = now.advanced(by: members[index].ahead)
        members[index].replica.endTurn(at: time, into: &effects)
        check(index, before: before.raft)
        carryOut(effects, at: index)
    }

    private mutating func carryOut(_ effects: ReplicaEffects, at index: Int) {
        let replica = members[index].replica
        network.append(contentsOf: effects.send)
        if let batch = effects.persist {
            if members[index].writing != nil { fail("two batches with one disk") }
            members[index].writing = batch
        }
        if let stop = effects.stop { fail("node \(index + 1) stops: \(stop)") }
        for (token, answer) in effects.answers {
            let given = Given(
                answer: answer,
                node: replica.raft.id,
                applied: replica.applied,
                machine: answer.word == .readable ? replica.machine : nil
            )
            answers.record(token, given)
        }
    }

    private mutating func check(_ index: Int, before: RaftNode) {
        let replica = members[index].replica
        if let broken = replica.raft.brokenInvariant() { fail("node \(index + 1): \(broken)") }
        if let broken = replica.raft.brokenTransition(from: before) {
            fail("node \(index + 1): \(broken)")
        }
        if replica.applied != replica.raft.commit { fail("node \(index + 1) applies too late") }
        checkDigest(index)
    }

    /// Machines that have applied the same entries are equal.
    mutating func checkDigest(_ index: Int) {
        let replica = members[index].replica
        let digest = replica.machine.digest
        if let known = digests.updateValue(digest, forKey: replica.applied), known != digest {
            fail("node \(index + 1): another state after entry \(replica.applied.rawValue)")
        }
    }

    mutating func fail(_ message: String) {
        if failure == nil { failure = message }
    }

    // MARK: Requests

    /// All requests in one turn.
    @discardableResult
    mutating func submit(_ requests: [Request], at id: NodeID) -> [RequestToken] {
        let tokens = requests.map { answers.ask($0, at: id) }
        turn(id) { replica, effects in
            for (request, token) in zip(requests, tokens) {
                replica.submit(request, token, into: &effects)
            }
        }
        return tokens
    }

    @discardableResult
    mutating func submit(_ request: Request, at id: NodeID) -> RequestToken {
        let token = answers.ask(request, at: id)
        turn(id) { replica, effects in replica.submit(request, token, into: &effects) }
        return token
    }

    /// A write that is over when this returns.
    @discardableResult
    mutating func write(_ command: Command, at id: NodeID) -> Outcome? {
        let token = submit(.write(command), at: id)
        settle()
        return answers[token]?.answer.outcome
    }

    /// Validates a session and lets everything come to rest; nil where nothing may be read.
    mutating func validate(
        _ number: Int,
        _ purpose: ValidatePurpose = .use,
        at id: NodeID
    ) -> StatusWord? {
        let token = submit(.validate(proof(number, purpose)), at: id)
        settle()
        return answers[token]?.machine?.status(number)
    }

    // MARK: Time

    mutating func advance(by duration: Milliseconds) { now = now.advanced(by: duration) }

    mutating func tick(_ id: NodeID, count: Int = 1) {
        for _ in 0..<count {
            turn(id) { replica, effects in replica.tick(into: &effects) }
        }
    }

    /// One tick of all nodes, after which everything comes to rest. With the clock `standing` the
    /// leader logs no time, and after a heartbeat all nodes have applied the same.
    mutating func tickAll(count: Int = 1, standing: Bool = false) {
        for _ in 0..<count {
            if !standing { advance(by: Self.tick) }
            for id in ids { tick(id) }
            settle()
        }
    }

    // MARK: Delivery

    /// Finishes the write that is with a node's disk.
    mutating func sync(_ id: NodeID) {
        let index = index(of: id)
        guard members[index].isUp, let batch = members[index].writing else { return }
        members[index].disk.store(batch)
        members[index].writing = nil
        turn(id) { replica, _ in replica.persisted(batch.mark) }
    }

    /// Delivers the message at a place of the network, or loses it on a cut link.
    mutating func deliver(at place: Int) {
        guard network.indices.contains(place) else { return fail("there is nothing to deliver") }
        let message = network.remove(at: place)
        if cuts.contains([message.from, message.to]) { return }
        turn(message.to) { replica, _ in replica.receive(message) }
    }

    /// Syncs all disks and delivers all messages in order until nothing moves.
    mutating func settle() {
        var budget = 100_000
        while budget > 0, broken == nil {
            budget -= 1
            for member in members where member.isUp && member.writing != nil {
                sync(member.replica.raft.id)
            }
            if !network.isEmpty {
                deliver(at: 0)
            } else if !members.contains(where: { $0.isUp && $0.writing != nil }) {
                return
            }
        }
        fail("the network does not come to rest")
    }

    // MARK: Faults

    mutating func crash(_ id: NodeID) {
        let index = index(of: id)
        guard members[index].isUp else { return }
        members[index].isUp = false
        // The write that was with the disk may have made it or not.
        if let batch = members[index].writing, random.chance(50) {
            members[index].disk.store(batch)
        }
        members[index].writing = nil
        answers.crashed(id)
    }

    mutating func restart(_ id: NodeID) {
        let index = index(of: id)
        guard !members[index].isUp else { return }
        var configuration = members[index].replica.raft.configuration
        configuration.seed = random.next()
        let raft = RaftNode(
            configuration: configuration,
            hardState: members[index].disk.hardState,
            entries: members[index].disk.entries
        )
        members[index].replica = Self.replica(raft, tuning)
        members[index].isUp = true
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
