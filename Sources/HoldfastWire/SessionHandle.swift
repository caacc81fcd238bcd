// The public half of a session id: 19 random characters of base64url and 3 routing characters.
//
//     114 random bits | 14 bits of the slot        in two words
//
// It names a session, may be shown and logged, and proves nothing. Parsing is strict: one text for
// one handle, so a mistyped one is refused rather than looked up.

/// The public half of a session id.
package struct SessionHandle: Hashable, Sendable {
    static let randomCount = 19
    /// How long the text form is.
    package static let byteCount = randomCount + RoutingCharacters.count

    /// The first 64 of the random bits.
    package let high: UInt64
    /// The other 50, and the slot in the lowest 14.
    package let low: UInt64

    /// A handle of the two words of another; any two words are a handle.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads the text form; nil for anything else.
    package init?(_ text: some Collection<UInt8>) {
        guard text.count == Self.byteCount else { return nil }
        self.init(exactly: Array(text))
    }

    /// Reads the text form; nil for anything else.
    package init?(text: String) { self.init(text.utf8) }

    private init?(exactly bytes: [UInt8]) {
        var packed: UInt128 = 0
        for byte in bytes[..<Self.randomCount] {
            let value = RoutingCharacters.values[Int(byte)]
            guard value < RoutingCharacters.alphabet.count else { return nil }
            packed = packed << 6 | UInt128(value)
        }
        packed = packed << 14 | UInt128(HashSlot.of(bytes))
        self.init(packed)
        // The routing characters follow from the rest: others are no handle of ours.
        guard ascii == bytes else { return nil }
    }

    private init(_ packed: UInt128) {
        self.init(
            high: UInt64(truncatingIfNeeded: packed >> 64),
            low: UInt64(truncatingIfNeeded: packed)
        )
    }

    /// A handle of the values of its characters, six bits each.
    init(digits: ArraySlice<UInt8>, slot: UInt16) {
        precondition(digits.count == Self.randomCount)
        precondition(slot < HashSlot.count)
        let random = digits.reduce(UInt128(0)) { $0 << 6 | UInt128($1 & 63) }
        self.init(random << 14 | UInt128(slot))
    }

    /// The slot of the handle, of its id, and of its subject.
    package var slot: UInt16 { UInt16(low & UInt64(HashSlot.count - 1)) }

    /// The text form.
    package var ascii: [UInt8] {
        let packed = UInt128(high) << 64 | UInt128(low)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        for place in 0..<Self.randomCount {
            let digit = packed >> (128 - 6 * (place + 1)) & 63
            bytes.append(RoutingCharacters.alphabet[Int(digit)])
        }
        bytes += RoutingCharacters.bringing(CRC16.update(0, bytes), to: slot)
        return bytes
    }

    /// The text form.
    package var text: String { String(decoding: ascii, as: UTF8.self) }
}

extension SessionHandle: CustomStringConvertible {
    /// The text form.
    package var description: String { text }
}
