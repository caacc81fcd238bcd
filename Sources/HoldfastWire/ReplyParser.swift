// A server's bytes to replies, RESP2 and RESP3. Incremental, with a stack of its own for aggregates
// within aggregates: no recursion, and no byte is looked at twice however the stream is cut.
//
//     value -> a line: a value, or an aggregate is opened, or -> payload -> value
//     anything that is no reply, or over a limit -> failed
//
// It must never grow on the word of a length, hold more than one reply of the largest size, or go
// on after bytes that are no reply.

package import NIOCore

/// Why bytes are not a reply. The connection must end.
package enum ReplyError: Error, Hashable, Sendable {
    /// A line that begins with none of the types.
    case unknownType(UInt8)
    /// A line that does not say what its type needs, or a string that does not end where it should.
    case badLine
    /// A length that is no number, or below what its type has.
    case badLength
    /// Aggregates within aggregates beyond the limit.
    case tooDeep
    /// More bytes or elements than the limits.
    case tooLarge
}

/// Reads the replies of one connection.
package struct ReplyParser: Sendable {
    private enum State: Sendable {
        /// At the line of the next value.
        case value
        /// In a string of so many bytes, behind its line; `type` is that of the line.
        case payload(type: UInt8, length: Int)
        /// No way out.
        case failed(ReplyError)
    }

    /// An aggregate whose elements are being read.
    private struct Open: Sendable {
        enum Kind: Sendable { case array, map, set, push, attribute }

        var kind: Kind
        var remaining: Int
        var elements: [RESPValue] = []
    }

    /// What one step of reading gives.
    private enum Token {
        case starved
        /// Something was read that gives no value by itself.
        case nothing
        case value(RESPValue)
        case open(Open.Kind, count: Int)
    }

    private let limits: ReplyLimits
    private var input = ReceiveBuffer()
    private var state = State.value
    /// From the outermost; never longer than the limit of depth.
    private var stack: [Open] = []
    /// How far the line at the front was searched for its end.
    private var searched = 0
    /// Bytes and elements of the reply at the front; both stay within their limits.
    private var replyBytes = 0
    private var replyElements = 0
    /// How many bytes were looked at; a test holds it to the bytes fed.
    private(set) var scannedBytes = 0

    /// A parser at the beginning of a connection.
    package init(limits: ReplyLimits = ReplyLimits()) { self.limits = limits }

    /// How many bytes wait to be read; those of elements already read are not among them.
    package var bufferedBytes: Int { input.count }

    /// How many bytes were copied for being left over; a test holds it to the bytes fed.
    var movedBytes: Int { input.movedBytes }

    /// Takes all of `bytes`.
    package mutating func feed(_ bytes: inout ByteBuffer) {
        input.take(&bytes)
        if case .failed = state { input = ReceiveBuffer() }
    }

    /// The next reply or push; nil until more bytes have come. After an error, the same error for
    /// ever.
    package mutating func next() throws(ReplyError) -> RESPValue? {
        if case .failed(let error) = state { throw error }
        do {
            return try readReply()
        } catch {
            state = .failed(error)
            input = ReceiveBuffer()
            stack = []
            throw error
        }
    }

    private mutating func readReply() throws(ReplyError) -> RESPValue? {
        while true {
            let value: RESPValue?
            switch try readToken() {
            case .starved:
                input.settle()
                return nil
            case .nothing: continue
            case .value(let read): value = read
            case .open(let kind, let count):
                guard count == 0 else {
                    try open(kind, count)
                    continue
                }
                value = Self.value(kind, [])
            }
            if let whole = place(value) {
                replyBytes = 0
                replyElements = 0
                return whole
            }
        }
    }

    // MARK: Aggregates

    private mutating func open(_ kind: Open.Kind, _ count: Int) throws(ReplyError) {
        guard stack.count < limits.depthMax else { throw .tooDeep }
        var open = Open(kind: kind, remaining: count)
        open.elements.reserveCapacity(min(count, WireLimits.reservedElementsMax))
        stack.append(open)
    }

    /// Puts a value where it belongs, and closes what it completes. Answers the whole reply once
    /// its last part is there.
    private mutating func place(_ value: RESPValue?) -> RESPValue? {
        var value = value
        while let top = stack.indices.last {
            // Nil is an attribute: it says something about the next value, which nobody asks.
            guard let element = value else { return nil }
            stack[top].elements.append(element)
            stack[top].remaining -= 1
            guard stack[top].remaining == 0 else { return nil }
            let done = stack.removeLast()
            value = Self.value(done.kind, done.elements)
        }
        return value
    }

    private static func value(_ kind: Open.Kind, _ elements: [RESPValue]) -> RESPValue? {
        switch kind {
        case .array: .array(elements)
        case .set: .set(elements)
        case .push: .push(elements)
        case .attribute: nil
        case .map:
            .map(
                stride(from: 0, to: elements.count, by: 2).map {
                    RESPPair(key: elements[$0], value: elements[$0 + 1])
                }
            )
        }
    }

    // MARK: Tokens

    private mutating func readToken() throws(ReplyError) -> Token {
        if case .payload(let type, let length) = state { return try readPayload(type, length) }
        guard let end = try lineEnd() else { return .starved }
        // A line has at least its type: `lineEnd` throws for none.
        let type = input.byte(at: 0)
        let token = try read(type, 1..<end)
        try take(end + 2)
        return token
    }

    /// Where the line at the front ends; nil until it has come. What it answers does not depend on
    /// how the stream was cut.
    private mutating func lineEnd() throws(ReplyError) -> Int? {
        let limit = limits.lineBytesMax + 1
        let end = input.search(UInt8(ascii: "\r"), from: searched, to: limit)
        scannedBytes += end - searched + 1
        searched = end
        guard end < limit else { throw .tooLarge }
        guard end + 1 < input.count else { return nil }
        guard end > 0, input.byte(at: end + 1) == UInt8(ascii: "\n") else { throw .badLine }
        return end
    }

    /// Drops bytes that were read, and counts them.
    private mutating func take(_ count: Int) throws(ReplyError) {
        input.drop(count)
        searched = 0
        replyBytes += count
        guard replyBytes <= limits.replyBytesMax else { throw .tooLarge }
    }

    private mutating func read(_ type: UInt8, _ line: Range<Int>) throws(ReplyError) -> Token {
        switch type {
        case UInt8(ascii: "$"), UInt8(ascii: "="), UInt8(ascii: "!"):
            return try openString(type, line)
        case UInt8(ascii: "*"): return try aggregate(.array, line, width: 1)
        case UInt8(ascii: "~"): return try aggregate(.set, line, width: 1)
        case UInt8(ascii: "%"): return try aggregate(.map, line, width: 2)
        case UInt8(ascii: "|"): return try aggregate(.attribute, line, width: 2)
        case UInt8(ascii: ">"):
            // Out of band: never within a reply.
            guard stack.isEmpty else { throw .badLine }
            return try aggregate(.push, line, width: 1)
        default: return .value(try simple(type, line))
        }
    }

    private func simple(_ type: UInt8, _ line: Range<Int>) throws(ReplyError) -> RESPValue {
        switch type {
        case UInt8(ascii: ":"):
            guard let number = input.number(in: line) else { throw .badLine }
            return .integer(number)
        case UInt8(ascii: "_"):
            guard line.isEmpty else { throw .badLine }
            return .null
        case UInt8(ascii: "+"): return .status(try text(line))
        case UInt8(ascii: "-"): return .error(try text(line))
        case UInt8(ascii: "#"):
            let text = input.text(line)
            guard text == "t" || text == "f" else { throw .badLine }
            return .boolean(text == "t")
        case UInt8(ascii: ","):
            guard let number = Self.double(input.text(line)) else { throw .badLine }
            return .double(number)
        case UInt8(ascii: "("):
            let text = input.text(line)
            guard Self.isBigNumber(text) else { throw .badLine }
            return .bigNumber(text)
        default: throw .unknownType(type)
        }
    }

    /// The text of a line; a line feed alone within it would be two lines to another reader.
    private func text(_ line: Range<Int>) throws(ReplyError) -> String {
        let end = input.search(UInt8(ascii: "\n"), from: line.lowerBound, to: line.upperBound)
        guard end == line.upperBound else { throw .badLine }
        return input.text(line)
    }

    private mutating func aggregate(
        _ kind: Open.Kind,
        _ line: Range<Int>,
        width: Int
    ) throws(ReplyError) -> Token {
        guard let count = input.number(in: line) else { throw .badLength }
        // The null of RESP2, which has it for arrays too.
        if count == -1, kind == .array { return .value(.null) }
        guard count >= 0 else { throw .badLength }
        guard count <= limits.elementsMax else { throw .tooLarge }
        let elements = Int(count) * width
        guard replyElements + elements <= limits.elementsMax else { throw .tooLarge }
        replyElements += elements
        return .open(kind, count: elements)
    }

    private mutating func openString(
        _ type: UInt8,
        _ line: Range<Int>
    ) throws(ReplyError) -> Token {
        guard let length = input.number(in: line) else { throw .badLength }
        if length == -1, type == UInt8(ascii: "$") { return .value(.null) }
        guard length >= 0 else { throw .badLength }
        guard length <= limits.stringBytesMax,
            replyBytes + Int(length) <= limits.replyBytesMax
        else { throw .tooLarge }
        state = .payload(type: type, length: Int(length))
        return .nothing
    }

    private mutating func readPayload(_ type: UInt8, _ length: Int) throws(ReplyError) -> Token {
        guard input.count >= length + 2 else { return .starved }
        guard input.byte(at: length) == UInt8(ascii: "\r"),
            input.byte(at: length + 1) == UInt8(ascii: "\n")
        else { throw .badLine }
        let value: RESPValue
        switch type {
        case UInt8(ascii: "$"): value = .bulk(input.copy(0..<length))
        case UInt8(ascii: "!"): value = .error(input.text(0..<length))
        default:
            guard length >= 4, input.byte(at: 3) == UInt8(ascii: ":"),
                input.copy(0..<3).allSatisfy({ (0x20...0x7e).contains($0) })
            else { throw .badLine }
            value = .verbatim(format: input.text(0..<3), input.copy(4..<length))
        }
        try take(length + 2)
        state = .value
        return .value(value)
    }

    // MARK: Numbers

    /// Digits and exponents, and the names that RESP3 has; not the hexadecimal that Swift takes.
    private static func double(_ text: String) -> Double? {
        switch text {
        case "inf": .infinity
        case "-inf": -.infinity
        case "nan", "-nan": .nan
        default: text.utf8.allSatisfy(isDecimal) ? Double(text) : nil
        }
    }

    private static func isDecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    private static func isBigNumber(_ text: String) -> Bool {
        let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
        return !digits.isEmpty && digits.allSatisfy { (0x30...0x39).contains($0) }
    }
}
