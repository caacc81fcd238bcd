// The cleaner of the journal, in the manner of a log-structured file system (Rosenblum and
// Ousterhout 1992). Rows hold parts of all groups, so only a prefix that no group needs can go.
// Once enough of the journal is obsolete, a cut is chosen, and then, step by step between stores:
//
//     carry    a group that needs a row before the cut is written again, whole, at the end: its
//              hard state, base and live entries, in one transaction. So no group can hold the
//              journal up, however long it has been idle
//     move     the beginning of the journal moves to the first row that is needed: its sequence and
//              the chain value before it, in one transaction
//     remove   the rows before it are deleted in slices
//
// A crash between any two leaves a journal that says the same. A plan lives in memory only: after a
// start a new one is made.

import RaftCore
package import Sealing

/// When the journal is cleaned, and how much of it at a time.
struct CleaningRule {
    /// Cleaned when this many bytes are obsolete, and at least as many as are live.
    var obsoleteBytesMin = Limits.cleaningObsoleteBytesMin
    /// Rows read back in one step, or the payload of what is carried.
    var readBytesMax = Limits.cleaningReadBytesMax
    /// Rows deleted in one step.
    var removedRowsMax = Limits.cleaningRemovedRowsMax
    var removedBytesMax = Limits.cleaningRemovedBytesMax
}

/// What is left to do before the beginning of the journal can move.
struct CleaningPlan {
    /// Rows before this one are to go.
    let cut: UInt64
    /// Groups to be carried forward, the next one last.
    var groups: [GroupID]
    /// What has been read of the next group: its entries after the base, without gaps.
    var read: [Entry] = []

    /// A part was stored: what was read of its group follows.
    mutating func follow(_ part: RowPart) {
        guard part.group == groups.last else { return }
        switch part.rebase {
        case .trimmed(let base): read.removeAll { $0.index <= base.index }
        case .anew: read = []
        case nil: break
        }
        if let first = part.entries.first?.index { read.removeAll { $0.index >= first } }
    }
}

extension JournalMap {
    /// Nil while there is too little to gain. The cut is the first one that frees half of what is
    /// obsolete, so that no more groups are carried than need be: at most as many bytes as are
    /// live, which is at most twice what becomes free.
    func plan(_ rule: CleaningRule) -> CleaningPlan? {
        guard obsoleteBytes >= max(rule.obsoleteBytesMin, liveBytes) else { return nil }
        var carried: [GroupID] = []
        var free = 0
        var counted = firstRow
        for (group, row) in groupsByOldestRow() {
            while counted < row {
                free += bytes(ofRow: counted)
                counted += 1
            }
            if free >= obsoleteBytes / 2 {
                return CleaningPlan(cut: row, groups: carried.reversed())
            }
            carried.append(group)
        }
        return CleaningPlan(cut: nextRow, groups: carried.reversed())
    }
}

extension LogStore {
    /// What is left for `clean`.
    package enum Cleaning: Hashable, Sendable {
        case done
        case unfinished
    }

    /// Whether a quarter of what a step can remove was stored since the last one: the cleaner must
    /// be faster than the stores, since steps that carry or move remove nothing.
    package var isCleaningUrgent: Bool {
        let rows = statistics.rows - statisticsAtCleaning.rows
        let bytes = statistics.bytes - statisticsAtCleaning.bytes
        return 4 * rows >= cleaning.removedRowsMax || 4 * bytes >= cleaning.removedBytesMax
    }

    /// Does one bounded step, if there is one to do. To be called between stores, after some; costs
    /// next to nothing where the journal needs no cleaning.
    package func clean() throws(LogStoreError) -> Cleaning {
        try check()
        precondition(isRecovered, "recover comes first")
        defer { statisticsAtCleaning = statistics }
        if mayHaveRubbish {
            try removeRubbish()
            return .unfinished
        }
        if plan == nil { plan = map.plan(cleaning) ?? resealingPlan }
        guard let plan else { return .done }
        if plan.groups.isEmpty {
            try moveStart(plan)
        } else {
            try carry()
        }
        return .unfinished
    }

    /// Where rows are not sealed as they would be now: everything that is live, carried forward.
    /// Nil where there are none.
    private var resealingPlan: CleaningPlan? {
        guard keysInUse.contains(where: { $0 != keys.current }) else { return nil }
        let groups = map.groupsByOldestRow().map(\.group)
        return CleaningPlan(cut: map.nextRow, groups: groups.reversed())
    }

