// Random faults against clients who remember what they were told. After each storm the network
// heals, and every acknowledged write must hold, every "nothing was done" must be true, every
// request must have its one answer, and the machines must be equal.

import RaftCore
import Replica
import SessionMachine
import TestKit
import Testing

struct Storm {
    struct Faults {
        var crashes = 0
        var pauses = 0
        var overtaken = 0
        var lost = 0
        var repeated = 0
        var cuts = 0
        var transfers = 0
        var changes = 0

        static func += (left: inout Faults, right: Faults) {
            left.crashes += right.crashes
            left.pauses += right.pauses
            left.overtaken += right.overtaken
            left.lost += right.lost
            left.repeated += right.repeated
            left.cuts += right.cuts
            left.transfers += right.transfers
            left.changes += right.changes
        }
    }

    var group: Group
    var client = StormClient()
    var faults = Faults()
    private let size: Int
    private var random: SeededRandom

    /// Every bound is so small that a storm meets it. Reads go by lease for every other seed.
    init(seed: UInt64, size: Int) {
        var tuning = Tuning(parkingTicks: 15, pendingTicks: 25)
        tuning.snapshotEntries = 12
        tuning.fingerprintEntries = 5
        tuning.appliedPerTurnMax = 4
        group = Group(size: size, seed: seed, tuning: tuning) { configuration in
            configuration.limits.trailingEntries = 3
            configuration.limits.snapshotChunkBytesMax = 400
            configuration.promise = Self.promise
            let isByLease = seed.isMultiple(of: 2)
            configuration.reads = isByLease ? .lease(driftPermille: UInt64(Self.drift)) : .quorum
        }
        group.chunkDamage = 5
        self.size = size
        random = SeededRandom(seed &* 7_919)
        for id in group.ids { setClock(of: id) }
    }

    private static let promise: UInt64 = 2_000_000_000
    /// In permille, both ways.
    private static let drift = 10

    private mutating func setClock(of id: NodeID) {
        let index = group.index(of: id)
        let ahead = random.below(Int(StormClient.skewMax.count))
        group.members[index].ahead = Milliseconds(UInt64(ahead))
        group.members[index].drift = random.below(2 * Self.drift + 1) - Self.drift
    }

    var broken: String? { group.broken ?? client.failure }

    mutating func run(steps: Int) {
        for step in 0..<steps where broken == nil {
            // Now and then some calm, or a storm would elect nobody.
            if step % 50 == 0, random.chance(90) { group.tickAll(count: random.below(30)) }
            act()
            client.hear(&group)
        }
        let leader = calm()
        client.checkEnd(group[leader].machine)
    }

    private mutating func act() {
        let node = group.ids[random.below(group.ids.count)]
        switch random.below(100) {
        case 0..<40: deliver()
        case 40..<50: group.sync(node)
        case 50..<56: group.work(node)
        case 56..<74: ask(at: random.chance(85) ? group.leader ?? node : node)
        case 74..<84: tick(node)
        case 84..<90: disturb()
        case 90: crash(node)
        case 91..<93: group.restart(node)
        case 93: cut(node)
        case 94, 95: group.heal()
        case 96 where random.chance(50): transfer(to: node)
        case 97: pause(random.chance(80) ? group.leader ?? node : node)
        case 98 where random.chance(50): changeMembers()
        default: group.advance(by: .seconds(UInt64(random.below(10))))
        }
    }

    private mutating func deliver() {
        guard !group.network.isEmpty else { return }
        // Mostly in order, as a connection does.
        let place = random.chance(70) ? 0 : random.below(group.network.count)
        group.deliver(at: place)
    }

    private mutating func ask(at node: NodeID) {
        var requests: [Request] = []
        var operations: [StormClient.Operation] = []
        for _ in 0...random.below(4) {
            let (request, operation) = client.next(&random)
            requests.append(request)
            operations.append(operation)
            // The next one of the turn may be about the same session.
            client.prepare(operation)
        }
        guard group.members[group.index(of: node)].isUp else {
            for operation in operations { client.neverSent(operation) }
            return
        }
        let tokens = requests.map { group.answers.ask($0, at: node) }
        for (token, operation) in zip(tokens, operations) {
            client.asked(operation, token, at: group.now)
        }
        group.turn(node) { replica, effects in
            for (request, token) in zip(requests, tokens) {
                replica.submit(request, token, into: &effects)
            }
        }
    }

    private mutating func tick(_ node: NodeID) {
        group.advance(by: Group.tick)
        group.tick(node, count: 1 + random.below(4))
    }

    private mutating func disturb() {
        guard !group.network.isEmpty else { return }
        let place = random.below(group.network.count)
        if random.chance(50) {
            faults.lost += 1
            group.network.remove(at: place)
        } else {
            faults.repeated += 1
            group.network.append(group.network[place])
        }
    }

    private mutating func pause(_ node: NodeID) {
        guard group.isAwake(node) else { return }
        faults.pauses += 1
        let wasLeader = group[node].isLeader
        group.pause(node)
        // Long enough for the others to elect one of them, or too short.
        if random.chance(50) { group.tickAll(count: random.below(80)) }
        guard wasLeader, let leader = group.leader, leader != node else { return }
        faults.overtaken += 1
        // Its clients find the new one; then the old one wakes up to others of them.
        for _ in 0..<3 { ask(at: leader) }
        group.settle()
        client.hear(&group)
        ask(at: node)
    }

