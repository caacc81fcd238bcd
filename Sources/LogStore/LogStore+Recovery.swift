// What a start finds: the journal from where it begins, checked against the sidecar, and for each
// group the newest snapshot that can be loaded and that the log continues.

import RaftCore
import Sealing

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
            let durable = try sidecar.read()
            var reading = try JournalReading(
                journal,
                durable: durable.row,
                identity: directory.identity,
                keys: keys
            )
            map = JournalMap(groupCount: groupCount, firstRow: reading.start.sequence + 1)
            try reading.readRows(progress: progress) { row in
                map.take(row.parts, bytes: row.bytes)
                keyUse.note(row.key, row: row.sequence)
            }
            last = reading.last
            var groups = try reading.groups()
            let names = try snapshots.names(groupCount: groupCount)
            let hadVotes = votes != nil
            let changed = try keepVotes(of: &groups, durable)
            for place in groups.indices {
                try chooseSnapshot(for: &groups[place], names[place], hadVotes: hadVotes, load)
            }
            hardStates = groups.map(\.hardState)
            mayHaveRubbish = reading.start.sequence > 0
            isRecovered = true
            if keys.current == nil { try journal.note(isSealedThroughout: false) }
            let isBegunAgain = last.sequence == 0 && groups.contains(where: \.hardState.isMute)
            try tellJournal(isBegunAgain ? groups : changed.map { groups[$0] })
            return groups
        } catch {
            throw fail("reading the journal", error)
        }
    }

    /// What was promised may be newer than the row that was to follow it, where the process ended
    /// between the two: it counts, and the groups for which it does are returned. Where it is older
    /// or not there, the file is an old one or lost, and the journal, which is sound, says it all.
    private func keepVotes(
        of groups: inout [RecoveredGroup],
        _ durable: Sidecar.Contents
    ) throws(LogStoreError) -> [Int] {
        var isCurrent = votes != nil
        var changed: [Int] = []
        for (place, record) in (votes?.records ?? []).enumerated() {
            let state = groups[place].hardState
            guard record != VoteRecord(state) else { continue }
            guard record.covers(state) else {
                isCurrent = false
                continue
            }
            groups[place].hardState.term = record.term
            groups[place].hardState.vote = record.vote
            // Of two that do not agree on that one may be old; to ask once more costs little.
            groups[place].hardState.isMute = state.isMute || record.isMute
            changed.append(place)
        }
        guard !isCurrent else { return changed }
        votes?.close()
        votes = nil
        let records = groups.map { VoteRecord($0.hardState) }
        votes = try VoteFile(path: directory.votesPath, records: records, after: durable.votes)
        try directory.sync()
        return changed
    }

    /// A row for what the file of votes alone has said so far: the file may be lost next. And the
    /// first row of a journal that was begun anew after damage, for all groups.
    private func tellJournal(_ groups: [RecoveredGroup]) throws(LogStoreError) {
        guard !groups.isEmpty else { return }
        let parts = groups.map { RowPart(group: $0.group, hardState: $0.hardState, entries: []) }
        try append(parts, "telling the journal of votes")
    }

    private func chooseSnapshot(
        for group: inout RecoveredGroup,
        _ names: [SnapshotName],
        hadVotes: Bool,
        _ load: SnapshotLoader
    ) throws(LogStoreError) {
        let found = try snapshots.firstUsable(of: names, from: group.base.index, load)
        guard let mark = found.mark else {
            // A group that is mute gets one from the others.
            if group.hardState.isMute, group.base == .origin {
                try setAside(found.unusable, of: &group)
                return
            }
            if let newest = found.unusable.first { throw newest.error }
            // Only before the first row may there be none.
            guard last.sequence == 0 else {
                throw .damage(.noSnapshot(group.group, base: group.base.index))
            }
            return
        }
        // A node that takes in a snapshot has a file of votes. One that has lost that and all rows
        // does not know what it has promised.
        guard hadVotes || last.sequence > 0 || mark.position == .origin else {
            throw .damage(.missingRow(sequence: 1))
        }
        group.snapshot = mark
        try setAside(found.unusable, of: &group)
    }

    private func setAside(
        _ unusable: [(name: SnapshotName, error: LogStoreError)],
        of group: inout RecoveredGroup
    ) throws(LogStoreError) {
        for (name, error) in unusable {
            group.passedOver.append(try snapshots.setAside(name, because: error))
        }
    }
}
