// CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum over peer frames, log records and
// snapshot sections. By the processor's instruction where there is one, else slicing-by-8: eight
// table look-ups for eight bytes. The result is the same.

import CChecksum

/// CRC-32C of byte strings.
package enum CRC32C {
    /// The checksum of `bytes`, or of the concatenation when `seed` is the checksum of what
    /// precedes.
    package static func checksum(_ bytes: some Sequence<UInt8>, seed: UInt32 = 0) -> UInt32 {
        let contiguous = bytes.withContiguousStorageIfAvailable { buffer -> UInt32 in
            guard hasInstruction, let start = buffer.baseAddress else {
                return update(~seed, buffer)
            }
            return checksum_crc32c(~seed, start, buffer.count)
        }
        if let contiguous { return ~contiguous }
        return portableChecksum(bytes, seed: seed)
    }

    /// The same without the instruction, a byte at a time where `bytes` are not contiguous.
    package static func portableChecksum(
        _ bytes: some Sequence<UInt8>,
        seed: UInt32 = 0
    ) -> UInt32 {
        if let crc = bytes.withContiguousStorageIfAvailable({ update(~seed, $0) }) { return ~crc }
        var crc = ~seed
        for byte in bytes {
            crc = step(crc, byte)
        }
        return ~crc
    }

    private static let hasInstruction = checksum_has_crc32c()

    @inline(__always)
    private static func step(_ crc: UInt32, _ byte: UInt8) -> UInt32 {
        tables[Int((crc ^ UInt32(byte)) & 0xff)] ^ (crc >> 8)
    }

    private static func update(_ initial: UInt32, _ buffer: UnsafeBufferPointer<UInt8>) -> UInt32 {
        var crc = initial
        var offset = 0
        tables.withUnsafeBufferPointer { table in
            while offset + 8 <= buffer.count {
                var word: UInt64 = 0
                for index in 0..<8 {
                    word |= UInt64(buffer[offset + index]) << UInt64(index * 8)
                }
                word ^= UInt64(crc)
                crc = 0
                for index in 0..<8 {
                    let byte = Int((word >> UInt64(index * 8)) & 0xff)
                    crc ^= table[(7 - index) * 256 + byte]
                }
                offset += 8
            }
        }
        while offset < buffer.count {
            crc = step(crc, buffer[offset])
            offset += 1
        }
        return crc
    }

    /// Eight tables of 256 entries; table k advances a byte by k further zero bytes.
    private static let tables: [UInt32] = {
        let reversedPolynomial: UInt32 = 0x82f6_3b78
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 {
                crc = crc & 1 == 1 ? (crc >> 1) ^ reversedPolynomial : crc >> 1
            }
            tables[byte] = crc
        }
        for table in 1..<8 {
            for byte in 0..<256 {
                let previous = tables[(table - 1) * 256 + byte]
                tables[table * 256 + byte] = tables[Int(previous & 0xff)] ^ (previous >> 8)
            }
        }
        return tables
    }()
}
