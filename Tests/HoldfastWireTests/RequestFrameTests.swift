// One command: reading its arguments, and the words of an inline one.

import NIOCore
import Testing

@testable import HoldfastWire

@Suite struct RequestFrameTests {
    @Test(arguments: [
        ("0", 0), ("1", 1), ("-1", -1), ("9223372036854775807", Int64.max),
        ("-9223372036854775808", Int64.min), ("1000000000000000000", 1_000_000_000_000_000_000),
    ])
    func `numbers that Redis reads`(_ text: String, _ number: Int64) {
        #expect(RequestFrame(arguments: [Array(text.utf8)]).integer(0) == number)
    }

    @Test(arguments: [
        "", "-", "+1", " 1", "1 ", "01", "-0", "-01", "00", "1.0", "0x1", "1e3", "12a",
        "9223372036854775808", "-9223372036854775809", "99999999999999999999",
        "100000000000000000000", "18446744073709551617", "\u{661}",
    ])
    func `texts that are no number`(_ text: String) {
        #expect(RequestFrame(arguments: [Array(text.utf8)]).integer(0) == nil)
    }

    @Test func `words are compared without case, in ASCII only`() {
        let frame = RequestFrame(arguments: ["eXaT", "ex", "", "{AB"].map { Array($0.utf8) })
        #expect(frame.equals(0, "EXAT"))
        #expect(!frame.equals(0, "EXAM"))
        #expect(!frame.equals(1, "EXAT"))
        #expect(frame.equals(2, ""))
        #expect(!frame.equals(3, "[AB"))
    }

    @Test func `arguments are lent, copied and repaired`() {
        let frame = RequestFrame(arguments: [[65, 0xff], [], [0]])
        #expect(frame.count == 3)
        #expect(frame.byteCount(0) == 2)
        #expect(frame.byteCount(1) == 0)
        #expect(frame.string(0) == "A\u{fffd}")
        #expect(frame.bytes(2) == [0])
        #expect(frame.withBytes(0) { $0[1] } == 0xff)
        #expect(frame.withBytes(1) { $0.count } == 0)
    }

    @Test func `printing a frame shows none of its arguments`() {
        let frame = RequestFrame(arguments: [Array("GET".utf8), Array("hush-hush".utf8)])
        var dumped = ""
        dump(frame, to: &dumped)
        for text in [
            "\(frame)", String(reflecting: frame), "\(ParsedRequest.request(frame))", dumped,
        ] { #expect(!text.contains("hush") && !text.contains("68757368")) }
    }

    @Test func `the three encoders agree`() {
        let words = ["SET", "", "a\r\nb"]
        var bytes = ByteBuffer()
        var strings = ByteBuffer()
        var buffers = ByteBuffer()
        RequestEncoder.encode(words.map { Array($0.utf8) }, into: &bytes)
        RequestEncoder.encode(words, into: &strings)
        RequestEncoder.encode(words.map { ByteBuffer(string: $0) }, into: &buffers)
        #expect(String(buffer: bytes) == "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\nb\r\n")
        #expect(strings == bytes)
        #expect(buffers == bytes)
    }
}

@Suite struct InlineWordsTests {
    private func split(_ line: String) -> [String]? {
        InlineWords.split(Array(line.utf8))?.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: [
        ("", []), ("  \t ", []), ("ping", ["ping"]), ("  set  k\tv ", ["set", "k", "v"]),
        (#"set k "hello world""#, ["set", "k", "hello world"]),
        (#""\x41\x4a\n\r\t\b\a\"\\\q""#, ["AJ\n\r\t\u{8}\u{7}\"\\q"]),
        (#""\x4""#, ["x4"]), (#""\xzz""#, ["xzz"]),
        (#"'a\'b\n"c'"#, [#"a'b\n"c"#]), (#""" ''"#, ["", ""]),
        (#"foo"bar" baz"#, ["foobar", "baz"]),
        ("a\u{b}b \u{b}c", ["a\u{b}b", "c"]),
    ])
    func `words as Redis splits them`(_ line: String, _ words: [String]) {
        #expect(split(line) == words)
    }

    @Test(arguments: [#"""#, "'", #""a"b"#, "'a'b", #""a\"#, #"'a\'"#, #"a"b"#, #""a"'b'"#])
    func `quotes that are not balanced`(_ line: String) {
        #expect(split(line) == nil)
    }

    @Test func `an escape can be any byte`() {
        #expect(InlineWords.split(Array(#""\xff\x00""#.utf8)) == [[255, 0]])
    }
}
