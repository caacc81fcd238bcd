// What the server's reactor does with a group: inputs, `endTurn`, effects. Each is a list of steps,
// and the process may stand still before any of them: between the look at the clock and the end of
// the turn, between the end of the turn and a lookup, between the lookup and the reply.

import PeerWire
import RaftCore
import Replica
import SessionMachine

extension Simulator {
    // MARK: Inputs

    func deliver(_ input: NodeInput, to number: Int, _ epoch: UInt64) {
        guard let process = process(number, epoch) else { return }
        process.inbox.append(input)
        scheduleTurn(nodes[number - 1], process)
    }

    func scheduleTurn(_ node: SimNode, _ process: Process) {
        guard !process.isTurnScheduled, process.position >= process.steps.count else { return }
        process.isTurnScheduled = true
        let delay = node.schedulingRandom.between(2 * Time.microsecond...60 * Time.microsecond)
        queue.schedule(.turn(node.number, epoch: node.epoch), at: now + delay)
    }

    func scheduleTick(_ node: SimNode, _ process: Process) {
        let late = node.schedulingRandom.between(0...options.clocks.tickDelayMax)
        let wait = node.clock.trueTime(of: options.tick) + late
        queue.schedule(.tick(node.number, epoch: node.epoch), at: now + wait)
    }

    /// A timer fires: late, or during a pause much later, and never twice for one that was missed.
    func tick(_ number: Int, _ epoch: UInt64) {
        guard let process = process(number, epoch) else { return }
        let node = nodes[number - 1]
        if node.isPaused(at: now) {
            queue.schedule(.tick(number, epoch: epoch), at: node.pausedUntil + 1)
            return
        }
        process.inbox.append(.tick)
        scheduleTick(node, process)
        scheduleTurn(node, process)
    }

    // MARK: Turns

    func beginTurn(_ node: SimNode, _ process: Process) {
        process.isTurnScheduled = false
        guard process.position >= process.steps.count else { return }
        if node.isPaused(at: now) {
            node.isWaiting = true
            return
        }
        process.clearSteps()
        for input in process.inbox { process.steps.append(.input(input)) }
        process.inbox.removeAll(keepingCapacity: true)
        process.steps.append(.readClocks)
        process.before = process.replica.raft
        process.roomBefore = process.replica.room
        counts[.turns] += 1
        runSteps(node, process)
    }

    /// Takes steps until there are none, the process stands still, or it dies.
    func runSteps(_ node: SimNode, _ process: Process) {
        while process.position < process.steps.count {
            guard failure == nil, node.process === process else { return }
            if node.isPaused(at: now) {
                node.isWaiting = true
                return
            }
            let step = process.steps[process.position]
            if let stall = drawStall(before: step, node) {
                process.isStalled = true
                counts[.stalls] += 1
                note("\(node.number) stalls")
                // The step itself is taken afterwards, without another draw.
                queue.schedule(.unstall(node.number, epoch: node.epoch), at: now + stall)
                process.stalledAt = process.position
                return
            }
            process.position += 1
            take(step, node, process)
        }
        guard node.process === process, failure == nil else { return }
        if !process.inbox.isEmpty { scheduleTurn(node, process) }
    }

    private func drawStall(before step: Step, _ node: SimNode) -> UInt64? {
        guard phase == .safety, let process = node.process,
            process.stalledAt != process.position
        else { return nil }
        let oneIn: UInt64
        switch step {
        case .answer(_, .readable), .reply: oneIn = options.stalls.readOneIn
        default: oneIn = options.stalls.oneIn
        }
        guard oneIn > 0, node.stallRandom.oneIn(oneIn) else { return nil }
        return node.stallRandom.magnitude(options.stalls.length)
    }

    private func take(_ step: Step, _ node: SimNode, _ process: Process) {
        switch step {
        case .input(let input): feed(input, node, process)
        case .readClocks:
            let wall = node.clock.wallTime(at: now)
            process.steps.append(.endTurn(wall, node.clock.instant(at: now)))
        case .endTurn(let wall, let clock): endTurn(wall, clock, node, process)
        case .persist(let batch): persist(batch, node, process)
        case .send(let message): send(message, node, process)
        case .flush: flush(node, process)
        case .answer(let token, let answer): carryOut(answer, token, node, process)
        case .reply(let request, let reply, let validUntil):
            finish(request, reply, validUntil, node, process)
        case .changed(let token, let answer): changed(token, answer, node)
        case .cut(let cut): write(cut, node, process)
        case .fetch(let fetch): read(fetch, node, process)
        case .keep(let chunk): keep(chunk, node, process)
        }
    }

    private func feed(_ input: NodeInput, _ node: SimNode, _ process: Process) {
        let clock = node.clock.instant(at: now)
        switch input {
        case .tick:
            process.replica.room = node.trouble.room(at: now)
            process.replica.tick(at: clock, into: &process.effects)
        case .frame(let frame, let peer): feed(frame, from: peer, at: clock, process)
        case .request(let request):
            if options.sabotage == .readsAtOnce,
                let reply = request.work.reply(from: process.replica.machine)
            {
                return sendReply(.done(reply), to: request)
            }
            let token = process.newToken()
            process.requests[token] = request
            process.requests[token]?.askedAt = now
            process.replica.submit(request.work.request, token, into: &process.effects)
        case .persisted(let mark): process.replica.persisted(mark)
        case .snapshotStored(let mark): process.replica.snapshotStored(mark)
        case .snapshotAbandoned: process.replica.snapshotAbandoned()
        case .snapshotReceived(let mark, let machine):
            process.replica.snapshotReceived(mark, machine)
        case .chunkKept(let position, let end):
            process.replica.chunkKept(position, through: end)
        case .snapshotDamaged(let position): process.replica.snapshotDamaged(position)
        case .fetched(let fetch, let chunk): process.replica.fetched(fetch, chunk)
        case .lostContact(let peer): process.replica.lostContact(with: peer)
        case .transfer(let target): process.replica.transferLeadership(to: target)
        case .change(let change, let token):
            // One that a node which stood still finds late could leave the healed without a
            // majority.
            guard phase == .safety else { break }
            process.replica.changeMembership(change, token)
        case .nothing: break
        }
    }

