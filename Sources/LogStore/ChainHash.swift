// The hash that chains the rows: SipHash-2-4 with 128 bits of output (Aumasson and Bernstein 2012;
// the 128-bit variant of the reference implementation), under a fixed key. It guards against lost,
// swapped and changed rows, not against an adversary who can write the disk: that one knows the
// key.
//
// A row holds the chain value of the row before it, and its own value is the hash of all its bytes;
// so the last value stands for the whole log. The first row continues a value made of the identity.

import Bytes

/// The hash of a row and, through it, of all rows before it.
struct ChainValue: Hashable {
    var high: UInt64
    var low: UInt64
}

/// A row of the log, and the value of the chain behind it: a place in the one history of the log.
struct ChainMark: Hashable {
    var sequence: UInt64
    var chain: ChainValue
}

/// SipHash-2-4-128.
struct ChainHash {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64

    /// The chain value of `bytes`.
    static func value(of bytes: [UInt8]) -> ChainValue {
        hash(bytes, key: (0x486f_6c64_6661_7374, 0x6c6f_6720_6368_6169))
    }

    static func hash(_ bytes: [UInt8], key: (UInt64, UInt64)) -> ChainValue {
        bytes.withUnsafeBytes { buffer in
            var state = ChainHash(key)
            var offset = 0
            while offset + 8 <= buffer.count {
                // Inside the buffer by the loop's condition; little-endian on every machine.
                let word = buffer.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                state.absorb(UInt64(littleEndian: word))
                offset += 8
            }
            var last = UInt64(truncatingIfNeeded: buffer.count) << 56
            for (position, byte) in buffer[offset...].enumerated() {
                last |= UInt64(byte) << UInt64(position * 8)
            }
            state.absorb(last)
            return state.finish()
        }
    }

    private init(_ key: (UInt64, UInt64)) {
        v0 = key.0 ^ 0x736f_6d65_7073_6575
        v1 = key.1 ^ 0x646f_7261_6e64_6f6d ^ 0xee
        v2 = key.0 ^ 0x6c79_6765_6e65_7261
        v3 = key.1 ^ 0x7465_6462_7974_6573
    }

    @inline(__always)
    private mutating func absorb(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    private mutating func finish() -> ChainValue {
        v2 ^= 0xee
        for _ in 0..<4 { round() }
        let low = v0 ^ v1 ^ v2 ^ v3
        v1 ^= 0xdd
        for _ in 0..<4 { round() }
        return ChainValue(high: v0 ^ v1 ^ v2 ^ v3, low: low)
    }

    @inline(__always)
    private mutating func round() {
        v0 &+= v1
        v1 = (v1 << 13 | v1 >> 51) ^ v0
        v0 = v0 << 32 | v0 >> 32
        v2 &+= v3
        v3 = (v3 << 16 | v3 >> 48) ^ v2
        v0 &+= v3
        v3 = (v3 << 21 | v3 >> 43) ^ v0
        v2 &+= v1
        v1 = (v1 << 17 | v1 >> 47) ^ v2
        v2 = v2 << 32 | v2 >> 32
    }
}

extension ChainMark {
    /// What the first row of a directory continues.
    init(startOf identity: Identity) {
        self.init(sequence: 0, chain: ChainHash.value(of: identity.encoded))
    }
}

extension ChainValue {
    /// The value after `block`, where `self` is the one after what precedes it.
    func continued(by block: ArraySlice<UInt8>) -> ChainValue {
        let own = ChainHash.value(of: Array(block))
        var writer = ByteWriter(capacity: 32)
        for word in [high, low, own.high, own.low] { writer.write(word) }
        return ChainHash.value(of: writer.bytes)
    }
}
