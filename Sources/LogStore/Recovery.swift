// The rows of the journal, in order, to each group's hard state and log. Pure: rows in, groups or
// damage out. A later part of a group replaces its log from the part's first entry on, as it did
// when it was stored.

package import RaftCore

/// What a group finds on its disk at start.
package struct RecoveredGroup: Sendable {
    package var group: GroupID
    package var hardState = HardState()
    /// From index 1, without gaps.
    package var entries: [Entry] = []
}

struct Recovery {
    private(set) var groups: [RecoveredGroup]
    private(set) var chain: ChainValue
    /// The latest row; 0 before the first.
    private(set) var sequence: UInt64 = 0

    init(groupCount: Int, start: ChainValue) {
        groups = (0..<groupCount).map { RecoveredGroup(group: GroupID(UInt16($0))) }
        chain = start
    }

    mutating func take(_ row: [UInt8], sequence found: UInt64) throws(LogStoreError) {
        guard found == sequence + 1 else { throw .damage(.missingRow(sequence: sequence + 1)) }
        let decoded: (chain: ChainValue, parts: [RowPart])
        do {
            decoded = try RowCodec.decode(row)
        } catch {
            throw .damage(.row(sequence: found, error))
        }
        guard decoded.chain == chain else { throw .damage(.brokenChain(sequence: found)) }
        for part in decoded.parts { try take(part, found) }
        chain = ChainHash.value(of: row)
        sequence = found
    }

    private mutating func take(_ part: RowPart, _ sequence: UInt64) throws(LogStoreError) {
        let place = Int(part.group.rawValue)
        guard place < groups.count else {
            throw .damage(.unknownGroup(sequence: sequence, part.group))
        }
        groups[place].hardState = part.hardState
        guard let first = part.entries.first else { return }
        let kept = groups[place].entries.count
        guard first.index.rawValue <= UInt64(kept) + 1 else {
            throw .damage(.gap(sequence: sequence, part.group, first.index))
        }
        // At least 1 (checked by the codec) and at most one past the end.
        groups[place].entries.removeLast(kept - Int(first.index.rawValue - 1))
        groups[place].entries += part.entries
    }

    /// Judges each group as a whole: the core relies on it.
    func finish() throws(LogStoreError) -> [RecoveredGroup] {
        for group in groups {
            let terms = group.entries.map(\.term)
            let ascends = zip(terms, terms.dropFirst()).allSatisfy { $0 <= $1 }
            guard ascends, (terms.last ?? .zero) <= group.hardState.term else {
                throw .damage(.terms(group.group))
            }
        }
        return groups
    }
}
