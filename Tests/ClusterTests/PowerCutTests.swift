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
            let last = try await DiskTrial.forEachCall(step: plan.step) { at in
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
                power cuts, phase \(phase): \(cuts) cuts, calls 1 to \(last), \
                \(acknowledged) writes acknowledged, none lost
                """
            )
            #expect(cuts >= plan.casesMin)
            #expect(phase != .checkpoint || struck.contains("/log.db"), "\(struck)")
        }
    }
}
