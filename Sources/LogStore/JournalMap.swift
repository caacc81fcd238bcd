// What the rows of the journal are still needed for. Pure: told of every row, it knows for each
// group which rows hold its live entries, its hard state and its base, and what of the journal's
// bytes is live. A row before every group's oldest one can go.
//
// Bytes are the rows' own, shared out among a row's parts by their payload. What is kept in memory
// is small: four bytes a row, 32 bytes for each run of live entries in one row.

import RaftCore

struct JournalMap {
    /// Consecutive live entries of one group in one row.
    struct Span: Hashable {
        var row: UInt64
        var first: LogIndex
        var last: LogIndex
        /// Their share of the row.
        var bytes: Int

        var count: Int { last.next.distance(from: first) }
    }

    private struct TermRun {
        var first: LogIndex
        var term: Term
    }

    private struct Group {
        var base = LogPosition.origin
        /// Ascending by row and index, without gaps.
        var spans: [Span] = []
        /// The terms of the live entries: each from its first index on.
        var terms: [TermRun] = []
        /// The latest row with a part of the group: it holds the hard state.
        var latestRow: UInt64?
        /// The row that told the base; nil where it is the origin.
        var baseRow: UInt64?
        var bytes = 0

        var last: LogIndex { spans.last?.last ?? base.index }

        /// The first row that is needed.
        var oldestRow: UInt64? {
            [latestRow, baseRow, spans.first?.row].compactMap(\.self).min()
        }
    }

    private var groups: [Group]
    /// Bytes of each row, the first one's under `firstRow`.
    private var rowBytes: [UInt32] = []
    private(set) var firstRow: UInt64
    /// Bytes of all rows.
    private(set) var totalBytes = 0
    /// Bytes of the entries that are needed.
    private(set) var liveBytes = 0

    init(groupCount: Int, firstRow: UInt64) {
        groups = [Group](repeating: Group(), count: groupCount)
        self.firstRow = firstRow
    }

    /// The row that comes next.
    var nextRow: UInt64 { firstRow + UInt64(rowBytes.count) }
    /// Bytes that nobody needs.
    var obsoleteBytes: Int { max(0, totalBytes - liveBytes) }
    /// The first row that somebody needs; nil where there is none.
    var oldestRow: UInt64? { groups.lazy.compactMap(\.oldestRow).min() }

    // MARK: Rows

    /// The next row was added, with these parts.
    mutating func take(_ parts: some Collection<RowPart>, bytes: Int) {
        let row = nextRow
        let weight = bytes + Limits.rowOverheadBytes
        rowBytes.append(UInt32(clamping: weight))
        totalBytes += weight
        let payload = parts.reduce(0) { $0 + $1.weight }
        for part in parts {
            let share = payload == 0 ? 0 : weight * part.weight / payload
            take(part, row: row, bytes: share)
        }
    }

    private mutating func take(_ part: RowPart, row: UInt64, bytes: Int) {
        let place = Int(part.group.rawValue)
        groups[place].latestRow = row
        switch part.rebase {
        case .trimmed(let base):
            drop(place, through: base.index)
            groups[place].base = base
            groups[place].baseRow = row
        case .anew(let base):
            drop(place, from: LogIndex(1))
            groups[place].base = base
            groups[place].baseRow = base == .origin ? nil : row
        case nil: break
        }
        guard let first = part.entries.first, let last = part.entries.last else { return }
        drop(place, from: first.index)
        let span = Span(row: row, first: first.index, last: last.index, bytes: bytes)
        groups[place].spans.append(span)
        add(bytes, to: place)
        for entry in part.entries where groups[place].terms.last?.term != entry.term {
            groups[place].terms.append(TermRun(first: entry.index, term: entry.term))
        }
    }

    /// The rows before `row` are gone.
    mutating func dropRows(before row: UInt64) {
        precondition((firstRow...nextRow).contains(row))
        let count = Int(row - firstRow)
        totalBytes -= bytes(before: row)
        rowBytes.removeFirst(count)
        firstRow = row
    }

