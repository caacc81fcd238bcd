// Replies to bytes, in the version of the protocol that the client asked for. The writer holds no
// state but its buffer: whoever opens an aggregate writes its elements next.
//
// It must never let a text break the framing: line ends within one become spaces.

package import NIOCore

/// Writes replies behind what its buffer holds.
package struct ReplyWriter: Sendable {
    /// What is written so far; its owner may take it whenever a reply is complete.
    package var buffer: ByteBuffer
    /// What is written next is in this version.
    package var version: RESPVersion

    /// A writer that appends to `buffer`.
    package init(buffer: ByteBuffer, version: RESPVersion) {
        self.buffer = buffer
        self.version = version
    }

    // MARK: Scalars

    /// A status that is known at compile time.
    package mutating func status(_ text: StaticString) {
        buffer.writeInteger(UInt8(ascii: "+"))
        buffer.writeStaticString(text)
        buffer.writeLineEnd()
    }

    /// A status. Literals go to the other overload.
    @_disfavoredOverload
    package mutating func status(_ text: String) { line("+", text) }

    /// An error: a code in capitals, a space, and words.
    package mutating func error(_ text: String) { line("-", text) }

    /// A number.
    package mutating func integer(_ value: Int64) { buffer.writeRESPLine(":", value) }

    /// A string of any bytes.
    package mutating func bulk(_ bytes: some Collection<UInt8>) { buffer.writeRESPBulk(bytes) }

    /// A string of text.
    package mutating func bulk(_ text: String) { buffer.writeRESPBulk(text.utf8) }

    /// No value.
    package mutating func null() {
        buffer.writeStaticString(version == .three ? "_\r\n" : "$-1\r\n")
    }

    /// No value where an array would be.
    package mutating func nullArray() {
        buffer.writeStaticString(version == .three ? "_\r\n" : "*-1\r\n")
    }

    /// Yes or no; in RESP2 1 or 0.
    package mutating func boolean(_ value: Bool) {
        guard version == .three else { return integer(value ? 1 : 0) }
        buffer.writeStaticString(value ? "#t\r\n" : "#f\r\n")
    }

    /// A number with a fraction, in the fewest digits that give it back; in RESP2 as a string.
    package mutating func double(_ value: Double) {
        let text = Self.text(of: value)
        guard version == .three else { return bulk(text) }
        line(",", text)
    }

    // MARK: Aggregates

    /// Opens an array: its `count` elements are written next.
    package mutating func array(_ count: Int) { buffer.writeRESPLine("*", Int64(count)) }

    /// Opens a map: `pairs` times a key and a value are written next. In RESP2 an array of both.
    package mutating func map(_ pairs: Int) {
        guard version == .three else { return array(pairs * 2) }
        buffer.writeRESPLine("%", Int64(pairs))
    }

    /// Opens a set: its `count` elements are written next. In RESP2 an array.
    package mutating func set(_ count: Int) {
        guard version == .three else { return array(count) }
        buffer.writeRESPLine("~", Int64(count))
    }

    /// Opens a push: its `count` elements are written next. In RESP2 an array.
    package mutating func push(_ count: Int) {
        guard version == .three else { return array(count) }
        buffer.writeRESPLine(">", Int64(count))
    }

    // MARK: Values

    /// A whole value. It recurses as deep as the value, which its parser has bounded.
    package mutating func value(_ value: RESPValue) {
        switch value {
        case .status(let text): status(text)
        case .error(let text): error(text)
        case .integer(let number): integer(number)
        case .bulk(let bytes): bulk(bytes)
        case .null: null()
        case .boolean(let flag): boolean(flag)
        case .double(let number): double(number)
        case .bigNumber(let digits): version == .three ? line("(", digits) : bulk(digits)
        case .verbatim(let format, let bytes): verbatim(format, bytes)
        case .array(let elements):
            array(elements.count)
            for element in elements { self.value(element) }
        case .set(let elements):
            set(elements.count)
            for element in elements { self.value(element) }
        case .push(let elements):
            push(elements.count)
            for element in elements { self.value(element) }
        case .map(let pairs):
            map(pairs.count)
            for pair in pairs {
                self.value(pair.key)
                self.value(pair.value)
            }
        }
    }

    /// A format of other than three bytes has no form on the wire: the text goes without it.
    private mutating func verbatim(_ format: String, _ bytes: [UInt8]) {
        guard version == .three, format.utf8.count == 3 else { return bulk(bytes) }
        buffer.writeRESPLine("=", Int64(bytes.count + 4))
        buffer.writeString(format)
        buffer.writeInteger(UInt8(ascii: ":"))
        buffer.writeBytes(bytes)
        buffer.writeLineEnd()
    }

    private mutating func line(_ type: Unicode.Scalar, _ text: String) {
        buffer.writeInteger(UInt8(ascii: type))
        if text.utf8.contains(where: Self.endsLine) {
            buffer.writeBytes(text.utf8.map { Self.endsLine($0) ? UInt8(ascii: " ") : $0 })
        } else {
            buffer.writeString(text)
        }
        buffer.writeLineEnd()
    }

    private static func endsLine(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n")
    }

    /// As Redis writes them: whole numbers without a point, and its own names for the rest.
    private static func text(of value: Double) -> String {
        guard !value.isNaN else { return "nan" }
        guard value.isFinite else { return value < 0 ? "-inf" : "inf" }
        let text = value.description
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}
