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
        let durable = try sidecar.read()
        let start = try readStart(durable)
        var recovery = Recovery(groupCount: groupCount, start: start)
        map = JournalMap(groupCount: groupCount, firstRow: start.sequence + 1)
        var count = 0
        do {
            try journal.forEachRow(after: start) { found, row, total in
                guard let found else {
                    throw LogStoreError.damage(.missingRow(sequence: recovery.last.sequence + 1))
                }
                map.take(try recovery.take(row, sequence: found), bytes: row.count)
                guard found != durable.sequence || recovery.last.chain == durable.chain else {
                    throw LogStoreError.damage(.otherHistory(sequence: found))
                }
                count += 1
                if count.isMultiple(of: Limits.progressRows) { progress?(count, total) }
            }
        } catch {
            throw fail("reading the journal", error)
        }
        last = recovery.last
        guard last.sequence >= durable.sequence else {
            let lost = Damage.shorterThanDurable(last: last.sequence, durable: durable.sequence)
            throw fail("reading the journal", LogStoreError.damage(lost))
        }
        do {
            var groups = try recovery.finish()
            let names = try snapshots.names(groupCount: groupCount)
            for place in groups.indices {
                try chooseSnapshot(for: &groups[place], names[place], load)
            }
            hardStates = groups.map(\.hardState)
            mayHaveRubbish = start.sequence > 0
            isRecovered = true
            return groups
        } catch {
            throw fail("reading the journal", error)
        }
    }

    /// Where the journal begins. Before that moved, the sidecar was synced: it cannot be older.
    private func readStart(_ durable: ChainMark) throws(LogStoreError) -> ChainMark {
        let start: ChainMark?
        do {
            start = try journal.start()
        } catch {
            throw fail("reading where the journal begins", error)
        }
        guard let start, start.sequence > 0 || start == origin else {
            throw fail("reading where the journal begins", LogStoreError.damage(.start))
        }
        guard durable.sequence >= start.sequence else {
            let lost = Damage.sidecarBehind(durable: durable.sequence, start: start.sequence)
            throw fail("reading where the journal begins", LogStoreError.damage(lost))
        }
        guard durable.sequence > start.sequence || durable == start else {
            let other = Damage.otherHistory(sequence: start.sequence)
            throw fail("reading where the journal begins", LogStoreError.damage(other))
        }
        return start
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
