// Bytes as lower-case hexadecimal digits and back. Works on ASCII bytes, not on strings: what
// passes here may be a key, and a key is put into as few objects as can be.

enum Hex {
    /// Two digits a byte.
    static func digits(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        bytes.flatMap { byte in [digit(byte >> 4), digit(byte & 0x0f)] }
    }

    /// The bytes that `digits` stand for; nil unless they are lower-case and even in number.
    static func bytes(_ digits: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        var upper: UInt8?
        for digit in digits {
            guard let value = value(digit) else { return nil }
            if let half = upper {
                bytes.append(half << 4 | value)
                upper = nil
            } else {
                upper = value
            }
        }
        return upper == nil ? bytes : nil
    }

    /// `value` is below 16.
    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
