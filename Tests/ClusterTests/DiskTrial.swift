// One node, one client that writes and remembers what was acknowledged, one mishap of the disk, and
// afterwards a start on a disk that is well again: is everything there?

import Foundation
import HoldfastServer
import Testing

struct StruckCall {
    var call: String
    /// Below the node's directory.
    var path: String

    /// A snapshot that cannot be written is made later, a node can do without its ballast, and a
    /// stop whose checkpoint is done may leave the write-ahead log behind. SQLite does not mind
    /// when the directory cannot be synced, which it does by fdatasync; the node's own fsync of it
    /// comes after. The log and what is known to be durable must be.
    var isFatal: Bool {
        let isLeftBehind = call == "unlink" && path == "/log.db-wal"
        let isLookedAtAgain = call == "fdatasync" && path.isEmpty
        let isNeeded = !path.hasPrefix("/snapshots/") && path != "/ballast"
        return isNeeded && !isLeftBehind && !isLookedAtAgain
    }
}

final class DiskTrial {
    /// What a client may find under a key.
    private struct Expectation {
        var acknowledged: Int?
        /// Sent and never answered: it may be there.
        var unknown: [Int] = []
    }

    /// Whether every call is to be tried, and not every few.
    static let isLong = ProcessInfo.processInfo.environment["HOLDFAST_TORTURE"] == "1"

    private let cluster: TestCluster
    private let fault: DiskFault
    private let phase: Phase
    private var keys: [String: Expectation] = [:]
    private var written = 0
    private(set) var acknowledged = 0
    /// The exit code of the node; nil while it runs. 0 where it was to stop and did.
    private(set) var code: Int32?

    /// Writes of one trial: with them the node's log is cut several times.
    private static let writes = 60
    private static let keyCount = 12

    /// When the mishaps begin.
    enum Phase {
        /// With the first start of the node, on no directory at all.
        case start
        /// With the start of a node that was killed at work.
        case restart
        /// When it runs.
        case work
        /// The same, with values so long that the write-ahead log goes into the database meanwhile.
        case checkpoint
        /// When it is told to stop.
        case stop
    }

    /// How a phase is gone through.
    struct Plan {
        var phase: Phase
        /// Every so many calls.
        var step: Int
        /// Seeds of a power cut at each.
        var seeds: Int
        var casesMin: Int

        init(_ phase: Phase, steps: (short: Int, long: Int), casesMin: (short: Int, long: Int)) {
            self.phase = phase
            step = DiskTrial.isLong ? steps.long : steps.short
            seeds = DiskTrial.isLong ? 3 : 1
            self.casesMin = DiskTrial.isLong ? casesMin.long : casesMin.short
        }
    }

    static let plans = [
        Plan(.start, steps: (13, 1), casesMin: (8, 800)),
        Plan(.restart, steps: (13, 1), casesMin: (8, 400)),
        Plan(.work, steps: (29, 1), casesMin: (8, 800)),
        Plan(.checkpoint, steps: (1_999, 97), casesMin: (7, 500)),
        Plan(.stop, steps: (2, 1), casesMin: (4, 25)),
    ]

    init(_ fault: DiskFault, _ phase: Phase) throws {
        self.fault = fault
        self.phase = phase
        let entries = phase == .checkpoint ? 25 : 10
        cluster = try TestCluster(
            nodeCount: 1,
            groupCount: 1,
            settings: [
                "snapshot: {entries: \(entries), trailing: 0}",
                "timing: {tick: 10ms, heartbeat: 20ms, election: 100ms}",
            ]
        )
    }

    func remove() { cluster.remove() }

    private var armed: String { cluster.directory + "/armed" }
    private var report: String { cluster.directory + "/report" }

    /// The calls that were struck, each as its name and path; empty where there are fewer calls
    /// than the fault's number.
    func struck() throws -> [StruckCall] {
        guard FileManager.default.fileExists(atPath: report) else { return [] }
        return try String(contentsOfFile: report, encoding: .utf8).split(separator: "\n").map {
            let words = $0.split(separator: " ", maxSplits: 2)
            let path = words[2].dropFirst(cluster.data("n1").count)
            return StruckCall(call: String(words[1]), path: String(path))
        }
    }

    var words: String { get throws { try cluster.words("n1") } }

