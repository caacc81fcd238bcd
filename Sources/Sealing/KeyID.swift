// What a key is called. The name is derived from the key (see `SecretKey.id`), so that a wrong key
// under a right name cannot exist: a wrong key is a missing key, and is told as one. It says
// nothing of the key to whoever reads it, and may stand in files, logs and answers.

/// The name of a master key: 64 bits of a hash of it. As text, 16 lower-case hexadecimal digits.
package struct KeyID: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

extension KeyID: LosslessStringConvertible {
    /// Nil unless the text is exactly what `description` says of an id.
    package init?(_ text: String) {
        // Lenient first, strict then: a sign, or an upper-case digit, is also read as a number.
        guard text.utf8.count == 16, let value = UInt64(text, radix: 16) else { return nil }
        rawValue = value
        guard description == text else { return nil }
    }

    package var description: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
