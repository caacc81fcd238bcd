// Who breaks things. Each class of fault has a rhythm of its own and strikes at random; what it
// does ends by itself. Disks are lost only as long as a majority of every membership in force
// somewhere still has its own: beyond that no consensus promises anything.

import PeerWire
import RaftCore
import Replica

enum FaultKind: Int, CaseIterable {
    case crash, powerLoss, pause, cut, clog, swizzle, slowDisk, hungDisk, fullDisk
    case damage, wipe, membership, transfer, clock, scarceDisk
}

struct FaultState {
    var random: Stream
    /// Links that are cut, by the serial of the fault that cut them.
    var cuts: [(serial: UInt64, from: Int, to: Int)] = []
    var serial: UInt64 = 0

    init(seed: UInt64) { random = Stream(seed: seed, .faults) }
}

extension Simulator {
    private func fault(_ kind: FaultKind) -> Fault? {
        let faults = options.faults
        switch kind {
        case .crash: return faults.crash
        case .powerLoss: return faults.powerLoss
        case .pause: return faults.pause
        case .cut: return faults.cut
        case .clog: return faults.clog
        case .swizzle: return faults.swizzle
        case .slowDisk: return faults.slowDisk
        case .hungDisk: return faults.hungDisk
        case .fullDisk: return faults.fullDisk
        case .damage: return faults.damage
        case .wipe: return faults.wipe
        case .membership: return faults.membership
        case .transfer: return faults.transfer
        case .clock: return faults.clock
        case .scarceDisk: return faults.scarceDisk
        }
    }

    func scheduleFaults() {
        for kind in FaultKind.allCases { scheduleFault(kind) }
        queue.schedule(.administer, at: Time.second)
    }

    private func scheduleFault(_ kind: FaultKind) {
        guard let fault = fault(kind) else { return }
        let wait = faults.random.between(fault.interval)
        queue.schedule(.fault(kind), at: now + wait)
    }

    func strike(_ kind: FaultKind) {
        guard phase == .safety, let fault = fault(kind) else { return }
        scheduleFault(kind)
        let length = faults.random.magnitude(fault.length)
        switch kind {
        case .crash: strikeNode { crash($0, restartAfter: length) }
        case .pause: strikeNode { pause($0, for: length) }
        case .powerLoss:
            counts[.powerLosses] += 1
            for node in nodes {
                crash(node, restartAfter: length + faults.random.below(Time.second))
            }
        case .cut: cut(for: length)
        case .clog: clog(for: length)
        case .swizzle: swizzle(for: length)
        case .slowDisk: strikeNode { $0.trouble.slowUntil = now + length }
        case .hungDisk: strikeNode { $0.trouble.hungUntil = now + length }
        case .fullDisk: strikeNode { $0.trouble.fullUntil = now + length }
        case .damage: strikeNode { damage($0, restartAfter: length) }
        case .wipe: strikeNode { wipe($0) }
        case .membership: wantChange()
        case .transfer: transfer()
        case .clock: strikeNode { disturbClock($0) }
        case .scarceDisk: strikeNode { fill($0, until: now + length) }
        }
    }

    /// One of the nodes that run; the leader more often than its share.
    private func strikeNode(_ action: (SimNode) -> Void) {
        let running = nodes.filter { $0.life == .up }
        guard !running.isEmpty else { return }
        let leader = running.first { $0.process?.replica.isLeader == true }
        if let leader, faults.random.chance(permille: 350) { return action(leader) }
        action(faults.random.pick(running))
    }

    // MARK: Network

    private func cut(for length: UInt64) {
        let shape = faults.random.pick(CutShape.allCases)
        note("the network is cut: \(shape)")
        cut(shape.links(among: cutOrder(), &faults.random), for: length)
    }

    /// All nodes in a random order; who leads is the first one, which it all turns on, more often
    /// than by chance.
    private func cutOrder() -> [Int] {
        var order = Array(1...nodes.count)
        faults.random.shuffle(&order)
        let leader = nodes.last { $0.process?.replica.isLeader == true }
        if let leader, faults.random.chance(permille: 400) {
            order.removeAll { $0 == leader.number }
            order.insert(leader.number, at: 0)
        }
        return order
    }

    func cut(_ links: [(from: Int, to: Int)], for length: UInt64) {
        counts[.cuts] += 1
        faults.serial += 1
        for (from, to) in links {
            network.cut(from: from, to: to)
            faults.cuts.append((faults.serial, from, to))
        }
        queue.schedule(.heal(serial: faults.serial), at: now + length)
    }

    func heal(_ serial: UInt64) {
        guard phase == .safety else { return }
        let healed = faults.cuts.filter { $0.serial == serial }
        faults.cuts.removeAll { $0.serial == serial }
        for cut in healed
        where !faults.cuts.contains(where: { $0.from == cut.from && $0.to == cut.to }) {
            network.heal(from: cut.from, to: cut.to)
        }
        note("a cut is healed")
    }

