// Requests: what the parser makes of a stream, however it is cut, and what it refuses.

import NIOCore
import Testing

@testable import HoldfastWire

@Suite struct RequestParserTests {
    /// Small enough that short streams go over them.
    static let tight = RequestLimits(
        argumentBytesMax: 8,
        argumentsMax: 6,
        inlineBytesMax: 24,
        requestBytesMax: 60
    )

    static let streams = [
        "*1\r\n$4\r\nPING\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
        "*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\r\n\r\n",
        "*0\r\n*-1\r\n\r\n  \r\n*1\r\n$4\r\nQUIT\r\n",
        "PING\r\nset k \"a b\"\n*1\r\n$4\r\nPING\r\nget 'k'\r\n",
        "*2\r\n$3\r\nGET\r\n$9\r\n123456789\r\n*1\r\n$4\r\nPING\r\n",
        "*5\r\n$8\r\n12345678\r\n$8\r\n12345678\r\n$8\r\n12345678\r\n$8\r\n12345678\r\n"
            + "$1\r\na\r\nPING\r\n",
        "set 123456789 x\r\nPING\r\n",
        "a b c d e f g\r\nPING\r\n",
        "*7\r\n$1\r\n",
        "*1\r\n$x\r\nPING\r\n",
        "*1\r\n$4\r\nPINGxxPING\r\n",
        "PING\r\nget 'x\r\nPING\r\n",
        "*00000000000000000000000000000\r\n",
        "*1\r\n$00000000000000000000000000000\r\n",
        "a line of more than twenty-four bytes\r\n",
        "*2\r\n$9\r\n123456789\r\n$1x\r\n",
    ]

    @Test(arguments: streams)
    func `every cut of a stream gives the same requests`(_ text: String) {
        let stream = Array(text.utf8)
        for limits in [RequestLimits(), Self.tight] {
            let whole = requests(of: [stream], limits: limits)
            #expect(requests(of: stream.map { [$0] }, limits: limits) == whole)
            for first in 0...stream.count {
                for second in first...stream.count {
                    let pieces = [
                        stream[..<first], stream[first..<second], stream[second...],
                    ]
                    #expect(requests(of: pieces.map { Array($0) }, limits: limits) == whole)
                }
            }
        }
    }

    @Test func `pipelined requests come out in order`() {
        let stream = (0..<1_000).flatMap { encoded([Array("GET".utf8), Array("key\($0)".utf8)]) }
        let wanted = (0..<1_000).map { Seen.words("GET", "key\($0)") }
        #expect(requests(of: [stream]) == wanted)
        var chance = Chance(seed: 7)
        #expect(requests(of: chance.cut(stream, longest: 100)) == wanted)
    }

    @Test func `empty arrays and empty lines are no requests`() {
        #expect(requests(of: "*0\r\n\r\n\n \t\r\n*-1\r\n*-7\r\nPING\r\n") == [.words("PING")])
    }

    @Test func `a frame has the bytes as they came, and outlives the parser's next turns`() {
        var parser = RequestParser()
        let one = encoded([Array("SET".utf8), Array("k".utf8), [0, 13, 10, 255]])
        let two = encoded([Array("GET".utf8), Array("k".utf8)])
        var frames: [RequestFrame] = []
        for piece in [one + two + one.prefix(9), one.dropFirst(9) + two.prefix(3)] {
            for case .request(let frame) in parser.drain(Array(piece)) { frames.append(frame) }
        }
        #expect(parser.bufferedBytes == 3)
        #expect(frames.map { Array($0.bytes.readableBytesView) } == [one, two, one])
        #expect(frames[0].bytes(2) == [0, 13, 10, 255])
    }

    @Test func `an inline command is forwarded as an array`() {
        var parser = RequestParser()
        guard case .request(let frame)? = parser.drain(Array("set k \"a b\"\r\n".utf8)).first else {
            Issue.record("no request")
            return
        }
        let wanted = encoded(["set", "k", "a b"].map { Array($0.utf8) })
        #expect(Array(frame.bytes.readableBytesView) == wanted)
        #expect(frame.string(2) == "a b")
    }

    // MARK: Broken framing