    /// Bytes of the rows before `row`.
    func bytes(before row: UInt64) -> Int {
        guard row > firstRow else { return 0 }
        return rowBytes.prefix(Int(row - firstRow)).reduce(0) { $0 + Int($1) }
    }

    func bytes(ofRow row: UInt64) -> Int { Int(rowBytes[Int(row - firstRow)]) }

    // MARK: Groups

    func base(of group: GroupID) -> LogPosition { groups[Int(group.rawValue)].base }
    func last(of group: GroupID) -> LogIndex { groups[Int(group.rawValue)].last }
    func liveBytes(of group: GroupID) -> Int { groups[Int(group.rawValue)].bytes }
    func oldestRow(of group: GroupID) -> UInt64? { groups[Int(group.rawValue)].oldestRow }

    /// Whether the stored log has that very entry, or begins after it.
    func contains(_ position: LogPosition, in group: GroupID) -> Bool {
        let group = groups[Int(group.rawValue)]
        if position.index == group.base.index { return position == group.base }
        guard position.index > group.base.index, position.index <= group.last else { return false }
        return group.terms.last { $0.first <= position.index }?.term == position.term
    }

    /// Where the entry at `index` stands; nil where there is none.
    func span(of index: LogIndex, in group: GroupID) -> Span? {
        let spans = groups[Int(group.rawValue)].spans
        // The first span that does not end before it.
        var low = 0
        var high = spans.count
        while low < high {
            let middle = (low + high) / 2
            if spans[middle].last < index { low = middle + 1 } else { high = middle }
        }
        guard low < spans.count, spans[low].first <= index else { return nil }
        return spans[low]
    }

    /// The groups that need something in the rows of the journal, by the first such row.
    func groupsByOldestRow() -> [(group: GroupID, row: UInt64)] {
        var found: [(group: GroupID, row: UInt64)] = []
        for (place, group) in groups.enumerated() {
            if let row = group.oldestRow { found.append((GroupID(UInt16(place)), row)) }
        }
        return found.sorted { ($0.row, $0.group) < ($1.row, $1.group) }
    }

    // MARK: Entries

    private mutating func drop(_ place: Int, from index: LogIndex) {
        while let span = groups[place].spans.last, span.last >= index {
            guard span.first < index else {
                groups[place].spans.removeLast()
                add(-span.bytes, to: place)
                continue
            }
            cut(place, at: groups[place].spans.count - 1, to: span.first...index.previous)
        }
        while let run = groups[place].terms.last, run.first >= index {
            groups[place].terms.removeLast()
        }
    }

    private mutating func drop(_ place: Int, through index: LogIndex) {
        let spans = groups[place].spans
        let gone = spans.prefix { $0.last <= index }
        add(-gone.reduce(0) { $0 + $1.bytes }, to: place)
        groups[place].spans.removeFirst(gone.count)
        if let span = groups[place].spans.first, span.first <= index {
            cut(place, at: 0, to: index.next...span.last)
        }
        // The run in which the log begins now stays, from there on.
        let runs = groups[place].terms
        let over = runs.dropFirst().prefix { $0.first <= index.next }.count
        groups[place].terms.removeFirst(over)
        if groups[place].spans.isEmpty {
            groups[place].terms = []
        } else if groups[place].terms[0].first <= index {
            groups[place].terms[0].first = index.next
        }
    }

    /// Shortens a span to `range`, its bytes in proportion.
    private mutating func cut(_ place: Int, at position: Int, to range: ClosedRange<LogIndex>) {
        let old = groups[place].spans[position]
        var new = old
        new.first = range.lowerBound
        new.last = range.upperBound
        new.bytes = old.bytes * new.count / old.count
        groups[place].spans[position] = new
        add(new.bytes - old.bytes, to: place)
    }

    private mutating func add(_ bytes: Int, to place: Int) {
        groups[place].bytes += bytes
        liveBytes += bytes
    }
}

extension RowPart {
    /// What the part counts for among the parts of its row.
    var weight: Int { entries.reduce(16) { $0 + $1.payloadBytes + 16 } }
}