    /// Some links hold back what goes through them.
    private func clog(for length: UInt64) {
        counts[.clogs] += 1
        for from in 1...nodes.count {
            for to in 1...nodes.count where from != to && faults.random.chance(permille: 300) {
                network.clog(from: from, to: to, until: now + length)
            }
        }
        note("links are clogged")
    }

    /// All links of some nodes are clogged one after the other, and freed in another order.
    private func swizzle(for length: UInt64) {
        counts[.clogs] += 1
        for number in 1...nodes.count where faults.random.chance(permille: 500) {
            let end = now + length / 2 + faults.random.below(length + 1)
            for other in 1...nodes.count where other != number {
                network.clog(from: number, to: other, until: end)
                network.clog(from: other, to: number, until: end)
            }
        }
        note("links are swizzled")
    }

    // MARK: Disks

    /// Whether the node's disk may be lost without the group losing what it has promised.
    func mayLose(_ node: SimNode) -> Bool {
        let intact = nodes.filter { $0.isIntact && $0.id != node.id }.map(\.number)
        return currentMemberships().allSatisfy { hasMajority(intact, of: $0) }
    }

    /// Something on the disk is not as it was written; the node is started again soon, and notices.
    private func damage(_ node: SimNode, restartAfter delay: UInt64) {
        guard !node.isDamaged, !node.isImpostor, mayLose(node) else { return }
        node.isDamaged = true
        switch faults.random.below(5) {
        case 4:
            // Nobody can do that while a process has the files open.
            crash(node, restartAfter: delay)
            node.isDamaged = node.disk.putBack()
            guard node.isDamaged else { return }
            counts[.oldImages] += 1
        case 0 where node.disk.misdirect(&faults.random): counts[.misdirectedWrites] += 1
        case 1 where node.disk.loseTail(&faults.random): counts[.misdirectedWrites] += 1
        default:
            node.disk.flipBit(&faults.random)
            counts[.flippedBits] += 1
        }
        note("the disk of \(node.number) is damaged")
        if faults.random.chance(permille: 700) { crash(node, restartAfter: delay) }
    }

    /// There is little room left, or none: then what is to be stored waits until there is.
    private func fill(_ node: SimNode, until end: UInt64) {
        node.trouble.lowUntil = end
        note("\(node.number) has little room")
        guard faults.random.chance(permille: 400) else { return }
        node.trouble.exhaustedUntil = end
        node.trouble.hungUntil = max(node.trouble.hungUntil, end)
    }

    /// The disk is replaced by an empty one. Sometimes the node is started with it all the same,
    /// under its old id, and is refused by all who ever met it. Not so one that has founded its
    /// group alone: it would need nobody, and begin another group.
    private func wipe(_ node: SimNode) {
        guard !node.isImpostor, mayLose(node) else { return }
        counts[.wipedDisks] += 1
        note("the disk of \(node.number) is lost")
        crash(node, restartAfter: nil)
        let old = node.disk.incarnation
        let isKnown = nodes.allSatisfy { other in
            other.id == node.id || other.life != .up || other.met[node.id] == old
        }
        node.life = .lost
        guard isKnown, founders(of: node).voters != [node.id],
            faults.random.chance(permille: 500), nodes.allSatisfy({ $0.life != .down })
        else { return }
        node.disk = Self.newDisk(
            node.id,
            membership: founders(of: node),
            salt: faults.random.next()
        )
        startAgain(node)
    }

    // MARK: Clocks

    private func disturbClock(_ node: SimNode) {
        guard faults.random.chance(permille: 600) || !options.clocks.changesSpeed else {
            counts[.clockChanges] += 1
            node.clock.setFastness(drawFastness(node.id, &faults.random), at: now)
            note("the clock of \(node.number) runs at another speed")
            return
        }
        counts[.clockJumps] += 1
        let jump = Int64(faults.random.magnitude(Time.millisecond...options.clocks.jumpMax))
        node.clock.wallOffset = faults.random.chance(permille: 500) ? jump : -jump
        noteWallOffset(node.clock.wallOffset)
        note("the wall clock of \(node.number) jumps")
    }

    // MARK: Leadership

    private func transfer() {
        let leaders = nodes.filter { $0.process?.replica.isLeader == true }
        guard let leader = leaders.last else { return }
        let members = leader.membership.members.filter { $0.id != leader.id }
        guard !members.isEmpty else { return }
        let target = faults.random.pick(members).id
        counts[.transfers] += 1
        note("\(leader.number) is to hand over to \(target.rawValue)")
        deliver(.transfer(target), to: leader.number, leader.epoch)
    }

    /// The safety phase is over.
    func endFaults() {
        faults.cuts.removeAll()
        network.healAll()
    }
}
