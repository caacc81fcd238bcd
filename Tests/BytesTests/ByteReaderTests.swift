import Bytes
import Testing

@Suite("ByteReader and ByteWriter")
struct ByteReaderTests {
    @Test("what was written is read back")
    func roundTrip() throws {
        var writer = ByteWriter()
        writer.write(UInt8(7))
        writer.write(UInt16(0xbeef))
        writer.write(UInt32(0xdead_beef))
        writer.write(UInt64.max - 1)
        writer.writeLengthPrefixed([1, 2, 3][...])
        var reader = ByteReader(writer.bytes)
        #expect(try reader.readUInt8() == 7)
        #expect(try reader.readUInt16() == 0xbeef)
        #expect(try reader.readUInt32() == 0xdead_beef)
        #expect(try reader.readUInt64() == UInt64.max - 1)
        #expect(try reader.readLengthPrefixed(limit: 3) == [1, 2, 3])
        try reader.expectEnd()
    }

    @Test(
        "varints of every width come back, and each of their prefixes is truncated",
        arguments: (0..<64).map { UInt64(1) << UInt64($0) } + [0, UInt64.max, 127, 128, 16_383]
    )
    func varints(value: UInt64) throws {
        var writer = ByteWriter()
        writer.writeVarint(value)
        var reader = ByteReader(writer.bytes)
        #expect(try reader.readVarint() == value)
        for length in 0..<writer.count {
            var prefix = ByteReader(writer.bytes[..<length])
            #expect(throws: DecodeError.truncated) { try prefix.readVarint() }
        }
    }

    @Test("a varint over 64 bits is refused")
    func varintOverflow() {
        var tooWide = ByteReader([UInt8](repeating: 0xff, count: 9) + [0x02])
        #expect(throws: DecodeError.varintOverflow) { try tooWide.readVarint() }
        var tooLong = ByteReader([UInt8](repeating: 0x80, count: 11))
        #expect(throws: DecodeError.varintOverflow) { try tooLong.readVarint() }
    }

    @Test("a count above the limit is refused before anything is allocated")
    func countLimit() {
        var writer = ByteWriter()
        writer.writeVarint(UInt64.max)
        var reader = ByteReader(writer.bytes)
        #expect(throws: DecodeError.tooLarge(Int.max)) { try reader.readCount(limit: 10) }
    }

    @Test("fixed-width reads at the end are truncated, not traps")
    func truncation() {
        for length in 0..<8 {
            var reader = ByteReader([UInt8](repeating: 1, count: length))
            #expect(throws: DecodeError.truncated) { try reader.readUInt64() }
        }
        var negative = ByteReader([1, 2, 3])
        #expect(throws: DecodeError.truncated) { try negative.readBytes(count: -1) }
    }

    @Test("bytes that end with their checksum are read without it, and no others are read")
    func checked() throws {
        var writer = ByteWriter()
        writer.write([1, 2, 3])
        writer.write(CRC32C.checksum([1, 2, 3]))
        var reader = try ByteReader(checked: writer.bytes[...])
        #expect(Array(reader.readRest()) == [1, 2, 3])
        for bit in 0..<writer.count * 8 {
            var changed = writer.bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: DecodeError.checksumMismatch) {
                try ByteReader(checked: changed[...])
            }
        }
        for length in 0..<4 {
            #expect(throws: DecodeError.truncated) {
                try ByteReader(checked: writer.bytes.prefix(length))
            }
        }
    }

    @Test("left-over bytes are named")
    func trailing() {
        let reader = ByteReader([1, 2])
        #expect(throws: DecodeError.trailingBytes(2)) { try reader.expectEnd() }
    }
}
