// One shard group on one node: the Raft node, the session machine, and the clients that wait for
// either. Still pure: the server and the tests run this same code.
//
// In, within one turn: ticks, messages, requests, the disk's word that a batch or a snapshot is
// stored and how much room it has. Then `endTurn` with the time of day and the node's clock: all
// writes of the turn become one entry, encoded once. Out: messages to send, one batch for the disk,
// answers, snapshots to be cut, read and kept.
//
//   write     parked (nobody leads) -> gathered (this turn) -> pending (in the log) -> answered
//   read      parked -> barrier (waits for a quorum or a lease to confirm the leader) -> answered
//   validate  parked -> barrier -> answered, or -> gathered with a touch -> answered
//
// This file: state, inputs and the turn. `+Applying`: committed entries, and the comparison of
// machines. `+Reads`: barriers that hold. `+Snapshots`: both kinds.
//
// It must never: answer a write before it is applied here, serve a read before its barrier holds
// and everything up to it is applied, read a clock, do I/O, or go on after a reason to stop.

package import RaftCore
package import SessionMachine

/// A group's replica on this node.
package struct Replica: Sendable {
    package let group: GroupID
    package internal(set) var raft: RaftNode
    package internal(set) var machine: SessionMachine
    /// The last entry that the machine has seen, itself or in the snapshot that it came from.
    package internal(set) var applied: LogIndex
    /// The last entry that it may see. Beyond `applied` while a turn could not do it all.
    var committed: LogIndex
    /// Entries that may still be applied in this turn.
    var budget = 0

    /// A leader whose connection broke, until it is heard again or another one leads. Requests wait
    /// for the election that is likely to follow rather than being sent to a dead node.
    private var suspect: NodeID?
    /// Once set, nothing leaves this replica any more.
    private var stopped: StopReason?
    /// What the driver found on the disk last. It counts for requests that come from then on.
    package var room = Room.ample
    /// The node's memory is full: as a leader it refuses what adds to the state, and nothing else.
    package var isMemoryFull = false

    let tuning: Tuning
    /// Ticks since start.
    var ticks = 0
    /// The node's clock, as of the last input that came with it.
    var clock = Instant.zero

    var raftEffects = Effects()
    var parking = ParkingLot()
    var proposals = ProposalQueue()
    var barriers = ReadBarriers()
    var snapshots: SnapshotPolicy
    /// A leader's snapshot that the core asked for, until the turn ends.
    var received: SnapshotCut?
    var checkpoints: Checkpoints
    var tally = FingerprintTally()

    /// A node that starts: `machine` is that of the snapshot with which `raft` was made.
    package init(group: GroupID, raft: RaftNode, machine: SessionMachine, tuning: Tuning) {
        precondition(tuning.appliedPerTurnMax >= 1)
        self.group = group
        self.raft = raft
        self.machine = machine
        self.tuning = tuning
        applied = raft.snapshot.position.index
        committed = applied
        snapshots = SnapshotPolicy(tuning: tuning, from: applied)
        checkpoints = Checkpoints(interval: tuning.fingerprintEntries, from: applied)
    }

    package var isLeader: Bool { raft.isLeader }

    // MARK: Inputs

    /// Takes a client's request; the answer comes with a later turn's effects.
    package mutating func submit(
        _ request: Request,
        _ token: RequestToken,
        into effects: inout ReplicaEffects
    ) {
        place(request, token, since: ticks, &effects)
    }

    /// Brings a request, which came at tick `since`, to where it belongs now.
    mutating func place(
        _ request: Request,
        _ token: RequestToken,
        since: Int,
        _ effects: inout ReplicaEffects
    ) {
        guard raft.isLeader, !raft.isTransferring else {
            if let leader = leaderElsewhere {
                effects.answer(token, .redirect(leader))
            } else if !parking.park(request, token, since: since) {
                effects.answer(token, .overloaded)
            }
            return
        }
        // Won in this very turn, or the transfer was given up: those who came earlier go first.
        if parking.count > 0 { leaveParking(&effects) }
        admit(request, token, since: since, into: &effects)
    }

    /// A request at the leader.
    private mutating func admit(
        _ request: Request,
        _ token: RequestToken,
        since: Int,
        into effects: inout ReplicaEffects
    ) {
        switch request {
        case .write(let command):
            guard room.admits(command) else { return effects.answer(token, .noRoom) }
            if isMemoryFull, command.addsState { return effects.answer(token, .noMemory) }
            if isLagging || !proposals.gather(command, token) {
                effects.answer(token, .overloaded)
            }
        case .read:
            barriers.gather(ReadBarriers.Waiting(token: token, use: .read, since: since))
        case .validate(let proof):
            barriers.gather(
                ReadBarriers.Waiting(token: token, use: .validate(proof), since: since)
            )
        }
    }

    /// More is committed than the machine can keep up with: new writes would only wait.
    private var isLagging: Bool { committed.distance(from: applied) > tuning.applyLagMax }

    /// Who else leads, as far as this node can tell; nil while nobody is known to.
    private var leaderElsewhere: NodeID? {
        guard let leader = raft.leader, leader != raft.id, leader != suspect else { return nil }
        return leader
    }

    /// The connection to a node broke. If it leads, it is suspected to have died.
    package mutating func lostContact(with node: NodeID) {
        if raft.leader == node { suspect = node }
    }

    /// Takes a message that came in at `now` of the node's clock.
    package mutating func receive(_ message: Message, at now: Instant) {
        if message.from == suspect { suspect = nil }
        setClock(now)
        raft.step(.received(message), into: &raftEffects)
    }

    /// The batch that was handed out last is durable.
    package mutating func persisted(_ mark: PersistMark) {
        raft.step(.persisted(mark), into: &raftEffects)
    }

    package mutating func transferLeadership(to target: NodeID) {
        raft.step(.transferLeadership(to: target), into: &raftEffects)
    }

    /// Asks for a change of members; the answer comes with this turn's effects.
    package mutating func changeMembership(_ change: MembershipChange, _ token: ChangeToken) {
        raft.step(.changeMembership(change, token), into: &raftEffects)
    }

    /// A tick at `now` of the node's clock.
    package mutating func tick(at now: Instant, into effects: inout ReplicaEffects) {
        setClock(now)
        raft.step(.tick, into: &raftEffects)
        ticks += 1
        let parkingStart = ticks - tuning.parkingTicks
        let pendingStart = ticks - tuning.pendingTicks
        for token in parking.expire(before: parkingStart) { effects.answer(token, .noLeader) }
        for token in proposals.expire(before: pendingStart) { effects.answer(token, .unknown) }
        for token in barriers.expire(before: pendingStart) { effects.answer(token, .noLeader) }
        if !tally.isEmpty {
            attestIfDecided()
            if let index = tally.takeDispute(among: raft.membership, in: ticks) {
                effects.dispute = index
            }
        }
    }

    private mutating func setClock(_ now: Instant) {
        clock = max(clock, now)
        raft.setClock(clock)
    }

    // MARK: The end of a turn

    /// Ends a turn at `now`, which is `clock` of the node's clock: proposes what was gathered,
    /// applies what is committed, answers.
    package mutating func endTurn(
        at now: MachineTime,
        clock: Instant,
        into effects: inout ReplicaEffects
    ) {
        setClock(clock)
        budget = tuning.appliedPerTurnMax
        if stopped == nil { runTurn(at: now, &effects) }
        guard let stopped else { return }
        // What this turn computed may be wrong.
        raftEffects.removeAll()
        effects.removeAll()
        effects.stop = stopped
    }

    private mutating func runTurn(at now: MachineTime, _ effects: inout ReplicaEffects) {
        // A transfer that was given up, or a suspect that lives: those who were parked for a new
        // leader go to the old one.
        if raft.isLeader ? !raft.isTransferring : leaderElsewhere != nil { leaveParking(&effects) }
        finishRound(at: now, &effects)
        // A barrier that held may have asked for touches, an election may have let parked requests
        // in, and a checkpoint may have been passed: they go out with this turn, not with the next.
        if proposals.hasGathered || barriers.hasGathered || checkpoints.hasUntold {
            finishRound(at: now, &effects)
        }
        cutSnapshotIfDue(&effects)
        effects.isUnfinished =
            applied < committed || proposals.hasGathered || barriers.hasGathered
    }

    private mutating func finishRound(at now: MachineTime, _ effects: inout ReplicaEffects) {
        for fingerprint in checkpoints.takeUntold() {
            raft.step(.fingerprint(fingerprint), into: &raftEffects)
        }
        if raft.isLeader {
            if raft.isTransferring { parkGathered(&effects) }
            proposeGathered(at: now, &effects)
            if let token = barriers.startRound() { raft.step(.read(token), into: &raftEffects) }
        }
        raft.flush(into: &raftEffects)
        takeRaftEffects(at: now, &effects)
    }

    mutating func stop(_ reason: StopReason) {
        if stopped == nil { stopped = reason }
    }

    var isStopped: Bool { stopped != nil }

    /// Writes and touches of a turn in which a transfer began wait for its end.
    private mutating func parkGathered(_ effects: inout ReplicaEffects) {
        for (request, token) in proposals.takeGathered() {
            place(request, token, since: ticks, &effects)
        }
    }

    private mutating func leaveParking(_ effects: inout ReplicaEffects) {
        for parked in parking.leave() {
            place(parked.request, parked.token, since: parked.tick, &effects)
        }
    }

    private mutating func proposeGathered(at now: MachineTime, _ effects: inout ReplicaEffects) {
        let mayMoveTime = !proposals.hasGathered && room != .exhausted
        if mayMoveTime, isTimeEntryDue(at: now) { proposals.gatherTimeEntry() }
        while let batch = proposals.nextBatch(at: now, tick: ticks) {
            raft.step(.propose(batch.payload, batch.token), into: &raftEffects)
            settleProposals(&effects)
        }
    }

    /// An idle leader moves machine time when something is due, so that an end does not wait for
    /// the next write. One such entry at a time is enough.
    private func isTimeEntryDue(at now: MachineTime) -> Bool {
        guard let deadline = machine.nextDeadline else { return false }
        return deadline <= now && !proposals.hasPending(in: raft.term)
    }

    private mutating func settleProposals(_ effects: inout ReplicaEffects) {
        for accepted in raftEffects.accepted {
            proposals.accepted(accepted)
        }
        for (token, reason) in raftEffects.refused {
            let waiters = proposals.refused(token)
            for request in waiters.writes + waiters.validates {
                effects.answer(request, Self.answer(to: reason))
            }
        }
        raftEffects.accepted.removeAll(keepingCapacity: true)
        raftEffects.refused.removeAll(keepingCapacity: true)
    }

    private static func answer(to refusal: RaftCore.Refusal) -> Answer {
        switch refusal {
        case .notLeader(let leader): leader.map { .redirect($0) } ?? .noLeader
        // The target takes over within an election timeout; the client's retry finds it.
        case .transferring: .noLeader
        case .overloaded: .overloaded
        }
    }

    private mutating func takeRaftEffects(
        at now: MachineTime,
        _ effects: inout ReplicaEffects
    ) {
        forwardRaftEffects(&effects)
        if let violation = raftEffects.violation { stop(.violation(violation)) }
        if let loss = raftEffects.loss { effects.loss = loss }
        if let mark = raftEffects.restore { restore(mark, &effects) }
        if let through = raftEffects.applyThrough { committed = through }
        applyCommitted(&effects)
        for barrier in raftEffects.readable { barriers.confirmed(barrier) }
        for token in raftEffects.unreadable {
            for waiting in barriers.failed(token) { repark(waiting, &effects) }
        }
        serveReads(at: now, &effects)
        for (node, fingerprint) in raftEffects.fingerprints { hear(node, fingerprint) }
        if let leadership = raftEffects.leadership { leadershipChanged(leadership, &effects) }
        raftEffects.removeAll()
    }

    /// What is for the driver alone.
    private mutating func forwardRaftEffects(_ effects: inout ReplicaEffects) {
        effects.send.append(contentsOf: raftEffects.send)
        effects.changes.append(contentsOf: raftEffects.changes)
        effects.fetch.append(contentsOf: raftEffects.fetch)
        effects.chunks.append(contentsOf: raftEffects.chunks)
        if raftEffects.isSnapshotWanted { snapshots.want() }
        if let batch = raftEffects.persist { effects.persist = batch }
        if let leadership = raftEffects.leadership { effects.leadership = leadership }
        if let membership = raftEffects.membership { effects.membership = membership }
    }

    private mutating func leadershipChanged(
        _ leadership: Leadership,
        _ effects: inout ReplicaEffects
    ) {
        tally.removeAll()
        if leadership.role != .leader {
            for waiting in barriers.takeAll() { repark(waiting, &effects) }
            for (request, token) in proposals.takeGathered() {
                submit(request, token, into: &effects)
            }
        }
        if leadership.leader != nil { leaveParking(&effects) }
    }

    /// A read that this node cannot serve any more goes back to the start.
    mutating func repark(_ waiting: ReadBarriers.Waiting, _ effects: inout ReplicaEffects) {
        place(waiting.request, waiting.token, since: waiting.since, &effects)
    }
}
