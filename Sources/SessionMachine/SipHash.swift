// SipHash-1-3 (Aumasson and Bernstein, 2012; the 1-3 variant as in Rust and Swift): a keyed hash
// for tables whose keys strangers choose. The key is per group and part of the replicated state, so
// all replicas agree, and nobody outside can aim keys at one bucket. Swift's own `Hasher` is seeded
// per process and therefore of no use here.

/// The key of a group's hash tables: secret, the same on every replica, fixed when the group is
/// made.
package struct HashSeed: Equatable, Sendable {
    package let low: UInt64
    package let high: UInt64

    package init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
}

struct SipHash {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64

    private init(_ seed: HashSeed) {
        v0 = seed.low ^ 0x736f_6d65_7073_6575
        v1 = seed.high ^ 0x646f_7261_6e64_6f6d
        v2 = seed.low ^ 0x6c79_6765_6e65_7261
        v3 = seed.high ^ 0x7465_6462_7974_6573
    }

    static func hash(_ bytes: ArraySlice<UInt8>, seed: HashSeed) -> UInt64 {
        let span = bytes.span.bytes
        var state = SipHash(seed)
        var offset = 0
        while offset + 8 <= span.byteCount {
            state.absorb(span.word(at: offset))
            offset += 8
        }
        let length = UInt64(truncatingIfNeeded: span.byteCount) << 56
        state.absorb(span.tail(from: offset) | length)
        return state.finish()
    }

    static func hash(_ handle: SessionHandle128, seed: HashSeed) -> UInt64 {
        var state = SipHash(seed)
        state.absorb(handle.high)
        state.absorb(handle.low)
        state.absorb(16 << 56)
        return state.finish()
    }

    @inline(__always)
    private mutating func absorb(_ word: UInt64) {
        v3 ^= word
        round()
        v0 ^= word
    }

    @inline(__always)
    private mutating func finish() -> UInt64 {
        v2 ^= 0xff
        round()
        round()
        round()
        return v0 ^ v1 ^ v2 ^ v3
    }

    @inline(__always)
    private mutating func round() {
        v0 &+= v1
        v1 = v1.rotated(by: 13) ^ v0
        v0 = v0.rotated(by: 32)
        v2 &+= v3
        v3 = v3.rotated(by: 16) ^ v2
        v0 &+= v3
        v3 = v3.rotated(by: 21) ^ v0
        v2 &+= v1
        v1 = v1.rotated(by: 17) ^ v2
        v2 = v2.rotated(by: 32)
    }
}

extension UInt64 {
    @inline(__always)
    fileprivate func rotated(by count: UInt64) -> UInt64 {
        (self << count) | (self >> (64 - count))
    }
}
