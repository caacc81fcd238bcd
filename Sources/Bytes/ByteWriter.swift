// Builds byte strings in the layouts that `ByteReader` reads: little-endian integers, LEB128
// varints, length-prefixed strings. It owns one growing array and never fails.

/// Appends values to a byte array.
package struct ByteWriter: Sendable {
    package private(set) var bytes: [UInt8]

    package init(capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    package var count: Int { bytes.count }

    /// Empties the writer and keeps its storage.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }

    @inline(__always)
    package mutating func write(_ value: UInt8) {
        bytes.append(value)
    }

    package mutating func write(_ value: UInt16) { writeFixedWidth(value) }
    package mutating func write(_ value: UInt32) { writeFixedWidth(value) }
    package mutating func write(_ value: UInt64) { writeFixedWidth(value) }

    package mutating func writeVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// A count or length. Negative counts are a programmer's error.
    package mutating func writeCount(_ count: Int) {
        precondition(count >= 0)
        writeVarint(UInt64(count))
    }

    package mutating func write(_ slice: ArraySlice<UInt8>) {
        bytes.append(contentsOf: slice)
    }

    package mutating func write(_ array: [UInt8]) {
        bytes.append(contentsOf: array)
    }

    package mutating func writeLengthPrefixed(_ slice: ArraySlice<UInt8>) {
        writeCount(slice.count)
        bytes.append(contentsOf: slice)
    }

    /// Overwrites four bytes that were written before, for lengths and checksums known only later.
    package mutating func overwrite(_ value: UInt32, at offset: Int) {
        precondition(offset >= 0)
        precondition(offset + 4 <= bytes.count)
        for index in 0..<4 {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(index * 8))
        }
    }

    @inline(__always)
    private mutating func writeFixedWidth<T: FixedWidthInteger>(_ value: T) {
        for index in 0..<MemoryLayout<T>.size {
            bytes.append(UInt8(truncatingIfNeeded: value >> T(index * 8)))
        }
    }
}
