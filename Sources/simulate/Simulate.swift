// Runs seeds of the simulator and prints what came of them. See `--help`.

import ArgumentParser
import Glibc
import Simulation

@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a whole cluster in one thread, decided by a seed.",
        discussion: """
            Exit codes: 0 all seeds are sound; 1 a seed failed: what broke and how to run it again \
            is printed; 64 the arguments are wrong; 70 the code under test trapped.
            """
    )

    @Option(help: "Runs this seed.")
    var seed: UInt64?

    @Option(help: "Runs these seeds, as FIRST..LAST.")
    var seeds: String?

    @Option(help: "Writes the trace of the seed to this file, one line an event.")
    var trace: String?

    @Flag(help: "Prints the counts as one JSON object.")
    var json = false

    @Flag(help: "Prints a line for each seed, with its fingerprint.")
    var verbose = false

    @Flag(help: "Goes on after a seed that failed.")
    var keepGoing = false

    func validate() throws {
        guard (seed == nil) != (seeds == nil) else {
            throw ValidationError("Give one of --seed and --seeds.")
        }
        if trace != nil, seed == nil { throw ValidationError("A trace is of one --seed.") }
        if let seeds, Self.range(seeds) == nil {
            throw ValidationError("\(seeds) is not FIRST..LAST.")
        }
    }

    private static func range(_ text: String) -> ClosedRange<UInt64>? {
        let ends = text.split(separator: ".", omittingEmptySubsequences: true)
        guard ends.count == 2, let first = UInt64(ends[0]), let last = UInt64(ends[1]),
            first <= last
        else { return nil }
        return first...last
    }

    func run() throws {
        Trap.install()
        let range = seed.map { $0...$0 } ?? seeds.flatMap(Self.range)
        guard let range else { throw ExitCode.validationFailure }
        var report = Report(json: json, verbose: verbose, total: range.count)
        for seed in range {
            Trap.seed = seed
            let result = try run(seed)
            report.add(result)
            if result.failure != nil, !keepGoing { break }
        }
        report.finish()
        if report.failed > 0 { throw ExitCode(1) }
    }

    private func run(_ seed: UInt64) throws -> RunResult {
        guard let trace else { return simulate(Options(seed: seed)) }
        guard let file = fopen(trace, "w") else {
            throw ValidationError("\(trace) cannot be written.")
        }
        // By line: a trap must not take the end of the trace with it.
        setvbuf(file, nil, _IOLBF, 0)
        let result = simulate(Options(seed: seed)) { line in
            _ = fputs(line, file)
            _ = fputc(10, file)
        }
        guard fclose(file) == 0 else { throw ValidationError("\(trace) cannot be written.") }
        return result
    }
}
