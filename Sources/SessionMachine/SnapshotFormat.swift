// A machine as bytes: framed sections, in this order and each kind possibly many times.
//
//     section   tag u8 | length of body u32 | CRC-32C of tag and body u32 | body
//     1 header  version u8 | seed 2 x u64 | time | next sequence | counters | slots | wheel
// position |
//               pending level
//     2 records one per record number, ascending from 0: length (0: free) | bytes | deadline + 1
// (0: none)
//     3 free    the stack of free record numbers, bottom first
//     4 timers  runs of the wheel's lists: slot | n | n record numbers, in list order
//     5 end     digest u64
//
// Integers are varints where nothing else is said. The hash tables and the subject index are not in
// it: they follow from the records. Everything that a later entry can make visible is: record
// numbers, the free stack and list order decide which records a bounded removal takes first, and in
// what order the next snapshot lists them. So a machine that was decoded goes on exactly like the
// one that was encoded.

enum SnapshotSection: UInt8, Comparable {
    case header = 1
    case records = 2
    case free = 3
    case timers = 4
    case end = 5

    static func < (left: SnapshotSection, right: SnapshotSection) -> Bool {
        left.rawValue < right.rawValue
    }
}

enum SnapshotFormat {
    static let version: UInt8 = 2
    /// Tag, length, checksum.
    static let frameBytes = 9
}
