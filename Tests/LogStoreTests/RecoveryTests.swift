// Rows that continue each other and yet cannot be what was stored: told as damage. And the front of
// a cleaned journal, which may speak of what is gone as long as its end does not need it.

import RaftCore
import Testing

@testable import LogStore

@Suite("LogStore's recovery")
struct RecoveryTests {
    private let group = GroupID(0)

    private func position(_ term: UInt64, _ index: UInt64) -> LogPosition {
        LogPosition(term: Term(term), index: LogIndex(index))
    }

    private func part(_ rebase: Rebase? = nil, _ entries: [Entry] = []) -> RowPart {
        RowPart(
            group: group,
            hardState: HardState(term: Term(5)),
            rebase: rebase,
            entries: entries
        )
    }

    /// What the parts, a row each, make of the group; `cleaned` where the journal does not begin
    /// with the directory.
    private func recovered(
        cleaned: Bool = false,
        _ parts: [RowPart]
    ) throws(LogStoreError) -> RecoveredGroup {
        let start = ChainMark(sequence: cleaned ? 7 : 0, chain: ChainValue(high: 1, low: 2))
        var recovery = Recovery(groupCount: 1, start: start)
        for part in parts {
            let row = RowCodec.encode([part], after: recovery.last.chain, compressing: .wholeRow)
            _ = try recovery.take(row, sequence: recovery.last.sequence + 1)
        }
        return try recovery.finish()[0]
    }

    private func damage(cleaned: Bool = false, _ parts: [RowPart]) -> Damage? {
        do {
            _ = try recovered(cleaned: cleaned, parts)
            return nil
        } catch {
            guard case .damage(let damage) = error else { return nil }
            return damage
        }
    }

    @Test("a gap is damage at once where the journal begins with the directory")
    func gaps() {
        #expect(
            damage([part(nil, [noop(1, 2)])])
                == .gap(sequence: 1, group, LogIndex(2))
        )
        #expect(
            damage([part(nil, [noop(1, 1)]), part(nil, [noop(1, 3)])])
                == .gap(sequence: 2, group, LogIndex(3))
        )
        #expect(
            damage([part(.anew(position(2, 9)), []), part(nil, [noop(2, 11)])])
                == .gap(sequence: 2, group, LogIndex(11))
        )
        #expect(
            damage([part(.anew(position(2, 9)), []), part(nil, [noop(2, 9)])])
                == .gap(sequence: 2, group, LogIndex(9))
        )
    }

    @Test("a base that the log has not is damage, and so is one that goes back")
    func bases() throws {
        let log = part(nil, [noop(1, 1), noop(1, 2), noop(2, 3)])
        let wrong = [position(1, 3), position(2, 2), position(2, 4), position(1, 0)]
        var noticed = 0
        for position in wrong {
            let expected = Damage.base(sequence: 2, group, position.index)
            #expect(damage([log, part(.trimmed(position))]) == expected)
            noticed += 1
        }
        #expect(noticed == 4)
        let trimmed = part(.trimmed(position(1, 2)))
        #expect(try recovered([log, trimmed]).entries == [noop(2, 3)])
        #expect(try recovered([log, trimmed, trimmed]).base == position(1, 2))
        for rebase in [Rebase.trimmed(position(1, 1)), .anew(position(1, 1))] {
            #expect(
                damage([log, trimmed, part(rebase)]) == .base(sequence: 3, group, LogIndex(1))
            )
        }
    }

    @Test("terms that fall along a log, or pass the hard state's, are damage")
    func terms() {
        #expect(damage([part(nil, [noop(2, 1), noop(1, 2)])]) == .terms(group))
        #expect(damage([part(.anew(position(3, 9)), [noop(2, 10)])]) == .terms(group))
        #expect(damage([part(nil, [noop(6, 1)])]) == .terms(group))
        #expect(damage([part(nil, [noop(5, 1)])]) == nil)
    }

    @Test("the front of a cleaned journal may lack what its end does not need")
    func holes() throws {
        let stale = part(nil, [noop(1, 40), noop(1, 41)])
        // Carried further on.
        let whole = part(.anew(position(1, 38)), [noop(1, 39), noop(1, 40)])
        #expect(try recovered(cleaned: true, [stale, whole]).entries == whole.entries)
        // Trimmed beyond the hole.
        let trimmed = try recovered(cleaned: true, [stale, part(.trimmed(position(1, 40)))])
        #expect(trimmed.base == position(1, 40))
        #expect(trimmed.entries == [noop(1, 41)])
        // Trimmed within the hole, and replaced from there.
        let replaced = try recovered(
            cleaned: true,
            [stale, part(.trimmed(position(1, 30))), part(nil, [noop(2, 31)])]
        )
        #expect(replaced.entries == [noop(2, 31)])
        // A base without entries.
        let empty = try recovered(cleaned: true, [part(.trimmed(position(3, 50)))])
        #expect(empty.base == position(3, 50))
        #expect(empty.entries.isEmpty)
        #expect(try recovered(cleaned: true, [part()]).base == .origin)
    }

    @Test("a hole that is still there at the end is damage")
    func openHoles() {
        let stale = part(nil, [noop(1, 40), noop(1, 41)])
        let gap = Damage.gap(sequence: 8, group, LogIndex(40))
        #expect(damage(cleaned: true, [stale]) == gap)
        #expect(
            damage(cleaned: true, [stale, part(.trimmed(position(1, 30)))])
                == .gap(sequence: 9, group, LogIndex(40))
        )
        // What was whole once cannot have a hole any more.
        let whole = part(.anew(position(1, 38)), [])
        #expect(
            damage(cleaned: true, [whole, stale]) == .gap(sequence: 9, group, LogIndex(40))
        )
        let settled = [stale, part(.trimmed(position(1, 39)))]
        #expect(
            damage(cleaned: true, settled + [part(.trimmed(position(1, 41))), stale])
                == .gap(sequence: 11, group, LogIndex(40))
        )
        #expect(
            damage(cleaned: true, [stale, part(nil, [noop(1, 43)])])
                == .gap(sequence: 9, group, LogIndex(43))
        )
        #expect(
            damage(cleaned: true, [stale, part(.trimmed(position(1, 42)))])
                == .base(sequence: 9, group, LogIndex(42))
        )
    }
}
