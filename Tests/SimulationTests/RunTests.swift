import RaftCore
import Replica
import Testing

@testable import Simulation

/// Seeds that once failed, each with what it found.
private let onceFailed: [UInt64] = [
    13,  // A follower whose outstanding entries were compacted was never asked again.
    45,  // The same, after a cut.
    56,  // A damaged log was written to as if nothing were missing.
    97,  // A learner that was about to be promoted was left out of the healed.
    432,  // More sessions that may be over than the judge looked at.
    558,  // An acknowledgement of an older term left after its entries were cut off.
    661,  // The life of a session counts from a login that was never answered.
]

struct RunTests {
    @Test("Seeds that once failed are sound", arguments: onceFailed)
    func regression(seed: UInt64) {
        let result = simulate(Options(seed: seed))
        #expect(result.failure == nil, "simulate --seed \(seed)")
    }

    @Test("A score of seeds is sound, and much happens in them")
    func score() {
        var counts = Counts()
        for seed in 1_000..<1_020 as Range<UInt64> {
            let result = simulate(Options(seed: seed))
            #expect(result.failure == nil, "simulate --seed \(seed)")
            #expect(result.counts[.operations] >= 300)
            #expect(result.simulated >= 30 * Time.second)
            counts.add(result.counts)
        }
        let floors: [(Counter, UInt64)] = [
            (.leaders, 60), (.crashes, 50), (.stalls, 20), (.cuts, 10), (.tornWrites, 2),
            (.snapshotsCut, 100), (.snapshotsInstalled, 10), (.changesBegun, 10),
            (.jointPhases, 20), (.leaseReads, 500), (.quorumReads, 500), (.unknown, 100),
            (.expiries, 50), (.sessionsExpired, 50), (.answered, 6_000), (.histories, 200),
            (.rotated, 200), (.fieldWrites, 400),
        ]
        for (counter, floor) in floors {
            #expect(counts[counter] >= floor, "\(counter): \(counts[counter])")
        }
        #expect(counts[.undecided] * 100 <= counts[.histories])
    }

    @Test("A seed gives the same trace twice", arguments: [5, 7, 19] as [UInt64])
    func determinism(seed: UInt64) {
        var options = Options(seed: seed)
        options.duration = 8 * Time.second
        options.operations = 50
        var first: [String] = []
        var second: [String] = []
        let one = simulate(options) { first.append($0) }
        let other = simulate(options) { second.append($0) }
        #expect(first.count >= 400)
        #expect(first == second)
        #expect(one.fingerprint == other.fingerprint)
        #expect(one.counts == other.counts)
        #expect(simulate(options).fingerprint == one.fingerprint)
    }

    @Test("Whoever is left out of the healed reaches none of them, or hears none, or cannot store")
    func leftOut() {
        var leftOut: Set<[UInt64]> = []
        for seed in 1...30 as ClosedRange<UInt64> {
            var options = Options(seed: seed)
            options.duration = 4 * Time.second
            options.operations = 20
            let simulator = Simulator(options: options, trace: nil)
            simulator.begin()
            while simulator.phase <= .core, simulator.failure == nil, simulator.takeNextEvent() {
                guard simulator.phase == .core else { continue }
                let core = simulator.phases.core
                for node in simulator.nodes where node.life == .up && !core.contains(node.number) {
                    if node.trouble.hungUntil == .max { continue }
                    leftOut.insert([seed, node.id.rawValue])
                    guard !simulator.network.isApart(node.number, from: core) else { continue }
                    return #expect(Bool(false), "node \(node.number) of seed \(seed)")
                }
            }
        }
        #expect(leftOut.count >= 15)
    }

    @Test("A node that is stopped for good stays down, though it was to be started again")
    func stoppedForGood() {
        var options = Options(seed: 1)
        options.faults = FaultOptions()
        options.aimed.leaderPermille = 0
        options.aimed.plots = nil
        let simulator = Simulator(options: options, trace: nil)
        simulator.begin()
        while simulator.now < Time.second, simulator.takeNextEvent() {}
        let node = simulator.nodes[0]
        simulator.crash(node, restartAfter: Time.second)
        simulator.stopForGood(node)
        while simulator.now < 4 * Time.second, simulator.takeNextEvent() {}
        #expect(simulator.failure == nil)
        #expect(simulator.phase == .safety)
        #expect(node.life == .down)
    }

    @Test("Each class of fault is in some runs and absent from others")
    func swarm() {
        let runs = (0..<400 as Range<UInt64>).map { Options(seed: $0) }
        func isMixed(_ name: String, _ has: (Options) -> Bool) {
            let count = runs.count(where: has)
            #expect(count >= 10, "\(name): \(count) of \(runs.count)")
            #expect(count <= 390, "\(name): \(count) of \(runs.count)")
        }
        isMixed("crash") { $0.faults.crash != nil }
        isMixed("power loss") { $0.faults.powerLoss != nil }
        isMixed("pause") { $0.faults.pause != nil }
        isMixed("cut") { $0.faults.cut != nil }
        isMixed("clog") { $0.faults.clog != nil }
        isMixed("swizzle") { $0.faults.swizzle != nil }
        isMixed("slow disk") { $0.faults.slowDisk != nil }
        isMixed("hung disk") { $0.faults.hungDisk != nil }
        isMixed("full disk") { $0.faults.fullDisk != nil }
        isMixed("damage") { $0.faults.damage != nil }
        isMixed("wipe") { $0.faults.wipe != nil }
        isMixed("membership") { $0.faults.membership != nil }
        isMixed("transfer") { $0.faults.transfer != nil }
        isMixed("clock") { $0.faults.clock != nil }
        isMixed("drop") { $0.network.dropPermille > 0 }
        isMixed("order") { $0.network.isOrdered }
        isMixed("corruption") { $0.network.corruptPermille > 0 }
        isMixed("I/O error") { $0.disk.errorOneIn > 0 }
        isMixed("stall") { $0.stalls.oneIn > 0 }
        isMixed("stall at reads") { $0.stalls.readOneIn > 0 }
        isMixed("lease") { $0.reads != .quorum }
        isMixed("drift beyond the bound") { $0.exceedsDrift }
        isMixed("codecs") { $0.mixesCodecs }
        isMixed("configurations of joiners") { $0.joinersKnowOthers }
        isMixed("snapshots") { $0.tuning.snapshotEntries <= 256 }
        isMixed("priority") { $0.preferred != nil }
        isMixed("stalled disk") { $0.diskStallTicks < .max }
        #expect(Set(runs.map(\.nodes)) == [1, 2, 3, 4, 5, 6, 7])
    }
}

extension Network {
    fileprivate func isApart(_ node: Int, from others: [Int]) -> Bool {
        others.allSatisfy { isCut(from: node, to: $0) }
            || others.allSatisfy { isCut(from: $0, to: node) }
    }
}
