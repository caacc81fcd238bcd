// The log store against a model: what was stored is what is found, whenever the node stops, and
// whatever the cleaner was doing.

import Foundation
import RaftCore
import TestKit
import Testing

@testable import LogStore

@Suite("LogStore")
struct LogStoreTests {
    @Test(
        "random batches, cleaned at random and cut short anywhere, are found as the model has them",
        arguments: 1...12
    )
    func model(seed: UInt64) throws {
        let directory = TemporaryDirectory()
        var random = SeededRandom(seed)
        var model = [ModelGroup](repeating: ModelGroup(), count: 3)
        var counts = ModelGroup.Counts()
        var crashed = 0
        var reopened = 0
        var total = LogStore.Statistics()
        var store = try start(directory).store
        let rule = smallRule(&random)
        store.cleaning = rule
        for _ in 0..<400 {
            try step(store, &model, &random, &counts)
            for _ in 0..<random.below(4) { _ = try store.clean() }
            if random.chance(12) {
                #expect(try found(in: directory).map(ModelGroup.init) == model)
                crashed += 1
            }
            if random.chance(3) {
                total.add(store.statistics)
                try store.close()
                let again = try start(directory)
                store = again.store
                store.cleaning = rule
                #expect(again.found.map(ModelGroup.init) == model)
                reopened += 1
            }
        }
        total.add(store.statistics)
        try store.close()
        #expect(crashed >= 20)
        #expect(reopened >= 3)
        #expect(counts.batches >= 400)
        #expect(counts.truncated >= 60)
        #expect(counts.compacted >= 25)
        #expect(counts.received >= 4)
        #expect(counts.memberships >= 60)
        #expect(total.cleanings >= 5, "\(total)")
        #expect(total.carriedGroups >= 3, "\(total)")
        #expect(total.removedRows >= 100, "\(total)")
    }

    /// Cleans early and in small steps.
    private func smallRule(_ random: inout SeededRandom) -> CleaningRule {
        CleaningRule(
            obsoleteBytesMin: 2_000 + random.below(20_000),
            readBytesMax: 100 + random.below(8_000),
            removedRowsMax: 1 + random.below(30),
            removedBytesMax: 500 + random.below(20_000)
        )
    }

    /// A store of some of the groups; the last group is mostly idle.
    private func step(
        _ store: LogStore,
        _ model: inout [ModelGroup],
        _ random: inout SeededRandom,
        _ counts: inout ModelGroup.Counts
    ) throws {
        var batches: [(group: GroupID, batch: PersistBatch)] = []
        for place in model.indices where random.chance(place == 2 ? 4 : 60) {
            let group = GroupID(UInt16(place))
            let next = model[place].batch(&random, payloadMax: 800, &counts)
            if let mark = next.snapshot { try store.snapshots.write(group, mark) }
            batches.append((group, next.batch))
        }
        if !batches.isEmpty { try store.store(batches) }
    }

    @Test("a batch above the row target is split, and found whole")
    func large() throws {
        let directory = TemporaryDirectory()
        let store = try start(directory, groups: 1).store
        var random = SeededRandom(1)
        let entries = (1...12).map { index in
            let payload = (0..<1_000_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            return Entry(
                term: Term(1),
                index: LogIndex(UInt64(index)),
                content: .command(payload[...])
            )
        }
        try store.store([(GroupID(0), batch(term: 1, entries))])
        #expect(store.statistics.rows >= 3)
        #expect(store.statistics.commits == 1)
        #expect(try found(in: directory, groups: 1)[0].entries == entries)
        try store.close()
    }

    @Test("an entry over the limit is refused and the store goes on")
    func tooLarge() throws {
        let directory = TemporaryDirectory()
        let store = try start(directory, groups: 1).store
        let payload = [UInt8](repeating: 0, count: Limits.entryBytesMax + 1)
        let entry = Entry(term: Term(1), index: LogIndex(1), content: .command(payload[...]))
        #expect(throws: LogStoreError.entryTooLarge(GroupID(0), LogIndex(1), bytes: payload.count))
        {
            try store.store([(GroupID(0), batch(term: 1, [entry]))])
        }
        try store.store([(GroupID(0), batch(term: 1, [noop(1, 1)]))])
        #expect(try found(in: directory, groups: 1)[0].entries == [noop(1, 1)])
        try store.close()
    }

    @Test("after an error every call fails, and the error stays")
    func poisoned() throws {
        let directory = TemporaryDirectory()
        let store = try start(directory, groups: 1).store
        try store.store([(GroupID(0), batch(term: 1, [noop(1, 1)]))])
        try store.journal.failFromNowOn()
        var first: LogStoreError?
        do {
            try store.store([(GroupID(0), batch(term: 1, [noop(1, 2)]))])
        } catch {
            first = error
        }
        guard let first, case .io = first else {
            Issue.record("a refused write must be an error: \(String(describing: first))")
            return
        }
        #expect(throws: first) { try store.checkpoint() }
        #expect(throws: first) { _ = try store.clean() }
        #expect(throws: first) {
            try store.store([(GroupID(0), batch(term: 1, [noop(1, 2)]))])
        }
    }

    @Test("a failure in any step of the cleaner ends the store, and loses nothing")
    func failingCleaner() throws {
        var failed = 0
        for steps in 0..<12 {
            let directory = TemporaryDirectory()
            let store = try start(directory, groups: 2).store
            store.cleaning = CleaningRule(
                obsoleteBytesMin: 1_000,
                readBytesMax: 300,
                removedRowsMax: 2,
                removedBytesMax: 999
            )
            try store.store([(GroupID(1), batch(term: 1, [noop(1, 1), noop(1, 2)]))])
            for index in 1...10 {
                let entries = [command(1, 1, bytes: 300 + index)]
                try store.store([(GroupID(0), batch(term: 1, entries))])
            }
            for _ in 0..<steps { _ = try store.clean() }
            let before = try found(in: directory, groups: 2).map(ModelGroup.init)
            try store.journal.failFromNowOn()
            do {
                while try store.clean() == .unfinished {}
            } catch {
                failed += 1
                #expect(throws: error) { try store.store([]) }
            }
            #expect(try found(in: directory, groups: 2).map(ModelGroup.init) == before)
        }
        #expect(failed >= 5)
    }
}

extension LogStore.Statistics {
    fileprivate mutating func add(_ other: LogStore.Statistics) {
        cleanings += other.cleanings
        carriedGroups += other.carriedGroups
        carriedBytes += other.carriedBytes
        removedRows += other.removedRows
    }
}
