// The power is cut before any call that a node makes to its disk: what was not synced is lost,
// whole or in parts, and names that were not made durable are as they were. The node starts again,
// with everything that it acknowledged. Short by default: every few calls only; HOLDFAST_TORTURE=1
// takes each, with several seeds.

import Foundation
import Testing

@Suite("A node whose power is cut", .serialized)
struct PowerCutTests {
    @Test("before the Nth call to the disk, at a start, at work, at a stop: nothing is lost")
    func everyCall() async throws {
        for plan in DiskTrial.plans {
            let phase = plan.phase
            var cuts = 0
            var acknowledged = 0
            var struck: Set<String> = []
            let name = "power cuts, phase \(phase)"
            let last = try await DiskTrial.forEachCall(of: name, step: plan.step) { at in
                for seed in 1...plan.seeds {
                    let mixed = UInt64(at * 8 + seed)
                    let trial = try DiskTrial(DiskFault(kind: .cut, at: at, seed: mixed), phase)
                    defer { trial.remove() }
                    try await trial.run()
                    let calls = try trial.struck()
                    let isStruck = !calls.isEmpty
                    struck.formUnion(calls.map(\.path))
                    let words = try trial.words
                    let unstruckCode: Int32? = phase == .stop ? 0 : nil
                    #expect(trial.code == (isStruck ? DiskFault.cutCode : unstruckCode), "\(words)")
                    try trial.crash()
                    try await trial.check()
                    guard isStruck else { return false }
                    cuts += 1
                    acknowledged += trial.acknowledged
                }
                return true
            }
            print(
                """
                \(name): \(cuts) cuts, calls 1 to \(last), \
                \(acknowledged) writes acknowledged, none lost
                """
            )
            #expect(cuts >= plan.casesMin)
            #expect(phase != .checkpoint || struck.contains("/log.db"), "\(struck)")
        }
    }

    @Test("of all nodes of a cluster at once, under load: nothing that was acknowledged is lost")
    func allNodes() async throws {
        let settings = ["snapshot: {entries: 60, trailing: 5}"]
        try await TestCluster.withClient(settings: settings) { cluster, client in
            let load = Load(client: client)
            var cuts = 0
            let rounds = DiskTrial.isLong ? 60 : 4
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<6 { group.addTask { await load.run(worker: worker) } }
                defer { load.stop() }
                for round in 1...rounds { cuts += try await cutAll(cluster, load, round) }
            }
            let ledger = try await load.check()
            print(
                """
                power cuts of all nodes: \(rounds) times, \(cuts) cuts; acknowledged: \
                \(ledger.created) logins, \(ledger.revocations) logouts, none lost
                """
            )
            #expect(ledger.broken.prefix(5) == [])
            #expect(ledger.created >= 100 * rounds)
            #expect(ledger.revocations >= 20 * rounds)
            #expect(cuts >= 3 * rounds / 2)
        }
    }

    /// How many of the nodes were in the midst of their work. One that had nothing to write is
    /// killed.
    private func cutAll(_ cluster: TestCluster, _ load: Load, _ round: Int) async throws -> Int {
        let armed = cluster.directory + "/armed-\(round)"
        for name in cluster.names { try cluster.crash(name) }
        for (place, name) in cluster.names.enumerated() {
            // The others die with the first call or the twelfth after it: within milliseconds.
            let at = 1 + (round * 5 + place * 7) % 12
            let fault = DiskFault(kind: .cut, at: at, seed: UInt64(round * 8 + place))
            let environment = fault.environment(
                directory: cluster.data(name),
                armed: armed,
                report: cluster.directory + "/report"
            )
            try cluster.start(name, environment: environment)
        }
        try await cluster.waitUntilReady()
        let before = load.snapshot.created
        try await cluster.wait(seconds: 60) { load.snapshot.created >= before + 100 }
        #expect(FileManager.default.createFile(atPath: armed, contents: nil))
        var codes: [Int32] = []
        for name in cluster.names {
            for _ in 0..<100 {
                if let code = try cluster.ended(name) {
                    codes.append(code)
                    break
                }
                try await Task.sleep(for: .milliseconds(20))
            }
            try cluster.crash(name)
        }
        #expect(codes.allSatisfy { $0 == DiskFault.cutCode }, "\(codes)")
        for name in cluster.names { try cluster.start(name) }
        try await cluster.waitUntilReady()
        return codes.count
    }
}
