// Eight bytes at a time: loads, stores and comparisons on byte arrays for the hash functions and
// the record layouts. All bounds-checked; all little-endian, as everything this project writes.

extension RawSpan {
    /// The little-endian word at `offset`.
    @inline(__always)
    func word(at offset: Int) -> UInt64 {
        // "Unsafe" is about types for which not every bit pattern is a value; for an integer each
        // is, and the standard library checks the bounds.
        UInt64(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The last 0...7 bytes from `offset` on, as a word filled up with zeros.
    @inline(__always)
    func tail(from offset: Int) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        for index in offset..<byteCount {
            // As above: a byte has no invalid bit pattern, and the bounds are checked.
            let byte = unsafeLoad(fromByteOffset: index, as: UInt8.self)
            value |= UInt64(byte) << shift
            shift += 8
        }
        return value
    }

    /// Whether both hold the same bytes.
    @inline(__always)
    func isEqual(to other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        var offset = 0
        while offset + 8 <= byteCount {
            guard word(at: offset) == other.word(at: offset) else { return false }
            offset += 8
        }
        return tail(from: offset) == other.tail(from: offset)
    }
}

extension [UInt8] {
    @inline(__always)
    func word(at offset: Int) -> UInt64 {
        span.bytes.word(at: offset)
    }

    @inline(__always)
    mutating func setWord(_ value: UInt64, at offset: Int) {
        for index in 0..<8 {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(index * 8))
        }
    }

    @inline(__always)
    mutating func appendWord(_ value: UInt64) {
        for index in 0..<8 {
            append(UInt8(truncatingIfNeeded: value >> UInt64(index * 8)))
        }
    }
}
