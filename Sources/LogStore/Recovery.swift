// The rows of the journal, in order, to each group's hard state and log. Pure: rows in, groups or
// damage out.
//
// Where the cleaner has removed rows, the first ones that are left may speak of entries whose
// beginning is gone: they were superseded by rows further on. Until those are met, a group may have
// a hole between its base and its first entry; at the end none may. A journal that still begins
// where the directory did allows no hole at all.

package import RaftCore

/// What a group finds on its disk at start.
package struct RecoveredGroup: Sendable {
    package var group: GroupID
    package var hardState = HardState()
    /// The newest snapshot on the disk that could be loaded; not before `base`. Nil in a directory
    /// that has never stored anything, and for a mute group that has lost all of its own: its first
    /// snapshot must be made before the first batch is stored.
    package var snapshot: SnapshotMark?
    /// Newer snapshots that could not be. An operator should know.
    package var passedOver: [PassedOver] = []
    /// The log begins after this position.
    package var base = LogPosition.origin
    /// What follows `base`, without gaps.
    package var entries: [Entry] = []

    package init(group: GroupID) { self.group = group }
}

struct Recovery {
    private var logs: [RecoveringLog]
    /// The latest row.
    private(set) var last: ChainMark

    /// Before the first row after `start`.
    init(groupCount: Int, start: ChainMark) {
        logs = (0..<groupCount).map {
            RecoveringLog(group: GroupID(UInt16($0)), isSettled: start.sequence == 0)
        }
        last = start
    }

    /// Takes the next row; returns what it says.
    mutating func take(
        _ row: [UInt8],
        sequence found: UInt64
    ) throws(LogStoreError) -> [RowPart] {
        guard found == last.sequence + 1 else {
            throw .damage(.missingRow(sequence: last.sequence + 1))
        }
        let decoded: (chain: ChainValue, parts: [RowPart])
        do {
            decoded = try RowCodec.decode(row)
        } catch {
            throw .damage(.row(sequence: found, error))
        }
        guard decoded.chain == last.chain else { throw .damage(.brokenChain(sequence: found)) }
        for part in decoded.parts {
            let place = Int(part.group.rawValue)
            guard place < logs.count else {
                throw .damage(.unknownGroup(sequence: found, part.group))
            }
            try logs[place].take(part, sequence: found)
        }
        last = ChainMark(sequence: found, chain: ChainHash.value(of: row))
        return decoded.parts
    }

    /// Judges each group as a whole: the core relies on it.
    consuming func finish() throws(LogStoreError) -> [RecoveredGroup] {
        var groups: [RecoveredGroup] = []
        for log in logs { groups.append(try log.recovered(lastRow: last.sequence)) }
        return groups
    }
}

/// One group's log while its rows are read.
private struct RecoveringLog {
    let group: GroupID
    /// Whether there can be no hole between the base and the first entry.
    var isSettled: Bool
    private var hardState = HardState()
    private var base = LogPosition.origin
    private var entries: [Entry] = []

    init(group: GroupID, isSettled: Bool) {
        self.group = group
        self.isSettled = isSettled
    }

    mutating func take(_ part: RowPart, sequence: UInt64) throws(LogStoreError) {
        hardState = part.hardState
        if let rebase = part.rebase {
            guard rebase.base.index >= base.index, move(rebase) else {
                throw .damage(.base(sequence: sequence, group, rebase.base.index))
            }
        }
        guard let first = part.entries.first?.index else { return }
        let next = (entries.last?.index ?? base.index).next
        let mayLeaveHole = entries.isEmpty && !isSettled
        guard first > base.index, first <= next || mayLeaveHole else {
            throw .damage(.gap(sequence: sequence, group, first))
        }
        let replaced = min(next.distance(from: first), entries.count)
        entries.removeLast(replaced)
        entries += part.entries
    }

    /// False where the log is not as it was when the row was written.
    private mutating func move(_ rebase: Rebase) -> Bool {
        guard case .trimmed(let new) = rebase else {
            base = rebase.base
            entries = []
            isSettled = true
            return true
        }
        defer { base = new }
        let dropped = new.index.next.distance(from: entries.first?.index ?? new.index.next)
        guard dropped > 0 else {
            // The entry is the one before the first, or lies in the hole.
            defer { if new.index.next == entries.first?.index { isSettled = true } }
            return new == base || !isSettled
        }
        guard dropped <= entries.count, entries[dropped - 1].position == new else { return false }
        entries.removeFirst(dropped)
        isSettled = true
        return true
    }

    func recovered(lastRow: UInt64) throws(LogStoreError) -> RecoveredGroup {
        if let first = entries.first?.index, first != base.index.next {
            throw .damage(.gap(sequence: lastRow, group, first))
        }
        let terms = [base.term] + entries.map(\.term)
        let ascends = zip(terms, terms.dropFirst()).allSatisfy { $0 <= $1 }
        guard ascends, terms.last ?? .zero <= hardState.term else { throw .damage(.terms(group)) }
        var recovered = RecoveredGroup(group: group)
        recovered.hardState = hardState
        recovered.base = base
        recovered.entries = entries.map(\.alone)
        return recovered
    }
}

extension Entry {
    /// The entry without the row that it was read from: that would stay in memory as a whole.
    var alone: Entry {
        guard case .command(let payload) = content else { return self }
        return Entry(term: term, index: index, content: .command(Array(payload)[...]))
    }
}
