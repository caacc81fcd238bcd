// What is printed: progress, failures as they happen, and the counts at the end.

import Glibc
import Simulation

struct Report {
    private let json: Bool
    private let verbose: Bool
    private let total: Int
    private var counts = Counts()
    private var simulated: UInt64 = 0
    private(set) var failed = 0
    private var done = 0
    private let start = Report.seconds()
    private var lastProgress = Report.seconds()

    init(json: Bool, verbose: Bool, total: Int) {
        self.json = json
        self.verbose = verbose
        self.total = total
    }

    private static func seconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }

    private static func complain(_ text: String) {
        let line = Array((text + "\n").utf8)
        _ = write(2, line, line.count)
    }

    mutating func add(_ result: RunResult) {
        done += 1
        counts.add(result.counts)
        simulated += result.simulated
        if verbose {
            print(
                "seed \(result.seed): \(result.nodes) nodes, "
                    + "\(result.counts[.operations]) operations, "
                    + "\(result.simulated / 1_000_000) ms, fingerprint \(result.fingerprint)"
            )
        }
        if let failure = result.failure {
            failed += 1
            Self.complain("seed \(result.seed) failed: \(failure)")
            Self.complain("  again: simulate --seed \(result.seed) --trace trace.txt")
        }
        let now = Self.seconds()
        if now >= lastProgress + 2 {
            lastProgress = now
            Self.complain("\(done) of \(total) seeds, \(failed) failed, \(now - start) s")
        }
    }

    func finish() {
        let seconds = simulated / 1_000_000_000
        if json {
            print(
                "{\"seeds\":\(done),\"failed\":\(failed),\"simulatedSeconds\":\(seconds),"
                    + "\(counts.json)}"
            )
        } else {
            print("\(done) seeds, \(failed) failed, \(seconds) simulated s: \(counts.line)")
        }
    }
}
