// Every page and every part of every file of a directory goes bad, or is missing. A start then
// refuses it or finds what was stored, and `holdfast verify`, which must change nothing, says the
// same. Short by default: one bit of each part; HOLDFAST_TORTURE=1 takes many.

import Foundation
import RaftCore
import Sealing
import TestKit
import Testing

@testable import LogStore

@Suite("A directory that goes bad")
struct CorruptionTests {
    private static let isLong = ProcessInfo.processInfo.environment["HOLDFAST_TORTURE"] == "1"
    private static let groups = 3

    /// What became of the cases.
    private struct Tally {
        var cases = 0
        /// The start refuses.
        var refused = 0
        /// The start sets a snapshot aside.
        var passedOver = 0
        /// Bytes that nobody needs.
        var harmless = 0
    }

    /// Directories as a crash and as a close leave them, the same rows in both.
    private func images(_ keys: SealingKeys) throws -> [TemporaryDirectory] {
        let directory = TemporaryDirectory(keys: keys)
        let store = try start(directory, groups: Self.groups).store
        var random = SeededRandom(21)
        var models = Array(repeating: ModelGroup(), count: Self.groups)
        var counts = ModelGroup.Counts()
        for round in 1...120 {
            let place = random.below(Self.groups)
            let group = GroupID(UInt16(place))
            let (batch, mark) = models[place].batch(&random, payloadMax: 900, &counts)
            if let mark { try store.snapshots.write(group, mark) }
            try store.store([(group, batch)])
            if round == 70 { try store.checkpoint() }
        }
        #expect(counts.compacted >= 3)
        let crashed = try TemporaryDirectory(copyOf: directory)
        try store.close()
        return [crashed, directory]
    }

    /// A start's word about a copy of the directory; nil where it refuses.
    private func outcome(of directory: TemporaryDirectory) throws -> [RecoveredGroup]? {
        do {
            return try found(in: directory, groups: Self.groups)
        } catch let error as LogStoreError {
            if case .closed = error { throw error }
            return nil
        }
    }

    private func check(_ directory: TemporaryDirectory) throws -> DirectoryReport? {
        do {
            return try DirectoryCheck.run(
                directory.path,
                keys: directory.keys,
                progress: { _, _, _ in },
                load: { (reader) throws(LogStoreError) in try reader.sections { _ in } }
            )
        } catch LogStoreError.unknownFormat {
            return nil
        }
    }

