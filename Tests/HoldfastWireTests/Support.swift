// What the tests of this module share: a fixed source of chance, streams cut into pieces, and what
// a parser made of them in a form that can be compared.

import NIOCore
import Testing

@testable import HoldfastWire

/// SplitMix64: the same numbers for the same seed, on every machine.
struct Chance: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    /// `stream` in pieces of 1 to `longest` bytes.
    mutating func cut(_ stream: [UInt8], longest: Int) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = stream[...]
        while !rest.isEmpty {
            let piece = rest.prefix(1 + below(longest))
            pieces.append(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
        return pieces
    }
}

/// What a parser of requests answered.
enum Seen: Equatable {
    case request([[UInt8]])
    case tooLarge(String)
    case protocolError(String)

    static func words(_ words: String...) -> Seen { .request(words.map { Array($0.utf8) }) }

    init(_ parsed: ParsedRequest) {
        switch parsed {
        case .request(let frame): self = .request((0..<frame.count).map { frame.bytes($0) })
        case .tooLarge(let text): self = .tooLarge(text)
        case .protocolError(let text): self = .protocolError(text)
        }
    }
}

extension RequestParser {
    /// Feeds one piece and takes everything that is whole by then.
    mutating func drain(_ piece: [UInt8]) -> [ParsedRequest] {
        var buffer = ByteBuffer(bytes: piece)
        feed(&buffer)
        var answers: [ParsedRequest] = []
        while let answer = next() { answers.append(answer) }
        return answers
    }
}

func requests(of pieces: [[UInt8]], limits: RequestLimits = RequestLimits()) -> [Seen] {
    var parser = RequestParser(limits: limits)
    return pieces.flatMap { piece in parser.drain(piece).map { Seen($0) } }
}

func requests(of text: String, limits: RequestLimits = RequestLimits()) -> [Seen] {
    requests(of: [Array(text.utf8)], limits: limits)
}

/// What a parser of replies answered: the values, and the error if one ended them.
struct Heard: Equatable {
    var values: [RESPValue] = []
    var error: ReplyError?
}

func replies(of pieces: [[UInt8]], limits: ReplyLimits = ReplyLimits()) -> Heard {
    var parser = ReplyParser(limits: limits)
    var heard = Heard()
    for piece in pieces {
        var buffer = ByteBuffer(bytes: piece)
        parser.feed(&buffer)
        do throws(ReplyError) {
            while let value = try parser.next() { heard.values.append(value) }
        } catch {
            heard.error = error
        }
    }
    return heard
}

func replies(of text: String, limits: ReplyLimits = ReplyLimits()) -> Heard {
    replies(of: [Array(text.utf8)], limits: limits)
}

/// A request as an array of bulk strings.
func encoded(_ arguments: [[UInt8]]) -> [UInt8] {
    var buffer = ByteBuffer()
    RequestEncoder.encode(arguments, into: &buffer)
    return Array(buffer.readableBytesView)
}