    /// The texts are those of Redis 7.0.15, asked with the same bytes.
    @Test(arguments: [
        ("*x\r\n", "invalid multibulk length"),
        ("*3000000000\r\n", "invalid multibulk length"),
        ("*99999999999999999999\r\n", "invalid multibulk length"),
        ("*+1\r\n", "invalid multibulk length"),
        ("*01\r\n", "invalid multibulk length"),
        ("*\r\n", "invalid multibulk length"),
        ("*1\r\n$x\r\n", "invalid bulk length"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$-10\r\n", "invalid bulk length"),
        ("*1\r\n$2000000000\r\n", "invalid bulk length"),
        ("*1\r\n$ 1\r\n", "invalid bulk length"),
        ("*1\r\n$\r\n", "invalid bulk length"),
        ("*1\r\nx\r\n", "expected '$', got 'x'"),
        ("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"),
        ("set \"k\r\n", "unbalanced quotes in request"),
        ("set \"k\"v\r\n", "unbalanced quotes in request"),
        ("set 'k\r\n", "unbalanced quotes in request"),
    ])
    func `Redis' words for a lost framing`(_ stream: String, _ text: String) {
        #expect(requests(of: stream) == [.protocolError("ERR Protocol error: " + text)])
    }

    @Test(arguments: [
        ("", "too big inline request"), ("*", "too big mbulk count string"),
        ("*1\r\n$", "too big bulk count string"),
    ])
    func `a line has an end`(_ beginning: String, _ text: String) {
        let filler = String(repeating: "1", count: 65_537)
        let wanted = [Seen.protocolError("ERR Protocol error: " + text)]
        #expect(requests(of: beginning + filler) == wanted)
        #expect(requests(of: beginning + filler + "\r\n") == wanted)
    }

    @Test func `the longest inline command is taken`() {
        let word = String(repeating: "a", count: 65_535)
        #expect(requests(of: word + "\r\n") == [.words(word)])
    }

    @Test func `after a lost framing there is silence, and nothing is kept`() {
        var parser = RequestParser()
        #expect(parser.drain(Array("*x\r\nPING\r\n".utf8)).count == 1)
        for _ in 0..<3 { #expect(parser.drain(Array("PING\r\n".utf8)).isEmpty) }
        #expect(parser.bufferedBytes == 0)
    }

    @Test func `a string ends where its length says`() {
        let wanted = "ERR Protocol error: expected a line end after a bulk string"
        #expect(requests(of: "*1\r\n$4\r\nPINGS\r\n") == [.protocolError(wanted)])
    }

    // MARK: Over the limits

    @Test func `a long argument is skipped and the next command read`() {
        let stream =
            encoded([Array("SET".utf8), Array("k".utf8), [UInt8](repeating: 1, count: 3 << 20)])
            + encoded([Array("PING".utf8)])
        let text = "ERR string exceeds maximum allowed size (1049600 bytes)"
        let wanted: [Seen] = [.tooLarge(text), .words("PING")]
        #expect(requests(of: [stream]) == wanted)

        var parser = RequestParser()
        var seen: [Seen] = []
        var chance = Chance(seed: 1)
        for piece in chance.cut(stream, longest: 16_384) {
            seen += parser.drain(piece).map { Seen($0) }
            #expect(parser.bufferedBytes < 100)
        }
        #expect(seen == wanted)
    }

    @Test func `a long request of short arguments is skipped and the next command read`() {
        let stream = encoded([[UInt8]](repeating: [1, 2, 3, 4], count: 6)) + Array("PING\r\n".utf8)
        let text = "ERR request exceeds maximum allowed size (60 bytes)"
        #expect(requests(of: [stream], limits: Self.tight) == [.tooLarge(text), .words("PING")])
    }

    @Test func `what is skipped must keep the framing too`() {
        let stream = "*2\r\n$9\r\n123456789xx$1\r\na\r\n"
        let seen = requests(of: stream, limits: Self.tight)
        #expect(
            seen == [.protocolError("ERR Protocol error: expected a line end after a bulk string")]
        )
    }

    @Test func `limits hold for inline commands too`() {
        let seen = requests(of: "get 123456789\r\na b c d e f g\r\nPING\r\n", limits: Self.tight)
        let text = "ERR string exceeds maximum allowed size (8 bytes)"
        #expect(seen == [.tooLarge(text), .tooLarge("ERR too many arguments"), .words("PING")])
    }

    @Test func `a claimed length reserves nothing`() {
        var parser = RequestParser()
        #expect(parser.drain(Array("*1048576\r\n$1048576\r\n".utf8)).isEmpty)
        #expect(parser.bufferedBytes == 20)
    }
}

/// Parsing is linear in what was fed. Counted in bytes looked at and bytes moved, not in time.
@Suite struct RequestParserCostTests {
    @Test func `a long string in small pieces`() {
        let stream = encoded([Array("SET".utf8), [7], [UInt8](repeating: 13, count: 1 << 20)])
        var parser = RequestParser()
        var found = 0
        var rest = stream[...]
        while !rest.isEmpty {
            found += parser.drain(Array(rest.prefix(1_024))).count
            rest = rest.dropFirst(1_024)
        }
        #expect(found == 1)
        // Only its lines are searched; its bytes are not looked at.
        #expect(parser.scannedBytes < 64)
        #expect(parser.movedBytes <= 1_024)
    }

    @Test func `long lines in single bytes`() {
        let stream = Array((String(repeating: "a", count: 60_000) + "\r\n").utf8)
        var parser = RequestParser()
        var found = 0
        for byte in stream { found += parser.drain([byte]).count }
        #expect(found == 1)
        #expect(parser.scannedBytes <= 2 * stream.count)
        #expect(parser.movedBytes <= stream.count)
    }

    @Test func `many small requests, cut anywhere, whose frames are kept`() {
        let stream = (0..<20_000).flatMap { encoded([Array("GET".utf8), Array("key\($0)".utf8)]) }
        var chance = Chance(seed: 3)
        for longest in [3, 50, 5_000] {
            var parser = RequestParser()
            var kept: [ParsedRequest] = []
            for piece in chance.cut(stream, longest: longest) { kept += parser.drain(piece) }
            #expect(kept.count == 20_000)
            #expect(parser.scannedBytes <= 2 * stream.count)
            #expect(parser.movedBytes <= stream.count)
            #expect(parser.bufferedBytes == 0)
        }
    }
}
