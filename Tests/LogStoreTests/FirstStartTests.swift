// The first start, cut short anywhere, is completed by the next one; and which snapshot any start
// takes, or why it must not go on.

import Bytes
import Foundation
import RaftCore
import TestKit
import Testing

@testable import LogStore

@Suite("LogStore's starts")
struct FirstStartTests {
    private let origin = SnapshotMark(position: .origin, membership: testVoters)

    private func mark(_ term: UInt64, _ index: UInt64) -> SnapshotMark {
        SnapshotMark(
            position: LogPosition(term: Term(term), index: LogIndex(index)),
            membership: testVoters
        )
    }

    @Test("a first start cut short after any step is completed by the next")
    func cutShort() throws {
        // What a first start makes, in the order in which it becomes durable.
        let whole = TemporaryDirectory()
        let store = try start(whole).store
        let steps = ["lock", "identity", "snapshots", "durable", "log.db"]
        var completed = 0
        for count in 0...steps.count {
            let directory = TemporaryDirectory()
            try FileManager.default.createDirectory(
                atPath: directory.path,
                withIntermediateDirectories: true
            )
            for name in steps.prefix(count) where name != "snapshots" {
                if name == "log.db" {
                    try Data().write(to: directory.file(name))
                } else {
                    try FileManager.default.copyItem(
                        at: whole.file(name),
                        to: directory.file(name)
                    )
                }
            }
            if count > 2 {
                try FileManager.default.createDirectory(
                    at: directory.file("snapshots"),
                    withIntermediateDirectories: true
                )
            }
            let again = try start(directory)
            #expect(again.found.allSatisfy { $0.snapshot == nil && $0.entries.isEmpty })
            try again.store.close()
            #expect(try found(in: directory).allSatisfy { $0.snapshot == origin })
            completed += 1
        }
        #expect(completed == 6)
        try store.close()
    }

    @Test("a first start cut short between or within the groups' snapshots is completed")
    func cutShortSnapshots() throws {
        var completed = 0
        for done in 0...3 {
            for isWriting in [false, true] where done < 3 || !isWriting {
                let directory = TemporaryDirectory()
                let store = try open(directory)
                #expect(try store.recover().allSatisfy { $0.snapshot == nil })
                for place in 0..<done {
                    try store.snapshots.write(GroupID(UInt16(place)), origin)
                }
                var writer: SnapshotWriter?
                if isWriting {
                    writer = try store.snapshots.writer(of: GroupID(UInt16(done)), at: origin)
                    try writer?.append([1, 2, 3])
                }
                let copy = try TemporaryDirectory(copyOf: directory)
                let again = try start(copy)
                let expected = (0..<3).map { $0 < done ? origin : nil }
                #expect(again.found.map(\.snapshot) == expected)
                try again.store.store([(GroupID(0), batch(term: 1, [noop(1, 1)]))])
                #expect(try found(in: copy).allSatisfy { $0.snapshot == origin })
                #expect(try copy.snapshotNames().count == 3)
                try again.store.close()
                writer = nil
                try store.close()
                completed += 1
            }
        }
        #expect(completed == 7)
    }

