// Processes: how they start on what their disk holds, die, and stand still.

import Bytes
import PeerWire
import RaftCore
import Replica
import SessionMachine

extension Simulator {
    /// All replicas of the group have the same.
    private static let hashSeed = HashSeed(low: 0x686f_6c64, high: 0x6661_7374)

    /// A node with a new disk. It knows `membership` as the one with which the group began.
    func addNode(_ id: NodeID, membership: Membership) {
        precondition(Int(id.rawValue) == nodes.count + 1, "ids are given in order")
        var random = Stream(seed: options.seed, .clocks, id.rawValue)
        let clock = NodeClock(
            start: random.between(Time.second...1_000 * Time.second),
            fastness: drawFastness(id, &random),
            wallOffset: drawWallOffset(&random)
        )
        let isOld = options.mixesCodecs && random.chance(permille: 500)
        nodes.append(
            SimNode(
                id: id,
                disk: Self.newDisk(id, membership: membership, salt: random.next()),
                clock: clock,
                codec: isOld ? .v1 : .v2,
                membership: membership,
                seed: options.seed
            )
        )
        noteWallOffset(clock.wallOffset)
    }

    static func newDisk(_ id: NodeID, membership: Membership, salt: UInt64) -> SimDisk {
        guard let incarnation = Incarnation(rawValue: salt | 1) else {
            preconditionFailure("an odd number is not 0")
        }
        let machine = SessionMachine(seed: hashSeed)
        let mark = SnapshotMark(position: .origin, membership: membership)
        return SimDisk(
            incarnation: incarnation,
            first: SnapshotFile(mark: mark, bytes: machine.encodedSnapshot())
        )
    }

    func drawFastness(_ id: NodeID, _ random: inout Stream) -> Int64 {
        let bound = options.clocks.fastnessMax
        if let slowest = options.clocks.slowest { return id == slowest ? -bound : bound }
        // The very bounds are worth more than what lies between.
        switch random.below(4) {
        case 0: return bound
        case 1: return -bound
        default: return Int64(random.below(UInt64(2 * bound + 1))) - bound
        }
    }

    func drawWallOffset(_ random: inout Stream) -> Int64 {
        let bound = options.clocks.wallOffsetMax
        return Int64(random.below(2 * bound + 1)) - Int64(bound)
    }

    func noteWallOffset(_ offset: Int64) { wallSpread = max(wallSpread, offset.magnitude) }

    // MARK: Starting

    func start(_ node: SimNode) {
        guard node.life == .down else { return }
        let isTrusted = options.sabotage == .ignoresDamage
        let found = node.disk.recover(isTrusted: isTrusted) ?? salvage(node)
        guard var recovered = found, let machine = machine(of: recovered.snapshot) else { return }
        if options.sabotage == .losesVote { recovered.hardState.vote = nil }
        node.disk.open()
        node.isDamaged = false
        node.wasCorrupt = false
        node.epoch += 1
        node.starts += 1
        node.life = .up
        counts[.starts] += 1
        node.judged = .zero
        if node.starts > 1, options.clocks.rebootsClock {
            node.clock.reboot(at: now, to: node.schedulingRandom.below(1_000 * Time.second))
        }
        let raft = RaftNode(
            configuration: configuration(of: node),
            hardState: recovered.hardState,
            snapshot: recovered.snapshot.mark,
            base: recovered.base,
            entries: recovered.entries,
            startedAt: node.clock.instant(at: now)
        )
        let replica = Replica(
            group: Self.group,
            raft: raft,
            machine: corrupted(machine, of: node),
            tuning: options.tuning
        )
        let process = Process(
            replica: replica,
            known: knownPeers(of: node),
            versions: PeerVersions(own: node.codec)
        )
        node.process = process
        node.membership = raft.membership
        note(
            "\(node.number) starts in term \(raft.term.rawValue), snapshot "
                + "\(raft.snapshot.position.text), log from \(recovered.base.text), "
                + "\(recovered.entries.count) entries, now to \(raft.log.last.text)"
        )
        let broken = node.isImpostor ? nil : node.shadow.brokenStart(raft)
        if let broken, !isTrusted { return fail("\(node.number) starts, but \(broken)") }
        if let broken = raft.brokenInvariant() { fail("\(node.number) starts, but \(broken)") }
        scheduleTick(node, process)
    }

    /// The members with which the node was told that the group began.
    func founders(of node: SimNode) -> Membership {
        guard node.number <= options.nodes else { return .none }
        return Membership(voters: (1...UInt64(options.nodes)).map { NodeID($0) })
    }

