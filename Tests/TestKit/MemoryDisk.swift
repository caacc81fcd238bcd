package import RaftCore

/// What of one group survives a crash of its node: the batches that were stored.
package struct MemoryDisk: Sendable {
    package var hardState = HardState()
    package var entries: [Entry] = []

    package init() {}

    package mutating func store(_ batch: PersistBatch) {
        hardState = batch.hardState
        if let first = batch.entries.first {
            entries.removeAll { $0.index >= first.index }
            entries.append(contentsOf: batch.entries)
        }
    }
}
