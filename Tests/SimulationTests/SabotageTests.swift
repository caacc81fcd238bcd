import RaftCore
import Replica
import Testing

@testable import Simulation

/// A bug planted below the replica is found by some seed: the judges bite.
struct SabotageTests {
    private func find(
        _ sabotage: Sabotage,
        seeds: ClosedRange<UInt64> = 1...60,
        _ change: (inout Options) -> Void
    ) -> String? {
        for seed in seeds {
            var options = Options(seed: seed)
            options.nodes = 3
            options.mixesCodecs = false
            options.sabotage = sabotage
            options.duration = 15 * Time.second
            options.operations = 100
            change(&options)
            if let failure = simulate(options).failure { return failure }
        }
        return nil
    }

    private let often = Fault(
        interval: 300 * Time.millisecond...2 * Time.second,
        length: 50 * Time.millisecond...Time.second
    )

    @Test("An answer before the sync is found")
    func early() {
        let failure = find(.answersBeforeSync) { $0.faults.crash = often }
        #expect(failure?.contains("durable") == true || failure?.contains("majority") == true)
    }

    @Test("A vote that is forgotten is found")
    func vote() {
        let failure = find(.losesVote) {
            $0.faults.crash = often
        }
        #expect(failure?.contains("vote") == true, "\(failure ?? "nothing")")
    }

    @Test("A snapshot that is not synced when the log is cut is found")
    func snapshot() {
        let failure = find(.snapshotNotSynced) {
            $0.tuning.snapshotEntries = 8
            $0.limits.trailingEntries = 0
            $0.disk.snapshot = 20 * Time.millisecond...400 * Time.millisecond
            $0.faults.crash = often
        }
        #expect(failure?.contains("nobody has damaged") == true, "\(failure ?? "nothing")")
    }

    @Test("Leases on clocks that drift beyond the bound are found, and within it they are sound")
    func lease() {
        func change(_ options: inout Options) {
            options.reads = .lease(driftPermille: 1)
            options.promise = options.electionTimeout
            options.faults.cut = Fault(
                interval: 500 * Time.millisecond...2 * Time.second,
                length: Time.second...2 * Time.second
            )
            // Who is slow seldom campaigns first.
            options.preferred = NodeID(1)
            options.clocks.slowest = NodeID(1)
            options.clocks.changesSpeed = false
            options.faults.transfer = nil
            options.clients.keys = 2
            options.clients.count = 6
            options.clients.timeout = 100 * Time.millisecond...300 * Time.millisecond
            options.clients.think = 10 * Time.millisecond...80 * Time.millisecond
            options.clients.strayPermille = 500
        }
        let beyond = find(.claimsBeyondDrift) {
            change(&$0)
            $0.exceedsDrift = true
            $0.clocks.fastnessMax = 400_000
        }
        #expect(beyond != nil)
        let within = find(.claimsBeyondDrift, seeds: 1...10) {
            change(&$0)
            $0.exceedsDrift = false
            $0.clocks.fastnessMax = 1_000
        }
        #expect(within == nil)
    }

    @Test("A read without a quorum or a lease is found")
    func read() {
        let failure = find(.readsAtOnce) { $0.exceedsDrift = false }
        #expect(failure != nil)
    }

    @Test("A wiped disk under its old id is found")
    func wiped() {
        let failure = find(.admitsWipedDisk) {
            $0.faults.wipe = often
            $0.faults.crash = often
            $0.faults.cut = often
        }
        #expect(failure != nil)
    }

    @Test("A damaged disk that is taken for a sound one is found")
    func damage() {
        let failure = find(.ignoresDamage) {
            $0.faults.damage = often
            $0.tuning.snapshotEntries = .max
            $0.tuning.snapshotBytes = .max
        }
        #expect(failure != nil)
    }

    @Test("A node that answers nobody whom it was not told of is found where it joins")
    func stranger() {
        let failure = find(.answersNoStranger) {
            $0.joinersKnowOthers = false
            $0.faults.membership = often
        }
        #expect(failure?.contains("not converged") == true, "\(failure ?? "nothing")")
    }
}