    /// Judges one case: what the start and the check make of it.
    private func judge(
        _ directory: TemporaryDirectory,
        _ sound: [RecoveredGroup],
        _ what: String,
        _ tally: inout Tally
    ) throws {
        tally.cases += 1
        let before = try directory.contents()
        let report = try check(directory)
        let after = try directory.contents()
        let changed = Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }
        #expect(changed.isEmpty, "\(what): the check has changed \(changed)")
        let isFatal = report?.isReadable != true
        guard let found = try outcome(of: directory) else {
            tally.refused += 1
            #expect(isFatal, "\(what): a start refuses what the check finds sound")
            return
        }
        #expect(!isFatal, "\(what): a start takes what the check refuses: \(findings(report))")
        var hasPassedOver = false
        for (one, other) in zip(found, sound) {
            var own = ModelGroup(one)
            hasPassedOver = hasPassedOver || !one.passedOver.isEmpty
            let model = ModelGroup(other)
            // An older one and the log make the same machine; of one that is gone nobody knows.
            let isOlder = own.snapshot.position.index < model.snapshot.position.index
            if isOlder, own.snapshot.position.index >= own.base.index {
                own.snapshot = model.snapshot
            }
            let isSame = own == model
            #expect(isSame, "\(what): something was lost and nobody noticed")
        }
        if hasPassedOver {
            tally.passedOver += 1
            #expect(report?.findings.isEmpty == false, "\(what): the check sees no damage")
        } else {
            tally.harmless += 1
        }
    }

    private func findings(_ report: DirectoryReport?) -> String {
        report?.findings.map { "\($0.damage)" }.joined(separator: " ") ?? "unknown format"
    }

    /// The parts of a file, each a range of its bytes.
    private func parts(of name: String, bytes: Int) -> [Range<Int>] {
        let size =
            switch name {
            case "log.db", "log.db-wal": 4_096
            case "durable", "identity": 1
            default: 40
            }
        return stride(from: 0, to: bytes, by: size).map { $0..<min($0 + size, bytes) }
    }

    @Test("a flipped bit in any page of the database and any part of a snapshot is no surprise")
    func bits() throws {
        var random = SeededRandom(5)
        var tally = Tally()
        for image in try images(.none) + images(testKeys()) {
            let sound = try found(in: image, groups: Self.groups)
            for (name, data) in try image.contents() where name != "lock" {
                for part in parts(of: name, bytes: data.count) {
                    for _ in 0..<(Self.isLong ? 20 : 1) {
                        let bit = part.lowerBound * 8 + random.below(part.count * 8)
                        var changed = data
                        changed[bit / 8] ^= 1 << UInt8(bit % 8)
                        try changed.write(to: image.file(name))
                        try judge(image, sound, "bit \(bit) of \(name)", &tally)
                    }
                }
                try data.write(to: image.file(name))
            }
        }
        print("flipped bits: \(tally)")
        #expect(tally.cases >= 1_000)
        #expect(tally.refused >= 400)
        #expect(tally.passedOver >= 20)
    }

    @Test("a file that ends early, anywhere, or is not there")
    func truncations() throws {
        var tally = Tally()
        for image in try images(.none) + images(testKeys()) {
            let sound = try found(in: image, groups: Self.groups)
            for (name, data) in try image.contents() where name != "lock" {
                let ends = parts(of: name, bytes: data.count).map(\.lowerBound)
                for end in ends.filter({ Self.isLong || $0 % 3 == 0 }) {
                    try data.prefix(end).write(to: image.file(name))
                    try judge(image, sound, "\(name) of \(end) bytes", &tally)
                }
                try FileManager.default.removeItem(at: image.file(name))
                try judge(image, sound, "no \(name)", &tally)
                try data.write(to: image.file(name))
            }
        }
        print("ends that came early: \(tally)")
        #expect(tally.cases >= 300)
        #expect(tally.refused >= 200)
    }

    @Test("files of an older image of the directory, put back one by one")
    func older() throws {
        let directory = TemporaryDirectory()
        let store = try start(directory, groups: 1).store
        func write(_ numbers: ClosedRange<UInt64>) throws {
            for number in numbers {
                try store.store([(GroupID(0), batch(term: 1, [command(1, number, bytes: 200)]))])
            }
        }
        try write(1...30)
        try store.checkpoint()
        let old = try TemporaryDirectory(copyOf: directory).contents()
        try write(31...60)
        try store.checkpoint()
        try write(61...90)
        let image = try TemporaryDirectory(copyOf: directory)
        try store.close()
        let new = try image.contents()
        for name in ["log.db", "log.db-wal"] {
            try old[name]?.write(to: image.file(name))
            #expect(throws: LogStoreError.self, "an old \(name)") {
                _ = try found(in: image, groups: 1)
            }
            #expect(try check(image)?.isReadable == false)
            try new[name]?.write(to: image.file(name))
        }
        for name in ["log.db", "log.db-wal"] { try old[name]?.write(to: image.file(name)) }
        let short = LogStoreError.damage(.shorterThanDurable(last: 30, durable: 90))
        #expect(throws: short) { _ = try found(in: image, groups: 1) }
        #expect(
            try check(image)?.findings.first?.damage
                == .shorterThanDurable(last: 30, durable: 90)
        )
    }

    @Test("the check says what is there, and refuses a directory that is in use or unknown")
    func report() throws {
        let image = try images(.none)[0]
        let report = try #require(try check(image))
        #expect(report.node == testNode)
        #expect(report.groupCount == Self.groups)
        #expect(report.rows == 120)
        #expect(report.snapshots >= Self.groups)
        #expect(report.snapshotBytes > 0)
        #expect(report.entries == (try found(in: image)).reduce(0) { $0 + $1.entries.count })
        #expect(report.findings.isEmpty)
        let store = try open(image)
        #expect(throws: LogStoreError.inUse(directory: image.path)) { _ = try check(image) }
        try store.close()
        #expect(throws: LogStoreError.self) {
            _ = try check(TemporaryDirectory())
        }
    }
}
