// The fingerprint of the whole state, for replicas to compare inside the log.
//
// Each record contributes a hash of its bytes and deadline; the sum of all contributions (mod 2^64)
// does not depend on their order, and a write changes it by new minus old. The clock and the
// counters are mixed in when it is read. It finds faults, bugs and bit flips, not forgers: the
// constants are public. Fold-multiply (as in wyhash) over 16 bytes a step: about 20 ns for 300
// bytes.

/// A 64-bit fingerprint of a machine's state.
package struct StateDigest: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
}

enum DigestFunction {
    private static let salt0: UInt64 = 0xa076_1d64_78bd_642f
    private static let salt1: UInt64 = 0xe703_7ed1_a0b4_28db
    private static let salt2: UInt64 = 0x8ebc_6af0_9c88_c6e3
    private static let salt3: UInt64 = 0x5899_65cc_7537_4cc3

    /// What one record adds to the sum. `deadline` is nil for a record that does not expire.
    static func contribution(_ payload: [UInt8], deadline: MachineTime?) -> UInt64 {
        let span = payload.span.bytes
        var state = UInt64(truncatingIfNeeded: span.byteCount) ^ salt0
        var offset = 0
        while offset + 16 <= span.byteCount {
            state = fold(span.word(at: offset) ^ state, span.word(at: offset + 8) ^ salt1)
            offset += 16
        }
        if offset + 8 <= span.byteCount {
            state = fold(span.word(at: offset) ^ state, salt2)
            offset += 8
        }
        state = fold(span.tail(from: offset) ^ state, salt3)
        return mix(state, deadline?.millisecondsSince1970 ?? UInt64.max)
    }

    /// Two words into one, each bit of both spread over all of the result.
    @inline(__always)
    static func mix(_ left: UInt64, _ right: UInt64) -> UInt64 {
        fold(fold(left ^ salt0, right ^ salt1) ^ salt2, salt3)
    }

    @inline(__always)
    private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }
}
