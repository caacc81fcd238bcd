package import RaftCore

/// What of one group survives a crash of its node: the newest snapshot and the batches that were
/// stored.
package struct MemoryDisk: Sendable {
    package var hardState = HardState()
    package var snapshot: SnapshotMark
    /// Where `entries` begin.
    package var base = LogPosition.origin
    package var entries: [Entry] = []

    /// The disk of a node that starts for the first time, in a group of these voters.
    package init(voters: [NodeID]) {
        self.init(membership: Membership(voters: voters))
    }

    package init(membership: Membership) {
        snapshot = SnapshotMark(position: .origin, membership: membership)
    }

    package mutating func store(_ batch: PersistBatch) {
        hardState = batch.hardState
        if let base = batch.base { begin(after: base) }
        if let first = batch.entries.first {
            entries.removeAll { $0.index >= first.index }
            entries.append(contentsOf: batch.entries)
        }
    }

    /// The log has that very entry, and loses what precedes it; or it has not, and loses all.
    private mutating func begin(after base: LogPosition) {
        let isHere = base == self.base || entries.contains { $0.position == base }
        entries.removeAll { !isHere || $0.index <= base.index }
        self.base = base
    }

    package mutating func store(_ mark: SnapshotMark) {
        if mark.position.index > snapshot.position.index { snapshot = mark }
    }

    /// A node that starts with what is here.
    package func restart(
        _ configuration: RaftConfiguration,
        at now: Instant = .zero
    ) -> RaftNode {
        RaftNode(
            configuration: configuration,
            hardState: hardState,
            snapshot: snapshot,
            base: base,
            entries: entries,
            startedAt: now
        )
    }
}
