// The cleaner: the journal stays bounded though a group is idle, a cleaning that is cut short
// anywhere changes nothing, and what was lost at the front is noticed.

import Bytes
import Foundation
import GRDB
import RaftCore
import TestKit
import Testing

@testable import LogStore

@Suite("LogStore's cleaner")
struct CleaningTests {
    private let rule = CleaningRule(
        obsoleteBytesMin: 20_000,
        readBytesMax: 4_000,
        removedRowsMax: 10,
        removedBytesMax: 4_000
    )

    /// Adds `count` entries of about 200 bytes to group 0, one a store, and compacts its log to the
    /// last 20 now and then.
    private func run(
        _ store: LogStore,
        _ log: inout ClosedRange<UInt64>,
        count: Int,
        afterEach: () throws -> Void = {}
    ) throws {
        for _ in 0..<count {
            let next = log.upperBound + 1
            var base: LogPosition?
            if next.isMultiple(of: 50) {
                base = LogPosition(term: Term(1), index: LogIndex(next - 20))
                let position = LogPosition(term: Term(1), index: LogIndex(next - 1))
                let mark = SnapshotMark(position: position, membership: testVoters)
                try store.snapshots.write(GroupID(0), mark)
                log = (next - 20)...next
            } else {
                log = log.lowerBound...next
            }
            let added = batch(term: 1, base: base, [command(1, next, bytes: 200)])
            try store.store([(GroupID(0), added)])
            try afterEach()
        }
    }

    @Test("the journal stays bounded through a long run, with two idle groups")
    func bounded() throws {
        let directory = TemporaryDirectory()
        let store = try start(directory).store
        store.cleaning = rule
        let idle = (1...40).map { command(1, $0, bytes: 150) }
        try store.store([(GroupID(1), batch(term: 1, idle)), (GroupID(2), batch(term: 3, []))])
        let idleBytes = store.journalBytes.live
        var log: ClosedRange<UInt64> = 0...0
        var worst = 0
        var written = 0
        for _ in 0..<40 {
            try run(store, &log, count: 100) {
                while try store.clean() == .unfinished {}
                worst = max(worst, store.journalBytes.total)
            }
            written = store.statistics.bytes
            let file = try directory.file("log.db").resourceValues(forKeys: [.fileSizeKey])
            #expect(try #require(file.fileSize) < 400_000)
        }
        // Twice what is live, at most 70 entries of 300 bytes and the idle groups, and the floor.
        #expect(worst <= 20_000 + 2 * (70 * 350 + idleBytes), "at worst \(worst) bytes")
        #expect(written > 20 * worst, "\(written) bytes in all")
        #expect(store.statistics.cleanings >= 20)
        #expect(store.statistics.carriedGroups >= 20)
        #expect(store.statistics.carriedBytes * 2 < written, "carrying costs less than storing")
        let groups = try found(in: directory)
        #expect(groups[0].entries.last?.index == LogIndex(log.upperBound))
        #expect(groups[0].base.index == LogIndex(log.lowerBound))
        #expect(groups[1].entries == idle)
        #expect(groups[2].hardState == HardState(term: Term(3)))
        try store.close()
    }

    @Test("whoever cleans when it is urgent keeps pace with the stores")
    func pace() throws {
        let directory = TemporaryDirectory()
        let store = try start(directory, groups: 1).store
        store.cleaning = rule
        var log: ClosedRange<UInt64> = 0...0
        var worst = 0
        var steps = 0
        try run(store, &log, count: 3_000) {
            worst = max(worst, store.journalBytes.total)
            guard store.isCleaningUrgent else { return }
            _ = try store.clean()
            steps += 1
        }
        #expect(worst <= 60_000, "at worst \(worst) bytes")
        #expect(store.statistics.bytes > 10 * worst, "\(store.statistics.bytes) bytes in all")
        #expect((600...1_200).contains(steps), "\(steps) steps for 3,000 rows, of at most 10")
        try store.close()
    }

    @Test("a group that moves on while it is read is carried as it is then")
    func movingGroup() throws {
        let directory = TemporaryDirectory()
        let store = try start(directory, groups: 2).store
        store.cleaning = rule
        store.cleaning.readBytesMax = 400
        let slow = GroupID(1)
        var model: [Entry] = []
        for index in 1...30 as ClosedRange<UInt64> {
            model.append(command(1, index, bytes: 100))
            try store.store([(slow, batch(term: 1, [model[model.count - 1]]))])
        }
        var log: ClosedRange<UInt64> = 0...0
        while store.plan == nil {
            try run(store, &log, count: 50)
            _ = try store.clean()
        }
        #expect(store.plan?.groups == [slow])
        var replaced = 0
        var added = 0
        for round in 0..<200 where store.plan?.groups == [slow] {
            let read = store.plan?.read.count ?? 0
            if round == 3 {
                // A new leader replaces the end of the log, and some of what was read.
                #expect(read > 5)
                model = model.prefix(5) + [command(2, 6, bytes: 100), noop(2, 7)]
                try store.store([(slow, batch(term: 2, [model[5], model[6]]))])
                replaced += 1
                #expect(store.plan?.read.count == 5)
            } else if round < 6 {
                let term = model[model.count - 1].term.rawValue
                model.append(command(term, UInt64(model.count + 1), bytes: 100))
                try store.store([(slow, batch(term: term, [model[model.count - 1]]))])
                added += 1
            }
            _ = try store.clean()
        }
        #expect(replaced == 1)
        #expect(added >= 3)
        while try store.clean() == .unfinished {}
        #expect(store.statistics.carriedGroups == 1)
        #expect(store.statistics.cleanings >= 1)
        #expect(try found(in: directory, groups: 2)[1].entries == model)
        try store.close()
    }

