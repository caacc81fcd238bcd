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
        var lost = 0
        var repeated = 0
        var cuts = 0
        var transfers = 0

        static func += (left: inout Faults, right: Faults) {
            left.crashes += right.crashes
            left.lost += right.lost
            left.repeated += right.repeated
            left.cuts += right.cuts
            left.transfers += right.transfers
        }
    }

    var group: Group
    var client = StormClient()
    var faults = Faults()
    private var random: SeededRandom

    init(seed: UInt64, size: Int) {
        group = Group(
            size: size,
            seed: seed,
            tuning: Tuning(parkingTicks: 15, pendingTicks: 25)
        )
        random = SeededRandom(seed &* 7_919)
        for index in group.members.indices {
            let ahead = random.below(Int(StormClient.skewMax.count))
            group.members[index].ahead = Milliseconds(UInt64(ahead))
        }
    }

    var broken: String? { group.broken ?? client.failure }

    mutating func run(steps: Int) {
        for step in 0..<steps where broken == nil {
            // Now and then some calm, or a storm would elect nobody.
            if step % 50 == 0, random.chance(90) { group.tickAll(count: random.below(30)) }
            act()
            client.hear(&group)
        }
        calm()
        client.checkEnd(group.members[0].replica.machine)
    }

    private mutating func act() {
        let node = group.ids[random.below(group.ids.count)]
        switch random.below(100) {
        case 0..<40: deliver()
        case 40..<56: group.sync(node)
        case 56..<74: ask(at: random.chance(85) ? group.leader ?? node : node)
        case 74..<84: tick(node)
        case 84..<90: disturb()
        case 90: crash(node)
        case 91..<93: group.restart(node)
        case 93: cut(node)
        case 94, 95: group.heal()
        case 96 where random.chance(50): transfer(to: node)
        default: group.advance(by: .seconds(UInt64(random.below(20))))
        }
    }

    private mutating func deliver() {
        guard !group.network.isEmpty else { return }
        // Mostly in order, as a connection does.
        group.deliver(at: random.chance(70) ? 0 : random.below(group.network.count))
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

    /// Everything heals, and everybody gets an answer.
    private mutating func calm() {
        group.heal()
        for id in group.ids { group.restart(id) }
        group.settle()
        group.elect()
        group.tickAll(count: 60)
        group.tickAll(count: 3, standing: true)
        client.hear(&group)
        if !group.answers.open.isEmpty {
            group.fail("\(group.answers.open.count) requests are not answered")
        }
        checkRest()
    }

    /// All machines of a group at rest are whole and the same.
    mutating func checkRest() {
        for id in group.ids {
            let (replica, first) = (group[id], group[group.ids[0]])
            if replica.applied != first.applied { group.fail("node \(id.rawValue) lags") }
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
        let seeds = size == 3 ? 60 : 20
        for seed in 1...UInt64(seeds) {
            var storm = Storm(seed: seed, size: size)
            storm.run(steps: 1_500)
            #expect(storm.broken == nil, "seed \(seed), \(size) nodes")
            tally += storm.client.tally
            faults += storm.faults
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
