// A whole group in one value: replicas with their machines, a network that the test cuts and
// reorders, disks that forget what was not synced, and one virtual time from which each node's
// clock is derived. Every turn checks the invariants of the core, that machines which have applied
// the same entries have the same digest, and the answers (`AnswerBook`). Same seed, same run.
//
// What a driver does with a disk or with a snapshot is in `GroupDisk.swift`.

import RaftCore
import Replica
import SessionMachine
import TestKit

/// One node with its disk.
struct GroupMember {
    var replica: Replica
    var isUp = true
    /// What survives a crash: the batches that were stored, and the snapshot's bytes.
    var disk: MemoryDisk
    var snapshot: [UInt8]
    /// Handed to the disk, not answered yet.
    var writing: PersistBatch?
    /// What else the driver was asked to do, oldest first.
    var work: [DriverWork] = []
    /// The chunks of a leader's snapshot so far.
    var incoming: [UInt8] = []
    /// The last turn asked for another one.
    var isUnfinished = false
    /// Requests whose lease had run out when their answer came.
    var again: [RequestToken] = []
    /// How far its time of day is ahead of `Group.now`.
    var ahead = Milliseconds.zero
    /// How much faster its monotonic clock is than true time, in permille.
    var drift = 0
    /// When it was stopped (SIGSTOP), by its own clock: as if it had just looked at it.
    var pausedAt: Instant?
}

struct Group {
    static let id = GroupID(3)
    /// Virtual time between two ticks of one node.
    static let tick = Milliseconds(100)

    var members: [GroupMember] = []
    var network: [Message] = []
    var random: SeededRandom
    /// Links that are cut, as [from, to].
    var cuts: Set<[NodeID]> = []
    var disputes: [LogIndex] = []
    var now = MachineTime.testStart
    var answers = AnswerBook()
    /// The digest that any machine had after an entry, for all time.
    var digests: [LogIndex: StateDigest] = [:]
    var counts = Counts()
    /// Nodes whose machine the test changed behind the log's back, and why those of them that found
    /// out have stopped.
    var planted: Set<NodeID> = []
    var fenced: [NodeID: StopReason] = [:]
    /// Answers to changes of membership.
    var changes: [ChangeAnswer] = []
    /// What each node's driver was told last of the members.
    var membership: [NodeID: Membership] = [:]
    /// Whether the edge looks at the clock again after a read under a lease.
    var edge = Edge.looksAtItsClock
    /// In how many of a hundred chunks of snapshots a bit flips on the way. What else travels has
    /// checksums of its own.
    var chunkDamage = 0
    var failure: String?
    let tuning: Tuning
    let configure: @Sendable (inout RaftConfiguration) -> Void

    enum Edge {
        case looksAtItsClock
        case trustsEveryAnswer
    }

    /// What happened, for floors.
    struct Counts: Equatable {
        var cuts = 0
        var installs = 0
        var uselessInstalls = 0
        var damages = 0
        var attestations = 0
        var underLease = 0
        var late = 0

        static func += (left: inout Counts, right: Counts) {
            left.cuts += right.cuts
            left.installs += right.installs
            left.uselessInstalls += right.uselessInstalls
            left.damages += right.damages
            left.attestations += right.attestations
            left.underLease += right.underLease
            left.late += right.late
        }
    }

    /// Nodes 1 to `size` vote; `addOutsider` makes more.
    init(
        size: Int = 3,
        seed: UInt64 = 1,
        tuning: Tuning = Tuning(parkingTicks: 30, pendingTicks: 60),
        configure: @escaping @Sendable (inout RaftConfiguration) -> Void = { _ in }
    ) {
        random = SeededRandom(seed)
        self.tuning = tuning
        self.configure = configure
        let voters = (1...size).map { NodeID(UInt64($0)) }
        for id in voters { addMember(id, Membership(voters: voters), seed: seed) }
    }