    /// What can be made of a damaged disk; nil where the node must stay away.
    private func salvage(_ node: SimNode) -> SimDisk.Recovered? {
        guard node.isDamaged else {
            fail("\(node.number) finds a disk damaged that nobody has damaged")
            return nil
        }
        counts[.damageNoticed] += 1
        let origin = SnapshotFile(
            mark: SnapshotMark(position: .origin, membership: founders(of: node)),
            bytes: SessionMachine(seed: Self.hashSeed).encodedSnapshot()
        )
        guard node.disk.salvage(origin: origin), let recovered = node.disk.recover() else {
            node.life = .lost
            note("\(node.number) finds its disk damaged and stays away")
            return nil
        }
        counts[.salvages] += 1
        note("\(node.number) finds its disk damaged and is mute")
        node.shadow.salvaged(base: recovered.base.index, recovered.entries)
        return recovered
    }

    private func machine(of file: SnapshotFile) -> SessionMachine? {
        do {
            return try SessionMachine(snapshot: file.bytes)
        } catch {
            return nil
        }
    }

    private func configuration(of node: SimNode) -> RaftConfiguration {
        RaftConfiguration(
            id: node.id,
            electionTicks: options.electionTicks,
            heartbeatTicks: options.heartbeatTicks,
            seed: options.seed &* 0x9e37_79b9_7f4a_7c15 &+ node.id.rawValue &* 1_000
                &+ node.starts,
            promise: options.promise,
            reads: options.reads,
            priority: options.preferred == node.id ? .preferred : .normal,
            diskStallTicks: options.diskStallTicks,
            limits: options.limits
        )
    }

    func hello(of node: SimNode) -> Hello {
        Hello(
            cluster: Self.cluster,
            node: node.id,
            groupCount: 1,
            version: node.codec,
            incarnation: node.disk.incarnation
        )
    }

    private func knownPeers(of node: SimNode) -> KnownPeers {
        let own = hello(of: node)
        guard let bytes = node.disk.known else { return KnownPeers(own: own) }
        do {
            return try KnownPeers(encoded: bytes[...], own: own)
        } catch {
            fail("\(node.number) cannot read whom it knows: \(error)")
            return KnownPeers(own: own)
        }
    }

    // MARK: Dying

    /// The process ends at once. `isRestarted` after `delay`, or whenever somebody else does it.
    func crash(_ node: SimNode, restartAfter delay: UInt64?) {
        guard node.life == .up, let process = node.process else { return }
        counts[.crashes] += 1
        note("\(node.number) crashes")
        settleWrites(node, process)
        node.process = nil
        node.life = .down
        node.epoch += 1
        node.pausedUntil = 0
        node.isWaiting = false
        breakConnections(of: node, process)
        if let delay { queue.schedule(.start(node.number, epoch: node.epoch), at: now + delay) }
    }

    /// What was on its way to the disk when the process died.
    private func settleWrites(_ node: SimNode, _ process: Process) {
        if let batch = process.writing {
            let isLost = options.sabotage == .answersBeforeSync
            switch isLost ? 0 : node.diskRandom.below(3) {
            case 0:
                counts[.lostBatches] += 1
            case 1:
                // Cut short: its checksum tells, and a transaction that is not whole never was.
                counts[.tornWrites] += 1
                if node.diskRandom.chance(permille: 500) { node.disk.keepVote(batch.hardState) }
            default:
                let marksIt = node.diskRandom.chance(permille: 500)
                stored(batch, on: node, marksIt: marksIt)
            }
        }
        if let file = process.cutting {
            if options.sabotage != .snapshotNotSynced, node.diskRandom.chance(permille: 300) {
                node.disk.store(file)
            } else {
                counts[.snapshotsLost] += 1
            }
        }
    }

    /// Peers and clients learn at once that a process died, where the network lets them.
    private func breakConnections(of node: SimNode, _ process: Process) {
        for other in nodes where other.id != node.id {
            guard let peer = other.process, other.life == .up else { continue }
            if peer.links.count >= node.number, peer.links[node.number - 1].peerEpoch != 0 {
                peer.links[node.number - 1].peerEpoch = 0
                if !peer.links[node.number - 1].isRefused { peer.versions.closed(by: node.id) }
            }
            guard let delay = network.notice(from: node.number, to: other.number) else { continue }
            queue.schedule(
                .input(other.number, epoch: other.epoch, .lostContact(node.id)),
                at: now + delay
            )
        }
        // In the order in which they came.
        for token in process.requests.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
            guard let request = process.requests[token] else { continue }
            sendReply(.broken, to: request)
        }
    }

    // MARK: Pausing

    func pause(_ node: SimNode, for duration: UInt64) {
        guard node.life == .up, !node.isPaused(at: now) else { return }
        counts[.pauses] += 1
        node.pausedUntil = now + duration
        note("\(node.number) stands still")
        queue.schedule(.resume(node.number), at: node.pausedUntil)
    }

    func resume(_ node: SimNode) {
        guard !node.isPaused(at: now), node.isWaiting, let process = node.process else { return }
        node.isWaiting = false
        note("\(node.number) goes on")
        if process.position < process.steps.count {
            if !process.isStalled { runSteps(node, process) }
        } else {
            scheduleTurn(node, process)
        }
    }
}
