// The log store against a model: what was stored is what is found, whenever the store is closed or
// dropped.

import Foundation
import RaftCore
import TestKit
import Testing

@testable import LogStore

@Suite("LogStore")
struct LogStoreTests {
    @Test("random batches, reopened at random, are found as the model has them", arguments: 1...6)
    func model(seed: UInt64) throws {
        let directory = TemporaryDirectory()
        var random = SeededRandom(seed)
        var model = [ModelGroup](repeating: ModelGroup(), count: 3)
        var store = try open(directory)
        _ = try store.recover()
        var commits = 0
        var reopened = 0
        for _ in 0..<250 {
            var batches: [(group: GroupID, batch: PersistBatch)] = []
            // Batches that replaced entries must carry the rest of the log behind them.
            for group in model.indices where random.below(2) == 0 {
                let before = model[group].entries.count
                var batch = model[group].batch(&random, payloadMax: 3_000)
                if batch.entries.isEmpty, model[group].entries.count < before {
                    // A shorter log is only ever stored by the entries that replace its end.
                    let noop = Entry(
                        term: model[group].hardState.term,
                        index: LogIndex(UInt64(model[group].entries.count + 1)),
                        content: .noop
                    )
                    model[group].entries.append(noop)
                    batch.entries = [noop]
                }
                batches.append((GroupID(UInt16(group)), batch))
            }
            guard !batches.isEmpty else { continue }
            try store.store(batches)
            commits += 1
            if random.below(25) == 0 {
                try store.close()
                store = try open(directory)
                let found = try store.recover()
                #expect(
                    found.map { ModelGroup(hardState: $0.hardState, entries: $0.entries) } == model
                )
                reopened += 1
            }
        }
        #expect(commits >= 180, "the test stores something")
        #expect(reopened >= 3, "the test reads back")
        try store.close()
    }

    @Test("a batch above the row target is split, and found whole")
    func large() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory, groups: 1)
        _ = try store.recover()
        var random = SeededRandom(1)
        let entries = (1...12).map { index in
            let payload = (0..<1_000_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            return Entry(
                term: Term(1),
                index: LogIndex(UInt64(index)),
                content: .command(payload[...])
            )
        }
        let batch = PersistBatch(
            mark: PersistMark(hardStateTerm: Term(1), last: entries[11].position),
            hardState: HardState(term: Term(1)),
            entries: entries
        )
        try store.store([(GroupID(0), batch)])
        #expect(store.statistics.rows >= 3)
        #expect(store.statistics.commits == 1)
        try store.close()
        let again = try open(directory, groups: 1)
        #expect(try again.recover()[0].entries == entries)
        try again.close()
    }

    @Test("an entry over the limit is refused and the store goes on")
    func tooLarge() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory, groups: 1)
        _ = try store.recover()
        let payload = [UInt8](repeating: 0, count: Limits.entryBytesMax + 1)
        let entry = Entry(term: Term(1), index: LogIndex(1), content: .command(payload[...]))
        let refused = PersistBatch(
            mark: PersistMark(hardStateTerm: Term(1), last: entry.position),
            hardState: HardState(term: Term(1)),
            entries: [entry]
        )
        #expect(throws: LogStoreError.entryTooLarge(GroupID(0), LogIndex(1), bytes: payload.count))
        {
            try store.store([(GroupID(0), refused)])
        }
        var model = ModelGroup()
        var random = SeededRandom(2)
        try store.store([(GroupID(0), model.batch(&random, payloadMax: 10))])
        try store.close()
    }

    @Test("after an error every call fails, and the error stays")
    func poisoned() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory, groups: 1)
        _ = try store.recover()
        var model = ModelGroup()
        var random = SeededRandom(3)
        try store.store([(GroupID(0), model.batch(&random, payloadMax: 10))])
        try store.failFromNowOn()
        var first: LogStoreError?
        do {
            try store.store([(GroupID(0), model.batch(&random, payloadMax: 10))])
        } catch {
            first = error
        }
        guard let first, case .io = first else {
            Issue.record("a refused write must be an error: \(String(describing: first))")
            return
        }
        #expect(throws: first) { try store.checkpoint() }
        #expect(throws: first) {
            try store.store([(GroupID(0), model.batch(&random, payloadMax: 10))])
        }
    }
}