    private func feed(_ frame: Frame, from peer: NodeID, at clock: Instant, _ process: Process) {
        switch frame {
        case .message(_, let message): process.replica.receive(message, at: clock)
        case .heartbeats(let heartbeats):
            for (_, message) in heartbeats { process.replica.receive(message, at: clock) }
        case .hello, .roomNotice: break
        }
    }

    private func endTurn(
        _ wall: MachineTime,
        _ clock: Instant,
        _ node: SimNode,
        _ process: Process
    ) {
        process.replica.endTurn(at: wall, clock: clock, into: &process.effects)
        if let reason = process.effects.stop {
            return stopped(node, reason)
        }
        judgeTurn(node, process)
        guard failure == nil else { return }
        let effects = process.effects
        process.effects = ReplicaEffects()
        process.clearSteps()
        // A message may leave before the batch of its turn is even handed to the disk.
        if let batch = effects.persist, options.seed % 2 == 0 {
            process.steps.append(.persist(batch))
        }
        for message in effects.send { process.steps.append(.send(message)) }
        if !effects.send.isEmpty { process.steps.append(.flush) }
        if let batch = effects.persist, options.seed % 2 == 1 {
            process.steps.append(.persist(batch))
        }
        for (token, answer) in effects.answers { process.steps.append(.answer(token, answer)) }
        for (token, answer) in effects.changes { process.steps.append(.changed(token, answer)) }
        for fetch in effects.fetch { process.steps.append(.fetch(fetch)) }
        for chunk in effects.chunks { process.steps.append(.keep(chunk)) }
        if let cut = effects.cut { process.steps.append(.cut(cut)) }
        if let loss = effects.loss, !node.isImpostor {
            // Every loss of these disks is noticed at the start.
            return fail("\(node.number) believes that it has lost \(loss.acknowledged.rawValue)")
        }
        if effects.isUnfinished { process.inbox.append(.nothing) }
        if let leadership = effects.leadership { report(leadership, node) }
        if let membership = effects.membership { report(membership, node) }
        if effects.leadership?.role == .leader {
            // What it would tell clients is of no use to the judges.
            if node.isCorrupt { return stopped(node, .diverged(Self.group, .zero)) }
            aimAtLeader(node)
        }
        if effects.membership != nil, process.replica.isLeader { aimAtMembers(node) }
    }

    private func report(_ leadership: Leadership, _ node: SimNode) {
        let leader = leadership.leader.map { "\($0.rawValue)" } ?? "nobody"
        note(
            "\(node.number) \(leadership.role) in term \(leadership.term.rawValue), "
                + "led by \(leader)"
        )
        switch leadership.role {
        case .leader: counts[.leaders] += 1
        case .candidate: counts[.elections] += 1
        case .follower, .preCandidate: break
        }
    }

    private func report(_ membership: Membership, _ node: SimNode) {
        counts[.membershipsApplied] += 1
        if membership.isJoint { counts[.jointPhases] += 1 }
        note("\(node.number) members: \(membership.text)")
    }

    // MARK: Answers

    private func carryOut(
        _ answer: Answer,
        _ token: RequestToken,
        _ node: SimNode,
        _ process: Process
    ) {
        guard let request = process.requests.removeValue(forKey: token) else { return }
        switch answer {
        case .applied(let outcome):
            guard let reply = request.work.reply(to: outcome) else {
                return fail("\(request.work) came to \(outcome)")
            }
            sendReply(.done(reply), to: request)
        case .readable(let validUntil):
            counts[validUntil == nil ? .quorumReads : .leaseReads] += 1
            let applied = process.replica.applied
            if validUntil == nil, !node.isImpostor,
                let broken = judge.brokenRead(
                    in: process.termOfReads,
                    askedAt: request.askedAt
                )
            {
                return fail("\(node.number): \(broken)")
            }
            if options.claimsReads, applied < request.floor {
                return fail(
                    "\(node.number) reads after entry \(applied.rawValue), but "
                        + "\(request.floor.rawValue) was committed before it was asked"
                )
            }
            guard let reply = request.work.reply(from: process.replica.machine) else {
                return fail("\(request.work) was answered as a read")
            }
            // Right after the lookup, but a pause may fall between the two.
            let step = Step.reply(request, .done(reply), validUntil: validUntil)
            process.steps.insert(step, at: process.position)
        case .redirect(let leader): sendReply(.redirect(leader), to: request)
        case .noLeader: sendReply(.noLeader, to: request)
        case .overloaded: sendReply(.overloaded, to: request)
        case .noRoom, .noMemory: sendReply(.noRoom, to: request)
        case .unknown: sendReply(.unknown, to: request)
        }
    }

    private func finish(
        _ request: ClientRequest,
        _ reply: NodeReply,
        _ validUntil: Instant?,
        _ node: SimNode,
        _ process: Process
    ) {
        if let validUntil, node.clock.instant(at: now) >= validUntil {
            counts[.lapsedLeases] += 1
            process.inbox.append(.request(request))
            return
        }
        sendReply(reply, to: request)
    }
}
