// What names a record: the bytes of a Redis key, or the 128 bits of a session's handle; and what
// proves the right to a session: the SHA-256 of its secret. The secret itself never reaches this
// module.

/// The name of a plain value on the Redis face: any bytes, at most `Limits.keyBytes`.
package struct Key: Hashable, Sendable {
    package let bytes: ArraySlice<UInt8>

    @inline(__always)
    package init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }
    package init(_ bytes: [UInt8]) { self.bytes = bytes[...] }
}

/// The public half of a session id: 114 random bits and the slot, in two words.
package struct SessionHandle128: Hashable, Comparable, Sendable {
    package let high: UInt64
    package let low: UInt64

    @inline(__always)
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package static func < (left: SessionHandle128, right: SessionHandle128) -> Bool {
        left.high == right.high ? left.low < right.low : left.high < right.high
    }
}

/// SHA-256 of a session's secret: 32 bytes as four little-endian words.
///
/// Equality takes the same time wherever the first difference is, so that an answer's delay tells
/// nothing about the stored bytes.
package struct SecretDigest: Equatable, Sendable {
    package let word0: UInt64
    package let word1: UInt64
    package let word2: UInt64
    package let word3: UInt64

    package init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    package static func == (left: SecretDigest, right: SecretDigest) -> Bool {
        var difference = left.word0 ^ right.word0
        difference |= left.word1 ^ right.word1
        difference |= left.word2 ^ right.word2
        difference |= left.word3 ^ right.word3
        return difference == 0
    }
}

extension SecretDigest: CustomStringConvertible {
    /// Nothing of the digest: it must not appear in a log line by accident.
    package var description: String { "SecretDigest(redacted)" }
}
