// Every call that a node makes to its disk fails once, and then for good: the first one, the second
// one, and so on until a run needs fewer calls. After each the node has ended with its exit code or
// gone on, and nothing that it acknowledged is missing. Short by default: every few calls only;
// HOLDFAST_TORTURE=1 takes each.

import Foundation
import HoldfastServer
import Testing

@Suite("A node whose disk fails", .serialized)
struct DiskFaultTests {
    private struct Tally {
        var cases = 0
        var ended = 0
        var acknowledged = 0
    }

    @Test("the Nth call fails, once or for ever, before or after it was done: nothing is lost")
    func everyCall() async throws {
        for plan in DiskTrial.plans {
            let phase = plan.phase
            var tally = Tally()
            let name = "disk errors, phase \(phase)"
            let last = try await DiskTrial.forEachCall(of: name, step: plan.step) { at in
                try await tryAll(at: at, phase, &tally)
            }
            print(
                """
                \(name): \(tally.cases) cases, calls 1 to \(last), \
                \(tally.ended) ended the node, \(tally.acknowledged) writes acknowledged, none lost
                """
            )
            #expect(tally.cases >= plan.casesMin)
        }
    }

    @Test("a snapshot whose bytes the disk does not take is given up, and the node goes on")
    func snapshot() async throws {
        for at in 1...3 {
            let fault = DiskFault(kind: .lost, at: at, call: "sync_file_range")
            let trial = try DiskTrial(fault, .checkpoint)
            defer { trial.remove() }
            try await trial.run()
            #expect(try trial.struck().map(\.call) == ["sync_file_range"])
            #expect(try trial.words.contains("snapshot could not be stored"))
            try trial.crash()
            try await trial.check()
        }
    }

    @Test("a disk that hangs: others lead, the node says so, and stops in the end")
    func hang() async throws {
        let settings = ["timing: {disk-stall: 500ms, disk-stop: 4s}"]
        try await TestCluster.with(settings: settings) { cluster in
            let victim = "n2"
            let armed = cluster.directory + "/armed"
            try cluster.crash(victim)
            let fault = DiskFault(kind: .hang, at: 1, milliseconds: 60_000)
            try cluster.start(
                victim,
                environment: fault.environment(
                    directory: cluster.data(victim),
                    armed: armed,
                    report: cluster.directory + "/report"
                )
            )
            try await cluster.waitUntilReady()
            // The groups whose home it is come back to it.
            var key = ""
            try await cluster.wait {
                for number in 0..<12 {
                    key = "hang-\(number)"
                    if try await cluster.leader(of: key) == victim { return true }
                }
                return false
            }
            #expect(FileManager.default.createFile(atPath: armed, contents: nil))
            let client = try RawClient(port: cluster.port(of: victim))
            client.send(command: ["SET", key, "1"])
            try await cluster.wait(for: "the disk hangs", from: victim)
            let status = await ClusterStatus.ask(cluster.configuration)
            #expect(status.nodes.first { $0.name == victim }?.disk == .stalled)
            try await cluster.wait { try await cluster.leader(of: key) != victim }
            var code: Int32?
            try await cluster.wait {
                code = try cluster.ended(victim)
                return code != nil
            }
            #expect(code == 74)
            #expect(try cluster.words(victim).contains("timing.disk-stop"))
        }
    }

    /// False where a run has fewer calls.
    private func tryAll(
        at: Int,
        _ phase: DiskTrial.Phase,
        _ tally: inout Tally
    ) async throws -> Bool {
        let always = [
            DiskFault(kind: .error, at: at), DiskFault(kind: .error, at: at, isForever: true),
        ]
        let inTurns = [
            DiskFault(kind: .late, at: at), DiskFault(kind: .lost, at: at),
            DiskFault(kind: .error, at: at, errno: ENOSPC),
        ]
        let all = always + inTurns
        // All of them at each call would take hours.
        let chosen =
            DiskTrial.isLong
            ? always + [inTurns[at % inTurns.count]] : [all[at / 7 % all.count]]
        for fault in chosen {
            let trial = try DiskTrial(fault, phase)
            defer { trial.remove() }
            try await trial.run()
            let struck = try trial.struck()
            if let code = trial.code, code != 0 || phase != .stop {
                let words = try trial.words
                #expect(!struck.isEmpty, "it ended by itself with \(code): \(words)")
                #expect(code == 74, "\(fault), \(struck): \(words)")
                tally.ended += 1
            } else {
                let mayGoOn = struck.allSatisfy { !$0.isFatal }
                #expect(mayGoOn, "\(fault), \(struck): the node goes on")
            }
            try trial.crash()
            try await trial.check()
            if struck.isEmpty { return false }
            tally.cases += 1
            tally.acknowledged += trial.acknowledged
        }
        return true
    }
}
