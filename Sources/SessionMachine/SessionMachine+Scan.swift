// SCAN over the plain values: a cursor is a position in hash order (see `HashIndex`), so a key that
// is there during the whole scan is returned, and returned once, however the table grows or
// shrinks.

extension SessionMachine {
    /// The next keys from `cursor` on: about `count` of them, whole buckets at a time.
    ///
    /// Cursors are 0 at the start and 0 again at the end, under 2^32 in between; others find
    /// nothing.
    package func scan(from cursor: UInt64, count: Int) -> ScanPage {
        guard var position = UInt32(exactly: cursor) else { return ScanPage(keys: [], next: 0) }
        let wanted = min(max(count, 1), Limits.scanCount)
        var keys: [Key] = []
        // Like Redis: a thin table ends the call early rather than holding up the group.
        for _ in 0..<wanted * 10 {
            let step = values.scan(from: position)
            for entry in step.entries where !isOver(entry.record) {
                keys.append(Key(ValueLayout.key(of: records.payload(entry.record))))
            }
            position = step.next
            if position == 0 || keys.count >= wanted { break }
        }
        return ScanPage(keys: keys, next: UInt64(position))
    }
}

/// A page of a scan.
package struct ScanPage: Equatable, Sendable {
    package var keys: [Key]
    /// Where the next page starts; 0 after the last.
    package var next: UInt64
}