    @Test("a journal with rows and a group without a snapshot is damage")
    func missing() throws {
        for group in 0..<3 {
            let directory = TemporaryDirectory()
            let store = try start(directory).store
            try store.store([(GroupID(1), batch(term: 1, [noop(1, 1)]))])
            try store.close()
            let name = try directory.snapshotNames()[group]
            try FileManager.default.removeItem(at: directory.file("snapshots/" + name))
            let id = GroupID(UInt16(group))
            #expect(throws: LogStoreError.damage(.noSnapshot(id, base: .zero))) {
                _ = try found(in: directory)
            }
            // Nor does the lost directory make a new node of it.
            try FileManager.default.removeItem(at: directory.file("snapshots"))
            #expect(throws: LogStoreError.damage(.noSnapshot(GroupID(0), base: .zero))) {
                _ = try found(in: directory)
            }
        }
    }

    @Test("snapshots without journal and sidecar are damage, not a new node")
    func lostJournal() throws {
        let directory = TemporaryDirectory()
        let store = try start(directory).store
        try store.store([(GroupID(1), batch(term: 1, [noop(1, 1)]))])
        try store.close()
        for name in ["log.db", "durable"] {
            try FileManager.default.removeItem(at: directory.file(name))
        }
        #expect(throws: LogStoreError.damage(.missingFile(directory.file("log.db").path))) {
            _ = try open(directory)
        }
        try FileManager.default.removeItem(at: directory.file("identity"))
        #expect(throws: LogStoreError.damage(.missingFile(directory.file("identity").path))) {
            _ = try open(directory)
        }
    }

    /// One group with snapshots at 4 and 8, a log that begins after `base`, and ends at 10.
    private func written(base: UInt64) throws -> TemporaryDirectory {
        let directory = TemporaryDirectory()
        let store = try start(directory, groups: 1).store
        let entries = (1...10).map { noop(1, $0) }
        try store.store([(GroupID(0), batch(term: 1, entries))])
        try store.snapshots.write(GroupID(0), mark(1, 4))
        try store.snapshots.write(GroupID(0), mark(1, 8))
        if base > 0 {
            let position = LogPosition(term: Term(1), index: LogIndex(base))
            try store.store([(GroupID(0), batch(term: 1, base: position, []))])
        }
        try store.close()
        #expect(try directory.snapshotNames().count == 2)
        return directory
    }

    private func spoil(_ directory: TemporaryDirectory, _ index: UInt64) throws -> String {
        let name = SnapshotName(group: GroupID(0), position: mark(1, index).position).text
        let file = directory.file("snapshots/" + name)
        var bytes = try Data(contentsOf: file)
        bytes[60] ^= 1
        try bytes.write(to: file)
        return name
    }

    /// What makes the start impossible; and nil where it is possible.
    private func damage(_ directory: TemporaryDirectory) throws -> Damage? {
        do throws(LogStoreError) {
            let store = try open(directory, groups: 1)
            defer { #expect(throws: Never.self) { try store.close() } }
            _ = try store.recover()
            return nil
        } catch .damage(let damage) {
            return damage
        }
    }

    @Test("an older snapshot serves for an unsound one while the log reaches back to it")
    func olderServes() throws {
        for base in [0, 3, 4] as [UInt64] {
            let directory = try written(base: base)
            let name = try spoil(directory, 8)
            let group = try found(in: directory, groups: 1)[0]
            #expect(group.snapshot == mark(1, 4))
            #expect(group.base.index == LogIndex(base))
            #expect(group.entries.count == Int(10 - base))
            #expect(group.passedOver.map(\.file).allSatisfy { $0.hasSuffix(name) })
            guard case .damage(.snapshot(let file, _)) = group.passedOver.first?.error else {
                Issue.record("it was passed over for damage")
                continue
            }
            #expect(file.hasSuffix(name))
        }
    }

    @Test("a snapshot that was passed over is kept, and does not supersede a sound one")
    func setAside() throws {
        let directory = try written(base: 0)
        let name = try spoil(directory, 8)
        let spoiled = try Data(contentsOf: directory.file("snapshots/" + name))
        var store = try open(directory, groups: 1)
        #expect(try store.recover()[0].snapshot == mark(1, 4))
        try store.snapshots.write(GroupID(0), mark(1, 9))
        let four = SnapshotName(group: GroupID(0), position: mark(1, 4).position).text
        let nine = try spoil(directory, 9)
        #expect(try directory.snapshotNames() == [four, name + ".damaged", nine])
        // The sound one is still there when the next one is spoiled too.
        try store.close()
        store = try open(directory, groups: 1)
        #expect(try store.recover()[0].snapshot == mark(1, 4))
        // Nor does a second one at that entry take the place of the first.
        try store.snapshots.write(GroupID(0), mark(1, 8))
        #expect(try spoil(directory, 8) == name)
        try store.close()
        store = try open(directory, groups: 1)
        let found = try store.recover()[0]
        #expect(found.snapshot == mark(1, 4))
        #expect(found.passedOver.map(\.keptAs).allSatisfy { $0.hasSuffix(".2.damaged") })
        #expect(
            try directory.snapshotNames()
                == [four, name + ".2.damaged", name + ".damaged", nine + ".damaged"]
        )
        let kept = try Data(contentsOf: directory.file("snapshots/" + name + ".damaged"))
        #expect(kept == spoiled)
        try store.close()
    }

    @Test("a snapshot that cannot be read, or loaded, is passed over while an older one serves")
    func unusable() throws {
        for base in [4, 5] as [UInt64] {
            let directory = try written(base: base)
            let name = SnapshotName(group: GroupID(0), position: mark(1, 8).position).text
            // Opens, and every read of it fails.
            let file = directory.file("snapshots/" + name)
            try FileManager.default.removeItem(at: file)
            try FileManager.default.createDirectory(at: file, withIntermediateDirectories: false)
            let store = try open(directory, groups: 1)
            guard base == 4 else {
                let error = #expect(throws: LogStoreError.self) { try store.recover() }
                guard case .io = error else {
                    Issue.record("\(String(describing: error))")
                    continue
                }
                // Under its own name: another start may have more luck.
                #expect(try directory.snapshotNames().contains(name))
                continue
            }
            let found = try store.recover()[0]
            #expect(found.snapshot == mark(1, 4))
            guard case .io = found.passedOver.first?.error else {
                Issue.record("a read failed")
                continue
            }
            #expect(try directory.snapshotNames().contains(name + ".damaged"))
            try store.close()
        }
        let directory = try written(base: 4)
        let store = try open(directory, groups: 1)
        var tries: [UInt64] = []
        let found = try store.recover { (reader) throws(LogStoreError) in
            tries.append(reader.mark.position.index.rawValue)
            if tries.count == 1 { throw reader.unsound(.invalid("no machine")) }
        }
        #expect(tries == [8, 4])
        #expect(found[0].snapshot == mark(1, 4))
        #expect(found[0].passedOver.first?.reason.contains("no machine") == true)
        try store.close()
    }

    @Test("an unsound snapshot that the log rests on is damage")
    func noneServes() throws {
        for base in [5, 8] as [UInt64] {
            let directory = try written(base: base)
            let name = try spoil(directory, 8)
            guard case .snapshot(let file, _) = try damage(directory) else {
                Issue.record("the log begins after the older snapshot")
                return
            }
            #expect(file.hasSuffix(name))
            try FileManager.default.removeItem(at: directory.file("snapshots/" + name))
            #expect(try damage(directory) == .noSnapshot(GroupID(0), base: LogIndex(base)))
        }
        let directory = try written(base: 3)
        _ = try spoil(directory, 4)
        #expect(try damage(directory) == nil, "the newest is sound")
        _ = try spoil(directory, 8)
        guard case .snapshot = try damage(directory) else {
            Issue.record("none is sound")
            return
        }
    }

    @Test("a snapshot that was received and not yet told to the log is found")
    func received() throws {
        let directory = try written(base: 4)
        var store = try open(directory, groups: 1)
        _ = try store.recover()
        try store.snapshots.write(GroupID(0), mark(2, 30))
        let group = try found(in: directory, groups: 1)[0]
        #expect(group.snapshot == mark(2, 30))
        #expect(group.base.index == LogIndex(4))
        #expect(group.entries.count == 6)
        // And then the log is told: it has no such entry, so all of it goes.
        try store.store([(GroupID(0), batch(term: 2, base: mark(2, 30).position, [noop(2, 31)]))])
        try store.close()
        store = try open(directory, groups: 1)
        let last = try store.recover()[0]
        #expect(last.base == mark(2, 30).position)
        #expect(last.entries == [noop(2, 31)])
        try store.close()
    }

    @Test("a base that the log has keeps what follows it; one that it has not drops everything")
    func bases() throws {
        let kept = try written(base: 6)
        #expect(try found(in: kept, groups: 1)[0].entries == (7...10).map { noop(1, $0) })
        let directory = try written(base: 4)
        let store = try start(directory, groups: 1).store
        // The same index as entry 9, of another term.
        try store.snapshots.write(GroupID(0), mark(2, 9))
        try store.store([(GroupID(0), batch(term: 2, base: mark(2, 9).position, []))])
        let group = try found(in: directory, groups: 1)[0]
        #expect(group.base == mark(2, 9).position)
        #expect(group.entries.isEmpty)
        try store.close()
    }
}