    /// Between three voters and one more than there were at first, with a few changes at most.
    private mutating func changeMembers() {
        guard let leader = group.leader else { return }
        let membership = group[leader].raft.membership
        let member = membership.members[random.below(membership.members.count)]
        let change: MembershipChange
        if member.role == .learner {
            change = random.chance(50) ? .promote(member.id) : .remove(member.id)
        } else if membership.voters.count > 3, random.chance(60) {
            change = .remove(member.id)
        } else if membership.members.count <= size, group.members.count < size + 4 {
            let id = group.addOutsider()
            setClock(of: id)
            let replaced = random.chance(50) && member.role == .voter ? member.id : nil
            let promotion: MembershipChange.Promotion =
                random.chance(70) ? .whenCaughtUp(replacing: replaced) : .onRequest
            change = .add(id, contact: [], promotion: promotion)
        } else {
            return
        }
        let before = group.changes.count
        group.turn(leader) { replica, _ in
            replica.changeMembership(change, ChangeToken(rawValue: 1))
        }
        for case .begun in group.changes[before...] { faults.changes += 1 }
    }

    private mutating func crash(_ node: NodeID) {
        guard group.members[group.index(of: node)].isUp else { return }
        faults.crashes += 1
        group.crash(node)
    }

    private mutating func cut(_ node: NodeID) {
        faults.cuts += 1
        let target = random.chance(60) ? group.leader ?? node : node
        if random.chance(30) {
            // One direction only.
            for other in group.followers(of: target) { group.cuts.insert([target, other]) }
        } else {
            group.isolate(target)
        }
    }

    private mutating func transfer(to target: NodeID) {
        guard let leader = group.leader else { return }
        faults.transfers += 1
        group.turn(leader) { replica, _ in replica.transferLeadership(to: target) }
    }

    /// Everything heals, and everybody gets an answer. Returns the leader.
    private mutating func calm() -> NodeID {
        group.heal()
        group.chunkDamage = 0
        for id in group.ids {
            group.restart(id)
            if group.members[group.index(of: id)].pausedAt != nil { group.turn(id) { _, _ in } }
        }
        group.settle()
        group.elect()
        group.tickAll(count: 60)
        let leader = group.elect()
        group.rest()
        client.hear(&group)
        if !group.answers.open.isEmpty {
            group.fail("\(group.answers.open.count) requests are not answered")
        }
        checkRest(leader)
        return leader
    }

    /// All machines of a group at rest are whole and the same.
    mutating func checkRest(_ leader: NodeID) {
        for member in group[leader].raft.membership.members {
            let (replica, first) = (group[member.id], group[leader])
            if replica.applied != first.applied { group.fail("node \(member.id.rawValue) lags") }
            if replica.machine.digest != first.machine.digest { group.fail("digests differ") }
            if let fault = replica.machine.checkInvariants().first { group.fail(fault) }
        }
    }
}

@Suite
struct StormTests {
    @Test(arguments: [3, 5])
    func whatWasAcknowledgedHoldsAfterEveryStorm(size: Int) {
        var tally = StormClient.Tally()
        var faults = Storm.Faults()
        var counts = Group.Counts()
        let seeds = size == 3 ? 60 : 20
        for seed in 1...UInt64(seeds) {
            var storm = Storm(seed: seed, size: size)
            storm.run(steps: 1_500)
            #expect(storm.broken == nil, "seed \(seed), \(size) nodes")
            tally += storm.client.tally
            faults += storm.faults
            counts += storm.group.counts
        }
        // Floors: what a storm must at least have done to be worth its name.
        #expect(tally.sent > 400 * seeds)
        #expect(tally.done > 80 * seeds)
        #expect(tally.readable > 80 * seeds)
        #expect(tally.not > 100 * seeds)
        #expect(tally.unknown > 5 * seeds)
        #expect(tally.validAsMust > 25 * seeds)
        #expect(tally.revokedAsMust > 8 * seeds)
        #expect(tally.expiredAsMust > 6 * seeds)
        #expect(tally.storedAsMust > 70 * seeds)
        #expect(faults.crashes > 5 * seeds)
        #expect(faults.lost > 10 * seeds)
        #expect(faults.repeated > 10 * seeds)
        #expect(faults.cuts > 8 * seeds)
        #expect(faults.transfers > 2 * seeds)
        #expect(faults.pauses > 5 * seeds)
        #expect(faults.overtaken > seeds / 5)
        #expect(faults.changes > seeds)
        #expect(counts.cuts > 10 * seeds)
        #expect(counts.installs > 2 * seeds)
        #expect(counts.damages > seeds)
        #expect(counts.attestations > 5 * seeds)
        #expect(counts.underLease > 20 * seeds)
        #expect(counts.late > seeds / 10)
    }

    @Test
    func theSameSeedIsTheSameStorm() {
        let runs = (0..<2).map { _ in
            var storm = Storm(seed: 77, size: 3)
            storm.run(steps: 500)
            return storm
        }
        #expect(runs[0].client.tally == runs[1].client.tally)
        #expect(runs[0].group.digests == runs[1].group.digests)
        #expect(runs[0].group.answers.order == runs[1].group.answers.order)
    }
}