    /// What the rows that count are sealed with. Nil: they are in clear.
    package var keysInUse: Set<KeyID?> { keyUse.keys }

    // MARK: Carry

    /// Reads on, and writes those groups again that were read to their end.
    private func carry() throws(LogStoreError) {
        var parts: [RowPart] = []
        var budget = cleaning.readBytesMax
        while budget > 0, let plan, let group = plan.groups.last {
            guard let oldest = map.oldestRow(of: group), oldest < plan.cut else {
                // It has moved on by itself.
                finishGroup()
                continue
            }
            // A group without entries costs something too.
            budget -= Limits.rowOverheadBytes
            guard try readOn(group, &budget) else { break }
            let part = RowPart(
                group: group,
                hardState: hardStates[Int(group.rawValue)],
                rebase: .anew(map.base(of: group)),
                entries: self.plan?.read ?? []
            )
            finishGroup()
            parts.append(part)
        }
        guard !parts.isEmpty else { return }
        let before = statistics.bytes
        try append(parts, "carrying groups forward")
        statistics.carriedGroups += parts.count
        statistics.carriedBytes += statistics.bytes - before
    }

    private func finishGroup() {
        plan?.groups.removeLast()
        plan?.read = []
    }

    /// Reads the group's live entries back, until the budget is used up: then false.
    private func readOn(_ group: GroupID, _ budget: inout Int) throws(LogStoreError) -> Bool {
        while true {
            let next = (plan?.read.last?.index ?? map.base(of: group).index).next
            guard let span = map.span(of: next, in: group) else { return true }
            guard budget > 0 else { return false }
            let entries = try entries(of: group, in: span, from: next)
            // A row full of other groups costs its reading; a compressed one, its payload.
            let payload = entries.reduce(0) { $0 + $1.payloadBytes }
            budget -= max(map.bytes(ofRow: span.row), payload)
            plan?.read += entries
        }
    }

    private func entries(
        of group: GroupID,
        in span: JournalMap.Span,
        from first: LogIndex
    ) throws(LogStoreError) -> [Entry] {
        var found: [Entry] = []
        for part in try row(span.row).parts where part.group == group {
            if let start = part.entries.first?.index { found.removeAll { $0.index >= start } }
            found += part.entries
        }
        found.removeAll { $0.index < first || $0.index > span.last }
        guard found.first?.index == first, found.last?.index == span.last else {
            throw fail(
                "reading a row",
                LogStoreError.damage(.gap(sequence: span.row, group, first))
            )
        }
        return found.map(\.alone)
    }

    private func row(
        _ sequence: UInt64
    ) throws(LogStoreError) -> (chain: ChainValue, parts: [RowPart]) {
        let blob: [UInt8]?
        do {
            blob = try journal.row(sequence)
        } catch {
            throw fail("reading a row", error)
        }
        guard let blob else {
            throw fail("reading a row", LogStoreError.damage(.missingRow(sequence: sequence)))
        }
        let row: [UInt8]
        do {
            row = try RowSeal.open(blob, sequence: sequence, keys).row
        } catch {
            throw fail("reading a row", error)
        }
        do {
            return try RowCodec.decode(row)
        } catch {
            throw fail("reading a row", LogStoreError.damage(.row(sequence: sequence, error)))
        }
    }

    // MARK: Move, remove

    private func moveStart(_ plan: CleaningPlan) throws(LogStoreError) {
        self.plan = nil
        // A row with every group's latest part is never before the cut; and there is one, since
        // something was obsolete.
        guard let first = map.oldestRow, first >= plan.cut else { return }
        let start = ChainMark(sequence: first - 1, chain: try row(first).chain)
        do {
            // A sidecar older than the beginning of the journal would say that something is lost.
            try sidecar.sync()
            try journal.move(startTo: start)
        } catch {
            throw fail("moving the beginning of the journal", error)
        }
        map.dropRows(before: first)
        keyUse.forget(before: first)
        mayHaveRubbish = true
        statistics.cleanings += 1
    }

    private func removeRubbish() throws(LogStoreError) {
        let removed: Int
        do {
            removed = try journal.removeRows(
                through: map.firstRow - 1,
                rowsMax: cleaning.removedRowsMax,
                bytesMax: cleaning.removedBytesMax
            )
        } catch {
            throw fail("removing rows", error)
        }
        statistics.removedRows += removed
        mayHaveRubbish = removed > 0
    }
}
