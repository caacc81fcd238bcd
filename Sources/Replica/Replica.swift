// One shard group on one node: the Raft node, the session machine, and the clients that wait for
// either. Still pure: the server and the tests run this same code.
//
// In, within one turn: ticks, messages, requests, the disk's word that a batch is stored. Then
// `endTurn` with the time of day: all writes of the turn become one entry, encoded once. Out:
// messages to send, one batch for the disk, answers.
//
//   write     parked (nobody leads) -> gathered (this turn) -> pending (in the log) -> answered
//   read      parked -> barrier (waits for a quorum to confirm the leader) -> answered
//   validate  parked -> barrier -> answered, or -> gathered with a touch -> answered
//
// It must never: answer a write before it is applied here, serve a read before its barrier holds
// and everything up to it is applied, read a clock, or do I/O.

package import RaftCore
package import SessionMachine

/// A group's replica on this node.
package struct Replica: Sendable {
    package let group: GroupID
    package private(set) var raft: RaftNode
    package internal(set) var machine: SessionMachine
    /// The last entry that the machine has seen.
    package private(set) var applied: LogIndex

    /// A leader whose connection broke, until it is heard again or another one leads. Requests wait
    /// for the election that is likely to follow rather than being sent to a dead node.
    private var suspect: NodeID?

    private let tuning: Tuning
    /// Ticks since start.
    private var ticks = 0

    var raftEffects = Effects()
    var parking: ParkingLot
    var proposals: ProposalQueue
    var barriers: ReadBarriers

    package init(group: GroupID, raft: RaftNode, machine: SessionMachine, tuning: Tuning) {
        self.group = group
        self.raft = raft
        self.machine = machine
        applied = raft.log.base.index
        parking = ParkingLot()
        proposals = ProposalQueue()
        barriers = ReadBarriers()
        self.tuning = tuning
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
    private mutating func place(
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
            if !proposals.gather(command, token) { effects.answer(token, .overloaded) }
        case .read:
            barriers.gather(ReadBarriers.Waiting(token: token, use: .read, since: since))
        case .validate(let proof):
            barriers.gather(
                ReadBarriers.Waiting(token: token, use: .validate(proof), since: since)
            )
        }
    }

    /// Who else leads, as far as this node can tell; nil while nobody is known to.
    private var leaderElsewhere: NodeID? {
        guard let leader = raft.leader, leader != raft.id, leader != suspect else { return nil }
        return leader
    }

    /// The connection to a node broke. If it leads, it is suspected to have died.
    package mutating func lostContact(with node: NodeID) {
        if raft.leader == node { suspect = node }
    }

    package mutating func receive(_ message: Message) {
        if message.from == suspect { suspect = nil }
        raft.step(.received(message), into: &raftEffects)
    }

    package mutating func persisted(_ mark: PersistMark) {
        raft.step(.persisted(mark), into: &raftEffects)
    }

    package mutating func transferLeadership(to target: NodeID) {
        raft.step(.transferLeadership(to: target), into: &raftEffects)
    }

    package mutating func tick(into effects: inout ReplicaEffects) {
        raft.step(.tick, into: &raftEffects)
        ticks += 1
        let parkingStart = ticks - tuning.parkingTicks
        let pendingStart = ticks - tuning.pendingTicks
        for token in parking.expire(before: parkingStart) { effects.answer(token, .noLeader) }
        for token in proposals.expire(before: pendingStart) { effects.answer(token, .unknown) }
        for token in barriers.expire(before: pendingStart) { effects.answer(token, .noLeader) }
    }

    // MARK: The end of a turn

    /// Ends a turn at `now`: proposes what was gathered, applies what is committed, answers.
    package mutating func endTurn(at now: MachineTime, into effects: inout ReplicaEffects) {
        // A transfer that was given up, or a suspect that lives: those who were parked for a new
        // leader go to the old one.
        if raft.isLeader ? !raft.isTransferring : leaderElsewhere != nil { leaveParking(&effects) }
        finishRound(at: now, &effects)
        // A barrier that held may have asked for touches, and an election may have let parked
        // requests in: they go out with this turn, not with the next.
        if proposals.hasGathered || barriers.hasGathered { finishRound(at: now, &effects) }
    }

    private mutating func finishRound(at now: MachineTime, _ effects: inout ReplicaEffects) {
        if raft.isLeader {
            if raft.isTransferring { parkGathered(&effects) }
            proposeGathered(at: now, &effects)
            if let token = barriers.startRound() { raft.step(.read(token), into: &raftEffects) }
        }
        raft.flush(into: &raftEffects)
        takeRaftEffects(at: now, &effects)
    }

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
        if !proposals.hasGathered, isTimeEntryDue(at: now) { proposals.gatherTimeEntry() }
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
        effects.send.append(contentsOf: raftEffects.send)
        if let batch = raftEffects.persist { effects.persist = batch }
        if let violation = raftEffects.violation { effects.stop = .violation(violation) }
        if let through = raftEffects.applyThrough { apply(through, &effects) }
        for (token, index) in raftEffects.readable {
            barriers.confirmed(token, index: index)
        }
        for token in raftEffects.unreadable {
            for waiting in barriers.failed(token) { repark(waiting, &effects) }
        }
        serveReads(at: now, &effects)
        if let leadership = raftEffects.leadership {
            effects.leadership = leadership
            leadershipChanged(leadership, &effects)
        }
        raftEffects.removeAll()
    }

    private mutating func leadershipChanged(
        _ leadership: Leadership,
        _ effects: inout ReplicaEffects
    ) {
        if leadership.role != .leader {
            for waiting in barriers.takeGathered() { repark(waiting, &effects) }
            for (request, token) in proposals.takeGathered() {
                submit(request, token, into: &effects)
            }
        }
        if leadership.leader != nil { leaveParking(&effects) }
    }

    /// A read that this node cannot serve any more goes back to the start.
    private mutating func repark(
        _ waiting: ReadBarriers.Waiting,
        _ effects: inout ReplicaEffects
    ) {
        place(waiting.request, waiting.token, since: waiting.since, &effects)
    }

    // MARK: Applying

    private mutating func apply(_ through: LogIndex, _ effects: inout ReplicaEffects) {
        while applied < through {
            let entry = raft.log[applied.next]
            applied = applied.next
            let waiters = proposals.committed(entry.position) { effects.answer($0, .noLeader) }
            guard case .command(let payload) = entry.content else { continue }
            guard apply(payload, answering: waiters.writes, &effects) else {
                effects.stop = .undecodableEntry(group, entry.position)
                return
            }
            // What they read must be logged first; now it is.
            for token in waiters.validates { effects.answer(token, .readable) }
        }
    }

    /// Applies one entry; false where its bytes are not an entry's.
    private mutating func apply(
        _ payload: ArraySlice<UInt8>,
        answering tokens: [RequestToken],
        _ effects: inout ReplicaEffects
    ) -> Bool {
        do {
            var entry = try EntryPayload(decoding: payload)
            machine.beginEntry(at: entry.time, commandCount: entry.count)
            var place = 0
            while let command = try entry.next() {
                let outcome = machine.apply(command)
                // Touches and time entries come last in an entry, and nobody waits for their
                // outcome.
                if place < tokens.count { effects.answer(tokens[place], .applied(outcome)) }
                place += 1
            }
            return true
        } catch {
            // Every replica finds the same bytes undecodable at the same index: stopping is the one
            // thing that cannot make them differ.
            return false
        }
    }

    // MARK: Reads

    private mutating func serveReads(at now: MachineTime, _ effects: inout ReplicaEffects) {
        for waiting in barriers.takeServable(applied: applied) {
            guard case .validate(let proof) = waiting.use else {
                effects.answer(waiting.token, .readable)
                continue
            }
            let validation = machine.validate(
                proof.handle,
                proof.digest,
                now: now,
                purpose: proof.purpose
            )
            switch validation.followUp {
            case .answer:
                effects.answer(waiting.token, .readable)
            case .logTouch, .logTime:
                // Its use, or its end, must be in the log before the answer may leave: the next
                // leader has to know of it.
                proposals.gather(validation.followUp, of: proof, waiting.token)
            }
        }
    }
}
