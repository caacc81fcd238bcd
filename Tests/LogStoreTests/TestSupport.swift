// What the suites of the log share: directories that are removed again, and random batches.

import Foundation
import LogStore
import RaftCore
import TestKit

/// A directory of its own, gone with the value.
final class TemporaryDirectory {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "holdfast-log-\(UUID().uuidString)"
    }

    deinit {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            // Nothing was made in it.
            return
        }
    }

    func file(_ name: String) -> URL { URL(fileURLWithPath: path + "/" + name) }
}

let testNode = NodeIdentity(cluster: ClusterID(high: 7, low: 9), node: NodeID(2))

func open(_ directory: TemporaryDirectory, groups: Int = 3) throws(LogStoreError) -> LogStore {
    try LogStore.open(directory: directory.path, identity: testNode, groupCount: groups)
}

/// The log of one group as it should be.
struct ModelGroup: Equatable {
    var hardState = HardState()
    var entries: [Entry] = []

    /// A batch that a follower or leader could hand out, taken up by the model at once.
    mutating func batch(_ random: inout SeededRandom, payloadMax: Int) -> PersistBatch {
        if random.below(4) == 0 {
            hardState.term = Term(hardState.term.rawValue + 1)
            hardState.vote = random.below(2) == 0 ? nil : NodeID(UInt64(1 + random.below(3)))
        }
        if entries.isEmpty, hardState.term == .zero { hardState.term = Term(1) }
        // Now and then a new leader replaces the end of the log.
        if random.below(5) == 0, !entries.isEmpty {
            entries.removeLast(random.below(min(entries.count, 8)) + 1)
        }
        var added: [Entry] = []
        for _ in 0..<random.below(6) {
            let index = LogIndex(UInt64(entries.count + 1))
            var content = Entry.Content.noop
            if random.below(8) != 0 {
                let count = random.below(payloadMax)
                content = .command((0..<count).map { _ in UInt8(random.below(20)) }[...])
            }
            let entry = Entry(term: hardState.term, index: index, content: content)
            entries.append(entry)
            added.append(entry)
        }
        return PersistBatch(
            mark: PersistMark(hardStateTerm: hardState.term, last: last),
            hardState: hardState,
            entries: added
        )
    }

    private var last: LogPosition { entries.last?.position ?? .origin }
}