    /// Starts the node with the mishap, and writes until it ends or all is written.
    func run() async throws {
        if phase == .restart {
            try cluster.start("n1")
            guard try await isUp() else { return }
            try write(Self.writes / 2)
            try cluster.crash("n1")
        }
        let isArmedLater = phase != .start && phase != .restart
        let environment = fault.environment(
            directory: cluster.data("n1"),
            armed: isArmedLater ? armed : nil,
            report: report
        )
        try cluster.start("n1", environment: environment)
        guard try await isUp() else { return }
        if phase == .stop { try write(Self.writes) }
        if isArmedLater {
            guard FileManager.default.createFile(atPath: armed, contents: nil) else {
                throw ProcessFailure(description: "\(armed) cannot be made")
            }
        }
        if phase == .stop {
            code = try cluster.terminate("n1")
            return
        }
        try write(Self.writes)
        // A node that was struck where it must not go on has its time to end.
        for _ in 0..<500 where code == nil {
            let struck = try struck()
            guard struck.contains(where: { $0.isFatal || fault.kind == .cut }) else { break }
            code = try cluster.ended("n1")
            if code == nil { try await Task.sleep(for: .milliseconds(10)) }
        }
    }

    /// Ends a node that goes on in spite of the mishap, or without one: then it has done its work.
    func crash() throws {
        guard code == nil else { return }
        #expect(acknowledged == Self.writes, "\(fault): the node goes on and does not answer")
        let words = try words
        #expect(try cluster.crash("n1") == -SIGKILL, "\(fault): \(words)")
    }

    /// Tries calls in turn, from the first, until three in a row were not there to be struck.
    /// Answers the number of the last.
    static func forEachCall(
        of name: String,
        step: Int,
        _ isStruck: (Int) async throws -> Bool
    ) async throws -> Int {
        var at = 1
        var missed = 0
        var tried = 0
        while true {
            tried += 1
            if isLong, tried.isMultiple(of: 50) { print("\(name): call \(at)") }
            missed = try await isStruck(at) ? 0 : missed + 1
            if missed == 3 { return at }
            at += step
        }
    }

    /// Starts the node again without mishaps, and looks for everything that was acknowledged.
    func check() async throws {
        try cluster.start("n1")
        guard try await isUp() else {
            let reason = "exit code \(code ?? 0)\n\(try words)"
            Issue.record("does not start again after \(fault): \(reason)")
            return
        }
        let client = try RawClient(port: cluster.port(of: "n1"))
        for (key, expected) in keys {
            client.send(command: ["GET", key])
            let found = client.bulk()?.split(separator: " ").first.flatMap { Int($0) }
            let isRight = found == expected.acknowledged || expected.unknown.contains(found ?? -1)
            #expect(isRight, "\(key) is \(found ?? -1) after \(fault), not \(expected)")
        }
        #expect(try cluster.terminate("n1") == 0)
    }

    /// Waits until a write is taken; false where the node ends before.
    private func isUp() async throws -> Bool {
        let node = cluster.configuration.nodes[0]
        for _ in 0..<1_000 {
            code = try cluster.ended("n1")
            if code != nil { return false }
            if let client = try? RawClient(port: node.standalonePort) {
                client.send(command: ["GET", "ready"])
                if client.line() == "$-1" { return true }
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw ProcessFailure(description: "not up after \(fault)\n\(try words)")
    }

    /// A value with that number.
    private func value(_ number: Int) -> String {
        phase == .checkpoint ? "\(number) " + Self.filling : "\(number) "
    }

    private static let filling = String(repeating: "x", count: 400 * 1024)

    /// Goes on writing until so many are written.
    private func write(_ count: Int) throws {
        // It may have ended meanwhile.
        guard let client = try? RawClient(port: cluster.port(of: "n1")) else { return }
        while written < count {
            written += 1
            let key = "key-\(written % Self.keyCount)"
            client.send(command: ["SET", key, value(written)])
            switch client.line() {
            case "+OK":
                keys[key, default: Expectation()].acknowledged = written
                keys[key]?.unknown = []
                acknowledged += 1
            case nil: return keys[key, default: Expectation()].unknown.append(written)
            case let answer?:
                keys[key, default: Expectation()].unknown.append(written)
                throw ProcessFailure(description: "SET is answered by \(answer)")
            }
        }
    }
}
