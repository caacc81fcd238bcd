// Numbers on the wire, read as strictly as `string2ll` of Redis does: no blanks, no plus sign, no
// leading zeros, nothing beyond 64 signed bits. One number has one text.

import NIOCore

enum DecimalText {
    /// The longest: `Int64.min` with its sign.
    static let byteCountMax = 20

    /// The number that `text` is; nil for anything else.
    static func parse(_ text: Span<UInt8>) -> Int64? {
        guard text.count >= 1, text.count <= byteCountMax else { return nil }
        let isNegative = text[0] == UInt8(ascii: "-")
        let first = isNegative ? 1 : 0
        guard first < text.count else { return nil }
        guard text[first] != UInt8(ascii: "0") else { return text.count == 1 ? 0 : nil }
        // Built downwards: the lowest number has no positive twin.
        var value: Int64 = 0
        for place in first..<text.count {
            let digit = text[place] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            let (product, isOver) = value.multipliedReportingOverflow(by: 10)
            let (sum, isUnder) = product.subtractingReportingOverflow(Int64(digit))
            guard !isOver, !isUnder else { return nil }
            value = sum
        }
        guard !isNegative else { return value }
        return value == .min ? nil : -value
    }
}

extension ByteBuffer {
    /// Writes a line of a type and a number: `*3`, `$11`, `:-1`.
    mutating func writeRESPLine(_ type: Unicode.Scalar, _ number: Int64) {
        var digits = InlineArray<20, UInt8>(repeating: UInt8(ascii: "0"))
        var rest = number.magnitude
        var first = digits.count
        repeat {
            first -= 1
            digits[first] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        writeWithOutputRawSpan(minimumWritableBytes: DecimalText.byteCountMax + 3) { line in
            line.append(UInt8(ascii: type))
            if number < 0 { line.append(UInt8(ascii: "-")) }
            for place in first..<digits.count { line.append(digits[place]) }
            line.append(UInt8(ascii: "\r"))
            line.append(UInt8(ascii: "\n"))
        }
    }

    /// Writes one bulk string.
    mutating func writeRESPBulk(_ bytes: some Collection<UInt8>) {
        writeRESPLine("$", Int64(bytes.count))
        writeBytes(bytes)
        writeLineEnd()
    }

    /// Ends a line or a string.
    mutating func writeLineEnd() { writeInteger(UInt16(0x0d0a)) }
}
