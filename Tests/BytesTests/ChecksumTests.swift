import Bytes
import Testing

@Suite("CRC32C and LZ4")
struct ChecksumTests {
    @Test("the check values of RFC 3720, appendix B.4")
    func knownValues() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xe306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(CRC32C.checksum([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(CRC32C.checksum((0..<32).map { UInt8($0) }) == 0x46dd_794e)
    }

    @Test("the processor's instruction and the tables agree, at every length and alignment")
    func twoWays() {
        let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 31 &+ $0) }
        var compared = 0
        for start in 0..<9 {
            for end in start...bytes.count {
                let part = bytes[start..<end]
                #expect(CRC32C.checksum(part) == CRC32C.portableChecksum(part))
                compared += 1
            }
        }
        #expect(CRC32C.portableChecksum(Array("123456789".utf8)) == 0xe306_9283)
        #expect(CRC32C.portableChecksum(AnySequence("123456789".utf8)) == 0xe306_9283)
        #expect(CRC32C.checksum(AnySequence("123456789".utf8)) == 0xe306_9283)
        #expect(compared == 2_673)
    }

    @Test("a seed continues a checksum at every cut")
    func continuation() {
        let bytes = (0..<41).map { UInt8(truncatingIfNeeded: $0 * 37) }
        let whole = CRC32C.checksum(bytes)
        for cut in 0...bytes.count {
            let head = CRC32C.checksum(bytes[..<cut])
            #expect(CRC32C.checksum(bytes[cut...], seed: head) == whole)
        }
    }

    @Test("every single flipped bit changes the checksum")
    func flippedBits() {
        let bytes = (0..<24).map { UInt8(truncatingIfNeeded: $0 * 11) }
        let checksum = CRC32C.checksum(bytes)
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(CRC32C.checksum(damaged) != checksum)
        }
    }

    @Test("LZ4 blocks come back, and what does not shrink is left alone")
    func lz4RoundTrip() throws {
        let repetitive = Array(String(repeating: "session ", count: 100).utf8)
        let block = try #require(LZ4Block.compress(repetitive[...]))
        #expect(block.count < repetitive.count)
        let restored = try LZ4Block.decompress(
            block[...],
            originalCount: repetitive.count,
            limit: 1_000
        )
        #expect(restored == repetitive)
        #expect(LZ4Block.compress([1, 2, 3][...]) == nil)
        #expect(LZ4Block.compress([]) == nil)
    }

    @Test("a damaged block or a wrong length is an error")
    func lz4Damage() throws {
        let bytes = Array(String(repeating: "session ", count: 100).utf8)
        let block = try #require(LZ4Block.compress(bytes[...]))
        for length in 0..<block.count {
            #expect(throws: DecodeError.self) {
                try LZ4Block.decompress(
                    block[..<length],
                    originalCount: bytes.count,
                    limit: 1_000
                )
            }
        }
        #expect(throws: DecodeError.self) {
            try LZ4Block.decompress(block[...], originalCount: bytes.count + 1, limit: 1_000)
        }
        #expect(throws: DecodeError.tooLarge(bytes.count)) {
            try LZ4Block.decompress(block[...], originalCount: bytes.count, limit: 10)
        }
    }
}
