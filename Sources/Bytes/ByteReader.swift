// A cursor over bytes that came from outside.
//
// In: a slice of bytes. Out: integers, varints and sub-slices that share the storage of the input
// (no copies). All fixed-width integers are little-endian. It must never trap, whatever the bytes
// are: each read checks what is left and throws `DecodeError`.

/// Reads values off the front of a byte slice.
package struct ByteReader: Sendable {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    package init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        self.position = bytes.startIndex
    }

    package init(_ bytes: [UInt8]) {
        self.init(bytes[...])
    }

    /// Reads what stands before the last four bytes, which are its CRC-32C; throws where they are
    /// not.
    package init(checked bytes: ArraySlice<UInt8>) throws(DecodeError) {
        let content = bytes.dropLast(4)
        var trailer = ByteReader(bytes.suffix(4))
        guard try trailer.readUInt32() == CRC32C.checksum(content) else { throw .checksumMismatch }
        self.init(content)
    }

    /// How many bytes have not been read yet.
    @inline(__always)
    package var remaining: Int { bytes.endIndex - position }

    package var isAtEnd: Bool { remaining == 0 }

    package mutating func readUInt8() throws(DecodeError) -> UInt8 {
        guard remaining >= 1 else { throw .truncated }
        defer { position += 1 }
        return bytes[position]
    }

    package mutating func readUInt16() throws(DecodeError) -> UInt16 {
        try readFixedWidth(UInt16.self)
    }

    package mutating func readUInt32() throws(DecodeError) -> UInt32 {
        try readFixedWidth(UInt32.self)
    }

    package mutating func readUInt64() throws(DecodeError) -> UInt64 {
        try readFixedWidth(UInt64.self)
    }

    /// An unsigned LEB128 varint of at most ten bytes.
    package mutating func readVarint() throws(DecodeError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try readUInt8()
            let bits = UInt64(byte & 0x7f)
            // The tenth byte has room for one bit only: 9 * 7 = 63 bits came before it.
            guard shift < 63 || (shift == 63 && bits <= 1) else { throw .varintOverflow }
            value |= bits << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
    }

    /// A varint that counts things or bytes, at most `limit`.
    package mutating func readCount(limit: Int) throws(DecodeError) -> Int {
        let value = try readVarint()
        guard let count = Int(exactly: value), count <= limit else {
            throw .tooLarge(Int(clamping: value))
        }
        return count
    }

    /// The next `count` bytes, sharing the input's storage.
    package mutating func readBytes(count: Int) throws(DecodeError) -> ArraySlice<UInt8> {
        guard count >= 0, remaining >= count else { throw .truncated }
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// A byte string preceded by its length as a varint, at most `limit` bytes.
    package mutating func readLengthPrefixed(limit: Int) throws(DecodeError) -> ArraySlice<UInt8> {
        let count = try readCount(limit: limit)
        return try readBytes(count: count)
    }

    /// All that is left.
    package mutating func readRest() -> ArraySlice<UInt8> {
        defer { position = bytes.endIndex }
        return bytes[position..<bytes.endIndex]
    }

    /// Throws `DecodeError.trailingBytes` unless everything was read.
    package func expectEnd() throws(DecodeError) {
        guard isAtEnd else { throw .trailingBytes(remaining) }
    }

    @inline(__always)
    private mutating func readFixedWidth<T: FixedWidthInteger>(
        _ type: T.Type
    ) throws(DecodeError) -> T {
        let width = MemoryLayout<T>.size
        guard remaining >= width else { throw .truncated }
        var value: T = 0
        for offset in 0..<width {
            value |= T(truncatingIfNeeded: bytes[position + offset]) << T(offset * 8)
        }
        position += width
        return value
    }
}
