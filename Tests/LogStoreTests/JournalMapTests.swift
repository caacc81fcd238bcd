// What the map of the journal says is needed, against a plain reading of all rows.

import RaftCore
import TestKit
import Testing

@testable import LogStore

@Suite("LogStore's map of the journal")
struct JournalMapTests {
    /// One group as a list: each live entry with the row that holds it.
    private struct PlainGroup {
        var base = LogPosition.origin
        var baseRow: UInt64?
        var latestRow: UInt64?
        var entries: [(entry: Entry, row: UInt64)] = []

        var oldestRow: UInt64? {
            ([baseRow, latestRow] + entries.map(\.row)).compactMap(\.self).min()
        }

        func contains(_ position: LogPosition) -> Bool {
            position == base || entries.contains { $0.entry.position == position }
        }

        mutating func take(_ part: RowPart, row: UInt64) {
            latestRow = row
            if let rebase = part.rebase {
                base = rebase.base
                baseRow = rebase == .anew(.origin) ? nil : row
                if case .anew = rebase { entries = [] }
                entries.removeAll { $0.entry.index <= base.index }
            }
            guard let first = part.entries.first?.index else { return }
            entries.removeAll { $0.entry.index >= first }
            entries += part.entries.map { ($0, row) }
        }

        var last: LogPosition { entries.last?.entry.position ?? base }

        /// What a store could say next of the group.
        func next(_ group: GroupID, _ random: inout SeededRandom) -> RowPart {
            var part = RowPart(group: group, hardState: HardState(), entries: [])
            var from = last.index.next
            switch random.below(12) {
            case 0 where !entries.isEmpty:
                part.rebase = .trimmed(entries[random.below(entries.count)].entry.position)
            case 1:
                let index = last.index.advanced(by: random.below(3))
                part.rebase = .anew(LogPosition(term: last.term.next, index: index))
                from = index.next
            case 2:
                // As the cleaner does.
                part.rebase = .anew(base)
                part.entries = entries.map(\.entry)
                return part
            case 3...5 where !entries.isEmpty:
                from = entries[random.below(entries.count)].entry.index
            default: break
            }
            let term = random.chance(30) ? last.term.next : max(last.term, Term(1))
            for offset in 0..<random.below(5) {
                let index = from.advanced(by: offset)
                let payload = [UInt8](repeating: 1, count: random.below(90))[...]
                part.entries.append(Entry(term: term, index: index, content: .command(payload)))
            }
            return part
        }
    }

    @Test("rows, entries and positions are as in a plain reading", arguments: 1...8)
    func plain(seed: UInt64) {
        var random = SeededRandom(seed)
        var map = JournalMap(groupCount: 3, firstRow: 1)
        var plain = [PlainGroup](repeating: PlainGroup(), count: 3)
        var sizes: [UInt64: Int] = [:]
        var known = 0
        var unknown = 0
        var dropped = 0
        for _ in 0..<600 {
            let row = map.nextRow
            let places = plain.indices.filter { _ in random.chance(50) }
            let parts = places.map { plain[$0].next(GroupID(UInt16($0)), &random) }
            map.take(parts, bytes: 200)
            sizes[row] = 200 + Limits.rowOverheadBytes
            for part in parts { plain[Int(part.group.rawValue)].take(part, row: row) }
            for (place, group) in plain.enumerated() {
                check(map, GroupID(UInt16(place)), group)
                let position = LogPosition(
                    term: Term(UInt64(random.below(Int(group.last.term.rawValue) + 2))),
                    index: LogIndex(UInt64(random.below(Int(group.last.index.rawValue) + 2)))
                )
                let isKnown = group.contains(position)
                #expect(map.contains(position, in: GroupID(UInt16(place))) == isKnown)
                if isKnown { known += 1 } else { unknown += 1 }
                if let last = group.entries.last?.entry.position {
                    #expect(map.contains(last, in: GroupID(UInt16(place))))
                }
            }
            if random.chance(5), let oldest = map.oldestRow {
                #expect(oldest == plain.compactMap(\.oldestRow).min())
                dropped += Int(oldest - map.firstRow)
                sizes = sizes.filter { $0.key >= oldest }
                map.dropRows(before: oldest)
            }
            #expect(map.totalBytes == sizes.values.reduce(0, +))
            #expect(map.liveBytes <= map.totalBytes)
        }
        #expect(known >= 10)
        #expect(unknown >= 300)
        #expect(dropped >= 20)
    }

    private func check(_ map: JournalMap, _ id: GroupID, _ group: PlainGroup) {
        #expect(map.base(of: id) == group.base)
        #expect(map.last(of: id) == group.last.index)
        #expect(map.oldestRow(of: id) == group.oldestRow)
        for (entry, row) in group.entries {
            #expect(map.span(of: entry.index, in: id)?.row == row)
        }
        #expect(map.span(of: group.base.index, in: id) == nil)
        #expect(map.span(of: group.last.index.next, in: id) == nil)
        let bytes = map.liveBytes(of: id)
        #expect(bytes >= 0 && (bytes == 0) == group.entries.isEmpty)
    }

    @Test("no plan while little is obsolete; then the fewest groups that free half of it")
    func plan() {
        var map = JournalMap(groupCount: 4, firstRow: 1)
        let rule = CleaningRule(obsoleteBytesMin: 10_000)
        func add(_ group: UInt16, _ index: UInt64, bytes: Int) {
            let part = RowPart(
                group: GroupID(group),
                hardState: HardState(),
                entries: [command(1, index, bytes: bytes)]
            )
            map.take([part], bytes: bytes)
        }
        // Group 3 is idle from the start, group 2 a little later; groups 0 and 1 replace theirs.
        add(3, 1, bytes: 100)
        for _ in 0..<20 { add(0, 1, bytes: 200) }
        add(2, 1, bytes: 100)
        #expect(map.plan(rule) == nil)
        for _ in 0..<70 { add(1, 1, bytes: 200) }
        add(0, 1, bytes: 200)
        // Carrying group 3 alone would free less than half.
        let plan = map.plan(rule)
        #expect(plan?.groups == [GroupID(2), GroupID(3)])
        #expect(plan?.cut == map.oldestRow(of: GroupID(1)))
        // As much as is live must be obsolete, too.
        add(2, 2, bytes: 40_000)
        #expect(map.plan(rule) == nil)
    }
}