    @Test("a start finds the same after every single step of a cleaning")
    func everyStep() throws {
        let directory = TemporaryDirectory()
        let store = try start(directory).store
        store.cleaning = rule
        let idle = (1...30).map { command(1, $0, bytes: 150) }
        try store.store([(GroupID(1), batch(term: 1, idle)), (GroupID(2), batch(term: 3, []))])
        var log: ClosedRange<UInt64> = 0...0
        try run(store, &log, count: 200)
        let before = try found(in: directory).map(ModelGroup.init)
        var steps = 0
        while try store.clean() == .unfinished {
            steps += 1
            #expect(try found(in: directory).map(ModelGroup.init) == before)
        }
        #expect(steps >= 8, "\(steps) steps")
        #expect(store.statistics.cleanings == 1)
        #expect(store.statistics.removedRows >= 40)
        // What is left of the rows before the beginning is removed after a start, too.
        try store.close()
        let again = try start(directory).store
        #expect(try again.clean() == .unfinished)
        #expect(try again.clean() == .done)
        try again.close()
    }

    // MARK: Damage

    /// A directory whose journal has been cleaned and has rows behind; and where it begins.
    private func cleaned(removingRubbish: Bool = true) throws -> (TemporaryDirectory, UInt64) {
        let directory = TemporaryDirectory()
        let store = try start(directory).store
        store.cleaning = rule
        try store.store([(GroupID(1), batch(term: 1, [noop(1, 1)]))])
        var log: ClosedRange<UInt64> = 0...0
        try run(store, &log, count: 150)
        while store.statistics.cleanings == 0 { _ = try store.clean() }
        if removingRubbish { while try store.clean() == .unfinished {} }
        let first = store.map.firstRow
        #expect(first > 20)
        try store.close()
        return (directory, first)
    }

    private func edit(_ directory: TemporaryDirectory, _ sql: String) throws {
        let queue = try DatabaseQueue(path: directory.file("log.db").path)
        let changes = try queue.write { database in
            try database.execute(sql: sql)
            return database.changesCount
        }
        #expect(changes == 1)
        try queue.close()
    }

    private func damage(_ directory: TemporaryDirectory) throws -> Damage? {
        let store = try open(directory)
        defer { #expect(throws: Never.self) { try store.close() } }
        do {
            _ = try store.recover()
            return nil
        } catch {
            guard case .damage(let damage) = error else { throw error }
            return damage
        }
    }

    @Test("a lost row at the front of a cleaned journal is damage")
    func lostFront() throws {
        let (directory, first) = try cleaned()
        #expect(try damage(TemporaryDirectory(copyOf: directory)) == nil)
        try edit(directory, "DELETE FROM journal WHERE sequence = \(first)")
        #expect(try damage(directory) == .missingRow(sequence: first))
    }

    @Test("a journal that begins elsewhere than it should is damage")
    func movedFront() throws {
        let (directory, first) = try cleaned(removingRubbish: false)
        var noticed: [Damage?] = []
        for change in [
            "UPDATE start SET sequence = sequence + 1",
            // The rows before are still there.
            "UPDATE start SET sequence = sequence - 1",
            "UPDATE start SET high = high + 1",
            "UPDATE start SET low = low - 1",
            "DELETE FROM start",
            "UPDATE start SET sequence = 0",
            "UPDATE start SET sequence = -4",
        ] {
            let copy = try TemporaryDirectory(copyOf: directory)
            try edit(copy, change)
            noticed.append(try damage(copy))
        }
        #expect(
            noticed == [
                .brokenChain(sequence: first + 1), .brokenChain(sequence: first - 1),
                .brokenChain(sequence: first), .brokenChain(sequence: first), .start, .start,
                .start,
            ]
        )
    }

    @Test("a sidecar from before the beginning of the journal is damage")
    func oldSidecar() throws {
        let (directory, first) = try cleaned()
        for sequence in [0, first - 2] {
            var writer = ByteWriter()
            for word in [sequence, 0, 0, 0] { writer.write(word) }
            writer.write(CRC32C.checksum(writer.bytes))
            try Data(writer.bytes).write(to: directory.file("durable"))
            #expect(
                try damage(TemporaryDirectory(copyOf: directory))
                    == .sidecarBehind(durable: sequence, start: first - 1)
            )
        }
    }
}
