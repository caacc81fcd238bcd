// What a start finds: the journal from where it begins, checked against the sidecar, and for each
// group the newest snapshot that can be loaded and that the log continues.

import RaftCore

extension LogStore {
    /// Reads everything back: one group for each number, in order. Called once, before `store`.
    /// `progress` is told the rows read and their number, now and then. `load` gets a snapshot of
    /// each group, and an older one where it throws; the last one of a group that it took is the
    /// group's.
    package func recover(
        progress: ((_ rows: Int, _ of: Int) -> Void)? = nil,
        load: SnapshotLoader
    ) throws(LogStoreError) -> [RecoveredGroup] {
        try check()
        precondition(!isRecovered)
        do {
            var reading = try JournalReading(
                journal,
                durable: try sidecar.read(),
                origin: origin,
                groupCount: groupCount
            )
            map = JournalMap(groupCount: groupCount, firstRow: reading.start.sequence + 1)
            try reading.readRows(progress: progress) { map.take($0, bytes: $1) }
            last = reading.last
            var groups = try reading.groups()
            let names = try snapshots.names(groupCount: groupCount)
            for place in groups.indices {
                try chooseSnapshot(for: &groups[place], names[place], load)
            }
            hardStates = groups.map(\.hardState)
            mayHaveRubbish = reading.start.sequence > 0
            isRecovered = true
            return groups
        } catch {
            throw fail("reading the journal", error)
        }
    }

    private func chooseSnapshot(
        for group: inout RecoveredGroup,
        _ names: [SnapshotName],
        _ load: SnapshotLoader
    ) throws(LogStoreError) {
        let found = snapshots.firstUsable(of: names, from: group.base.index, load)
        guard let mark = found.mark else {
            if let newest = found.unusable.first { throw newest.error }
            // Only before the first row may there be none.
            guard last.sequence == 0 else {
                throw .damage(.noSnapshot(group.group, base: group.base.index))
            }
            return
        }
        group.snapshot = mark
        for (name, error) in found.unusable {
            group.passedOver.append(try snapshots.setAside(name, because: error))
        }
    }
}
