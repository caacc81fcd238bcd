// A client's bytes to requests: arrays of bulk strings, and inline commands as people type them.
// Incremental: it remembers how far it has come in a request, so no byte is looked at twice
// however the stream is cut.
//
//     idle -> (length -> payload) ... -> a request, or a refusal
//     anything that breaks the framing -> broken
//
// A request over a limit is read to its end and dropped as it comes; the connection goes on.
//
// It must never believe a length before its bytes are there, nor hold more than one request of
// the largest size and what its caller fed behind it.

package import NIOCore

/// What the bytes of a client amount to.
package enum ParsedRequest: Sendable {
    case request(RequestFrame)
    /// A request over a limit was skipped to its end; the text is the error to answer.
    case tooLarge(String)
    /// The framing is lost; the text is Redis's own. After answering it, close.
    case protocolError(String)
}

/// Reads the requests of one connection.
package struct RequestParser: Sendable {
    private enum State: Sendable {
        /// Between requests. Leaves for `length` at an array that is not empty.
        case idle
        /// At the length of the next of `remaining` arguments.
        case length(remaining: Int)
        /// In an argument: `left` bytes of it, its line end included. Leaves for `length`, and
        /// from the last argument for `idle`.
        case payload(left: Int, remaining: Int)
        /// No way out: `next()` answers nil for ever.
        case broken
    }

    /// What becomes of the request at the front.
    private enum Fate: Sendable {
        case kept
        /// It is over a limit. The error to answer at its end.
        case refused(String)
    }

    private let limits: RequestLimits
    private var input = ReceiveBuffer()
    private var state = State.idle
    private var fate = Fate.kept
    /// How much of the input is parsed: the part of the request at the front that is still held.
    private var parsed = 0
    /// How far the input was searched for the end of the line at `parsed`; never below `parsed`.
    private var searched = 0
    /// The arguments of the request at the front so far, while it is kept.
    private var places: [RequestFrame.Place] = []
    /// How many bytes were looked at; a test holds it to the bytes fed.
    private(set) var scannedBytes = 0

    /// A parser at the beginning of a connection.
    package init(limits: RequestLimits = RequestLimits()) { self.limits = limits }

    /// How many bytes it holds that no call of `next()` has answered yet.
    package var bufferedBytes: Int { input.count }

    /// How many bytes were copied for being left over; a test holds it to the bytes fed.
    var movedBytes: Int { input.movedBytes }

    /// Takes all of `bytes`.
    package mutating func feed(_ bytes: inout ByteBuffer) {
        input.take(&bytes)
        if case .broken = state { input = ReceiveBuffer() }
    }

    /// The next request; nil until more bytes have come.
    package mutating func next() -> ParsedRequest? {
        while true {
            switch advance() {
            case .again: continue
            case .finished(let result): return result
            case .starved:
                input.settle()
                return nil
            }
        }
    }

    private enum Step {
        case again
        case starved
        case finished(ParsedRequest)
    }

    private mutating func advance() -> Step {
        switch state {
        case .idle: readBeginning()
        case .length(let remaining): readLength(remaining)
        case .payload(let left, let remaining): readPayload(left, remaining)
        case .broken: .starved
        }
    }

    // MARK: The parts of a request

    private mutating func readBeginning() -> Step {
        guard input.count > 0 else { return .starved }
        guard input.byte(at: 0) == UInt8(ascii: "*") else { return readInline() }
        switch takeNumber() {
        case .starved: return .starved
        case .tooLong: return fail("too big mbulk count string")
        case .invalid: return fail("invalid multibulk length")
        case .number(let count):
            guard count <= limits.argumentsMax else { return fail("invalid multibulk length") }
            guard count > 0 else {
                // As in Redis: an empty array is no request, and a negative count no error.
                dropParsed()
                return .again
            }
            places.reserveCapacity(min(Int(count), WireLimits.reservedElementsMax))
            state = .length(remaining: Int(count))
            return .again
        }
    }

    private mutating func readLength(_ remaining: Int) -> Step {
        guard input.count > parsed else { return .starved }
        let type = input.byte(at: parsed)
        guard type == UInt8(ascii: "$") else {
            return fail("expected '$', got '\(Self.printable(type))'")
        }
        switch takeNumber() {
        case .starved: return .starved
        case .tooLong: return fail("too big bulk count string")
        case .invalid: return fail("invalid bulk length")
        case .number(let length):
            guard length >= 0, length <= WireLimits.skippedBytesMax else {
                return fail("invalid bulk length")
            }
            place(Int(length))
            state = .payload(left: Int(length) + 2, remaining: remaining)
            return .again
        }
    }

    /// Notes where the argument of `count` bytes lies that begins at `parsed`, or refuses it.
    private mutating func place(_ count: Int) {
        guard case .kept = fate else { return dropParsed() }
        guard count <= limits.argumentBytesMax else {
            return refuse("string", limits.argumentBytesMax)
        }
        guard parsed + count + 2 <= limits.requestBytesMax else {
            return refuse("request", limits.requestBytesMax)
        }
        places.append(RequestFrame.Place(start: parsed, count: count))
    }

    private mutating func readPayload(_ left: Int, _ remaining: Int) -> Step {
        guard let left = skipped(left, remaining) else { return .starved }
        guard input.count - parsed >= left else { return .starved }
        let end = parsed + left
        guard input.byte(at: end - 2) == UInt8(ascii: "\r"),
            input.byte(at: end - 1) == UInt8(ascii: "\n")
        else { return fail("expected a line end after a bulk string") }
        parsed = end
        searched = end
        guard remaining == 1 else {
            state = .length(remaining: remaining - 1)
            return .again
        }
        state = .idle
        switch fate {
        case .kept: return .finished(.request(takeFrame()))
        case .refused(let text):
            fate = .kept
            dropParsed()
            return .finished(.tooLarge(text))
        }
    }

    /// Of a refused request, drops what has come of a payload; answers what is left of it, or nil
    /// while more than its line end is to come.
    private mutating func skipped(_ left: Int, _ remaining: Int) -> Int? {
        guard case .refused = fate, left > 2 else { return left }
        dropParsed()
        let count = min(left - 2, input.count)
        input.drop(count)
        state = .payload(left: left - count, remaining: remaining)
        return left - count == 2 ? 2 : nil
    }

    private mutating func readInline() -> Step {
        let line: [UInt8]
        switch find(UInt8(ascii: "\n")) {
        case .starved: return .starved
        case .tooLong: return fail("too big inline request")
        case .found(let end):
            let isReturned = end > 0 && input.byte(at: end - 1) == UInt8(ascii: "\r")
            line = input.copy(0..<(isReturned ? end - 1 : end))
            parsed = end + 1
        }
        dropParsed()
        guard let words = InlineWords.split(line) else {
            return fail("unbalanced quotes in request")
        }
        guard !words.isEmpty else { return .again }
        guard words.allSatisfy({ $0.count <= limits.argumentBytesMax }) else {
            return .finished(.tooLarge(Self.excess("string", limits.argumentBytesMax)))
        }
        guard words.count <= limits.argumentsMax else {
            return .finished(.tooLarge("ERR too many arguments"))
        }
        return .finished(.request(RequestFrame(arguments: words)))
    }

    // MARK: Ends

    private mutating func takeFrame() -> RequestFrame {
        let frame = RequestFrame(bytes: input.slice(parsed), places: places)
        parsed = 0
        searched = 0
        places = []
        return frame
    }

    private mutating func refuse(_ what: String, _ limit: Int) {
        fate = .refused(Self.excess(what, limit))
        places = []
        dropParsed()
    }

    private static func excess(_ what: String, _ limit: Int) -> String {
        "ERR \(what) exceeds maximum allowed size (\(limit) bytes)"
    }

    private mutating func fail(_ text: String) -> Step {
        state = .broken
        input = ReceiveBuffer()
        places = []
        return .finished(.protocolError("ERR Protocol error: " + text))
    }

    private static func printable(_ byte: UInt8) -> String {
        (0x20...0x7e).contains(byte) ? String(UnicodeScalar(byte)) : "?"
    }

    // MARK: Lines

    private enum Number {
        case starved
        case tooLong
        case invalid
        /// Taken: `parsed` is behind its line.
        case number(Int64)
    }

    /// The number on the line at `parsed`, behind its type.
    private mutating func takeNumber() -> Number {
        let end: Int
        switch find(UInt8(ascii: "\r")) {
        case .starved: return .starved
        case .tooLong: return .tooLong
        case .found(let found): end = found
        }
        // Not searched again: `searched` stands at the carriage return.
        guard input.count > end + 1 else { return .starved }
        guard input.byte(at: end + 1) == UInt8(ascii: "\n") else { return .invalid }
        guard let number = input.number(in: parsed + 1..<end) else { return .invalid }
        parsed = end + 2
        searched = parsed
        return .number(number)
    }

    private enum Search {
        case starved
        case tooLong
        case found(Int)
    }

    /// Where the line at `parsed` ends. `tooLong` does not depend on how the stream was cut.
    private mutating func find(_ terminator: UInt8) -> Search {
        let limit = parsed + limits.inlineBytesMax + 1
        let place = input.search(terminator, from: searched, to: limit)
        scannedBytes += place - searched + 1
        searched = place
        guard place < limit else { return .tooLong }
        return place < input.count ? .found(place) : .starved
    }

    private mutating func dropParsed() {
        input.drop(parsed)
        parsed = 0
        searched = 0
    }
}
