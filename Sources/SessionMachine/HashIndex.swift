// From a hash to record ids, by linear hashing (Litwin, 1980).
//
// n buckets; a key lives in bucket `hash mod 2^L`, or, where that bucket does not exist yet, in
// `hash mod 2^(L-1)`. When the load passes its bound ONE bucket is split (bucket n is made from
// bucket n - 2^(L-1)), when it falls under its lower bound the last one is merged back. So growth
// never pauses: an insertion does at most one split of some 16 entries. Bucket and entry hold ids
// and 32 bits of hash; the caller compares the keys, which lie in the records.
//
// SCAN: reverse the bits of the hash and call it the entry's *position*. Then a bucket with b
// significant bits holds exactly the positions of one aligned interval of length 2^(32-b);
// splitting halves an interval and merging joins two. A scan walks the positions upwards, so
// whatever is in the index for the whole scan is met exactly once, however the table grows or
// shrinks meanwhile.

/// A record's number in its table.
typealias RecordID = UInt32

struct HashIndex: Sendable {
    struct Entry: Sendable {
        var hash: UInt32
        var record: RecordID
    }

    private var buckets = PagedArray<[Entry]>()
    private(set) var count = 0

    /// Splitting keeps the mean at or under this; scanning 16 entries of 8 bytes is two cache
    /// lines.
    private static let loadToSplit = 16
    /// Well under half the above, so that a count that wavers does not split and merge in turns.
    private static let loadToMerge = 4

    init() { buckets.append([]) }

    var bucketCount: Int { buckets.count }

    /// The entries among which `hash` would be found; compare `Entry.hash` first, then the key.
    @inline(__always)
    func candidates(for hash: UInt32) -> [Entry] {
        buckets[bucketNumber(of: hash)]
    }

    mutating func insert(_ record: RecordID, hash: UInt32) {
        buckets[bucketNumber(of: hash)].append(Entry(hash: hash, record: record))
        count += 1
        if count > buckets.count * Self.loadToSplit { split() }
    }

    /// Removes the entry; it must be there.
    mutating func remove(_ record: RecordID, hash: UInt32) {
        let number = bucketNumber(of: hash)
        let position = buckets[number].firstIndex { $0.record == record }
        guard let position else { preconditionFailure("a record is missing from its index") }
        let last = buckets[number].removeLast()
        if position < buckets[number].count { buckets[number][position] = last }
        count -= 1
        if buckets.count > 1, count < buckets.count * Self.loadToMerge { merge() }
    }

    /// All entries of bucket `number`, for checks and statistics.
    func bucket(_ number: Int) -> [Entry] { buckets[number] }

    /// Where `hash` lives: `hash mod 2^L`, or `mod 2^(L-1)` while that bucket does not exist.
    @inline(__always)
    func bucketNumber(of hash: UInt32) -> Int {
        let mask = highMask
        let number = Int(hash) & mask
        return number < buckets.count ? number : number & (mask >> 1)
    }

    /// 2^L - 1, where 2^L is the least power of two that is not under the number of buckets.
    @inline(__always)
    private var highMask: Int {
        let bits = Int.bitWidth - (buckets.count - 1).leadingZeroBitCount
        return (1 << bits) - 1
    }

    /// The bucket that `number` (at least 1) was split from: the same without its highest bit.
    private func origin(of number: Int) -> Int {
        number & ~(1 << (Int.bitWidth - 1 - number.leadingZeroBitCount))
    }

    private mutating func split() {
        let added = buckets.count
        let source = origin(of: added)
        let bit = UInt32(1) << UInt32(Int.bitWidth - 1 - added.leadingZeroBitCount)
        let stay = buckets[source].filter { $0.hash & bit == 0 }
        let move = buckets[source].filter { $0.hash & bit != 0 }
        buckets[source] = stay
        buckets.append(move)
    }

    private mutating func merge() {
        let last = buckets.removeLast()
        buckets[origin(of: buckets.count)].append(contentsOf: last)
    }
}

extension HashIndex {
    /// Where a scan goes on: a position, 0 at the start and 0 again at the end.
    struct ScanStep {
        var entries: [Entry]
        var next: UInt32
    }

    /// One bucket's entries at or after position `cursor`, and the position after that bucket.
    func scan(from cursor: UInt32) -> ScanStep {
        let number = bucketNumber(of: cursor.bitReversed)
        let bits = significantBits(of: number)
        let length = UInt64(1) << UInt64(32 - bits)
        let start = UInt64(cursor) & ~(length - 1)
        let entries = buckets[number].filter { $0.hash.bitReversed >= cursor }
        // At the end of the last interval the sum is 2^32, and its low 32 bits are the 0 of "done".
        return ScanStep(entries: entries, next: UInt32(truncatingIfNeeded: start + length))
    }

    private func significantBits(of number: Int) -> Int {
        let bits = Int.bitWidth - (buckets.count - 1).leadingZeroBitCount
        guard bits > 0 else { return 0 }
        let half = 1 << (bits - 1)
        return number >= half || number + half < buckets.count ? bits : bits - 1
    }
}

extension UInt32 {
    fileprivate var bitReversed: UInt32 {
        var value = byteSwapped
        value = (value >> 4) & 0x0f0f_0f0f | (value & 0x0f0f_0f0f) << 4
        value = (value >> 2) & 0x3333_3333 | (value & 0x3333_3333) << 2
        value = (value >> 1) & 0x5555_5555 | (value & 0x5555_5555) << 1
        return value
    }
}