    /// A node that waits to be added to the group, under the next id.
    mutating func addOutsider() -> NodeID {
        let id = NodeID(UInt64(members.count + 1))
        addMember(id, .none, seed: random.next())
        return id
    }

    private mutating func addMember(_ id: NodeID, _ membership: Membership, seed: UInt64) {
        var configuration = RaftConfiguration(id: id, seed: seed &* 31 &+ id.rawValue)
        configure(&configuration)
        let disk = MemoryDisk(membership: membership)
        let machine = SessionMachine(seed: HashSeed(low: 0x0706_0504, high: 0x0f0e_0d0c))
        // Every clock has a beginning of its own.
        let start = Instant(id.rawValue * 1_000_000_000)
        let raft = disk.restart(configuration, at: start)
        let replica = Replica(group: Self.id, raft: raft, machine: machine, tuning: tuning)
        members.append(
            GroupMember(replica: replica, disk: disk, snapshot: machine.encodedSnapshot())
        )
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

    /// A node's monotonic clock.
    func clock(of id: NodeID) -> Instant {
        let elapsed = now.millisecondsSince1970 - MachineTime.testStart.millisecondsSince1970
        let speed = UInt64(1_000 + members[index(of: id)].drift)
        return Instant(id.rawValue * 1_000_000_000 + elapsed * 1_000 * speed)
    }

    // MARK: Turns

    /// Whether a node takes part: it exists, and is neither down nor stopped.
    func isAwake(_ id: NodeID) -> Bool {
        guard members.indices.contains(index(of: id)) else { return false }
        let member = members[index(of: id)]
        return member.isUp && member.pausedAt == nil
    }

    /// One turn of one node: its inputs, then its effects carried out and everything checked. A
    /// node that was stopped goes on in the midst of its turn, with the time that it read before.
    mutating func turn(_ id: NodeID, _ inputs: (inout Replica, inout ReplicaEffects) -> Void) {
        let index = index(of: id)
        guard members[index].isUp, broken == nil else { return }
        let before = members[index].replica
        let clock = members[index].pausedAt ?? clock(of: id)
        members[index].pausedAt = nil
        var effects = ReplicaEffects()
        inputs(&members[index].replica, &effects)
        for token in members[index].again {
            members[index].replica.submit(answers.request(token), token, into: &effects)
        }
        members[index].again = []
        let time = now.advanced(by: members[index].ahead)
        members[index].replica.endTurn(at: time, clock: clock, into: &effects)
        members[index].isUnfinished = effects.isUnfinished
        if effects.stop == nil { check(index, before: before.raft) }
        carryOut(effects, at: index)
    }

    private mutating func carryOut(_ effects: ReplicaEffects, at index: Int) {
        if let reason = effects.stop { return stop(index, reason) }
        network.append(contentsOf: effects.send)
        if let batch = effects.persist {
            if members[index].writing != nil { fail("two batches with one disk") }
            members[index].writing = batch
            if members[index].replica.isLeader { countAttestations(batch.entries) }
        }
        takeSnapshotEffects(effects, at: index)
        changes += effects.changes.map(\.answer)
        if let index = effects.dispute { disputes.append(index) }
        if let told = effects.membership {
            membership[members[index].replica.raft.id] = told
        }
        for (token, answer) in effects.answers { give(answer, token, at: index) }
    }

    /// The edge reads the machine, and then, if a lease stands for the quorum, its clock.
    private mutating func give(_ answer: Answer, _ token: RequestToken, at index: Int) {
        let replica = members[index].replica
        if case .readable(let end?) = answer {
            counts.underLease += 1
            if clock(of: replica.raft.id) >= end, edge == .looksAtItsClock {
                counts.late += 1
                members[index].again.append(token)
                return
            }
        }
        let given = Given(
            answer: answer,
            node: replica.raft.id,
            applied: replica.applied,
            machine: answer.word == .readable ? replica.machine : nil
        )
        answers.record(token, given)
    }

    private mutating func stop(_ index: Int, _ reason: StopReason) {
        let id = members[index].replica.raft.id
        guard case .diverged = reason, planted.contains(id) else {
            return fail("node \(id.rawValue) stops: \(reason)")
        }
        fenced[id] = reason
        crash(id)
    }

    private mutating func check(_ index: Int, before: RaftNode) {
        let replica = members[index].replica
        if let broken = replica.raft.brokenInvariant() { fail("node \(index + 1): \(broken)") }
        if let broken = replica.raft.brokenTransition(from: before) {
            fail("node \(index + 1): \(broken)")
        }
        if replica.applied > replica.raft.commit { fail("node \(index + 1) applies too early") }
        if replica.applied < replica.raft.commit, !members[index].isUnfinished {
            fail("node \(index + 1) applies too late")
        }
        checkDigest(index)
    }

    /// Machines that have applied the same entries are equal.
    mutating func checkDigest(_ index: Int) {
        let replica = members[index].replica
        if planted.contains(replica.raft.id) { return }
        let digest = replica.machine.digest
        if let known = digests.updateValue(digest, forKey: replica.applied), known != digest {
            fail("node \(index + 1): another state after entry \(replica.applied.rawValue)")
        }
    }

    private mutating func countAttestations(_ entries: [Entry]) {
        for entry in entries {
            guard case .command(let payload) = entry.content else { continue }
            guard var commands = try? EntryPayload(decoding: payload) else { continue }
            while let command = try? commands.next() {
                if case .attest = command { counts.attestations += 1 }
            }
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

    /// Asks for a change of members and lets everything come to rest.
    mutating func change(_ change: MembershipChange, at id: NodeID) {
        turn(id) { replica, _ in
            replica.changeMembership(change, ChangeToken(rawValue: 1))
        }
        settle()
    }

    // MARK: Time

    mutating func advance(by duration: Milliseconds) { now = now.advanced(by: duration) }

    mutating func tick(_ id: NodeID, count: Int = 1) {
        for _ in 0..<count {
            guard isAwake(id) else { return }
            let clock = clock(of: id)
            turn(id) { replica, effects in replica.tick(at: clock, into: &effects) }
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

    /// Delivers the message at a place of the network, or loses it on a cut link.
    mutating func deliver(at place: Int) {
        guard network.indices.contains(place) else { return fail("there is nothing to deliver") }
        var message = network.remove(at: place)
        damage(&message)
        if cuts.contains([message.from, message.to]) || !isAwake(message.to) { return }
        let clock = clock(of: message.to)
        turn(message.to) { [message] replica, _ in replica.receive(message, at: clock) }
    }

    private mutating func damage(_ message: inout Message) {
        guard case .snapshotChunk(var chunk) = message.body, chunkDamage > 0 else { return }
        guard random.chance(chunkDamage), !chunk.bytes.isEmpty else { return }
        let spot = chunk.bytes.startIndex + random.below(chunk.bytes.count)
        chunk.bytes[spot] ^= 1 << UInt8(random.below(8))
        message.body = .snapshotChunk(chunk)
    }

    /// Lets all disks and drivers finish and delivers all messages in order until nothing moves.
    mutating func settle() {
        var budget = 100_000
        while budget > 0, broken == nil {
            budget -= 1
            let busy = ids.filter { isBusy($0) }
            for id in busy { finishWork(id) }
            if !network.isEmpty {
                deliver(at: 0)
            } else if busy.isEmpty {
                return
            }
        }
        fail("the network does not come to rest")
    }

    private func isBusy(_ id: NodeID) -> Bool {
        let member = members[index(of: id)]
        guard isAwake(id) else { return false }
        return member.writing != nil || !member.work.isEmpty || member.isUnfinished
            || !member.again.isEmpty
    }

    private mutating func finishWork(_ id: NodeID) {
        sync(id)
        work(id)
        let member = members[index(of: id)]
        if member.isUnfinished || !member.again.isEmpty { turn(id) { _, _ in } }
    }
}
