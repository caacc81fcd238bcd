// Replies: the bytes of each version, and reading them back however they are cut.

import NIOCore
import Testing

@testable import HoldfastWire

func written(
    _ version: RESPVersion,
    _ write: (inout ReplyWriter) -> Void
) -> String {
    var writer = ReplyWriter(buffer: ByteBuffer(), version: version)
    write(&writer)
    return String(buffer: writer.buffer)
}

@Suite struct ReplyWriterTests {
    @Test func `scalars`() {
        func both(_ two: String, _ three: String, _ write: (inout ReplyWriter) -> Void) {
            #expect(written(.two, write) == two)
            #expect(written(.three, write) == three)
        }
        both("+OK\r\n", "+OK\r\n") { $0.status("OK") }
        both("+a b\r\n", "+a b\r\n") { $0.status(String("a\nb")) }
        both("-ERR a  b\r\n", "-ERR a  b\r\n") { $0.error("ERR a\r\nb") }
        both(":0\r\n:-1\r\n:10\r\n", ":0\r\n:-1\r\n:10\r\n") {
            for number in [0, -1, 10] as [Int64] { $0.integer(number) }
        }
        both(":-9223372036854775808\r\n", ":-9223372036854775808\r\n") { $0.integer(.min) }
        both(":9223372036854775807\r\n", ":9223372036854775807\r\n") { $0.integer(.max) }
        both("$0\r\n\r\n$2\r\n\r\n\r\n", "$0\r\n\r\n$2\r\n\r\n\r\n") {
            $0.bulk("")
            $0.bulk([13, 10])
        }
        both("$-1\r\n", "_\r\n") { $0.null() }
        both("*-1\r\n", "_\r\n") { $0.nullArray() }
        both(":1\r\n:0\r\n", "#t\r\n#f\r\n") {
            $0.boolean(true)
            $0.boolean(false)
        }
        both("$3\r\n1.5\r\n$1\r\n3\r\n$4\r\n-inf\r\n", ",1.5\r\n,3\r\n,-inf\r\n") {
            for number in [1.5, 3, -Double.infinity] { $0.double(number) }
        }
    }

    @Test func `aggregates`() {
        let write: (inout ReplyWriter) -> Void = {
            $0.array(2)
            $0.map(3)
            $0.set(4)
            $0.push(5)
        }
        #expect(written(.two, write) == "*2\r\n*6\r\n*4\r\n*5\r\n")
        #expect(written(.three, write) == "*2\r\n%3\r\n~4\r\n>5\r\n")
    }

    @Test func `values of the other kinds`() {
        let verbatim = RESPValue.verbatim(format: "txt", Array("hi".utf8))
        #expect(written(.three) { $0.value(verbatim) } == "=6\r\ntxt:hi\r\n")
        #expect(written(.two) { $0.value(verbatim) } == "$2\r\nhi\r\n")
        #expect(written(.three) { $0.value(.verbatim(format: "text", [65])) } == "$1\r\nA\r\n")
        #expect(written(.three) { $0.value(.bigNumber("-12")) } == "(-12\r\n")
        #expect(written(.two) { $0.value(.bigNumber("12")) } == "$2\r\n12\r\n")
    }
}

@Suite struct ReplyParserTests {
    /// What a value is once it has been through RESP2, which has fewer kinds.
    static func inRESP2(_ value: RESPValue) -> RESPValue {
        switch value {
        case .boolean(let flag): .integer(flag ? 1 : 0)
        case .double(let number):
            .bulk(Array(written(.two) { $0.double(number) }.utf8.dropFirst(4).dropLast(2)))
        case .bigNumber(let digits): .bulk(Array(digits.utf8))
        case .verbatim(_, let bytes): .bulk(bytes)
        case .array(let all), .set(let all), .push(let all): .array(all.map(inRESP2))
        case .map(let pairs): .array(pairs.flatMap { [inRESP2($0.key), inRESP2($0.value)] })
        default: value
        }
    }

    /// Any value that has a form on the wire; of depth at most `depth`.
    static func anyValue(_ chance: inout Chance, depth: Int, isOutermost: Bool = true) -> RESPValue
    {
        func some(_ chance: inout Chance) -> [RESPValue] {
            (0..<chance.below(4)).map { _ in
                anyValue(&chance, depth: depth - 1, isOutermost: false)
            }
        }
        switch chance.below(depth > 0 ? 13 : 9) {
        case 0: return .status(["OK", "", "QUEUED"][chance.below(3)])
        case 1: return .error("ERR \(chance.below(100))")
        case 2: return .integer(Int64(bitPattern: chance.next()) >> chance.below(64))
        case 3: return .null
        case 4: return .boolean(chance.below(2) == 0)
        case 5: return .double([0.5, -3.25, 1e8, .infinity, -.infinity, 0.1][chance.below(6)])
        case 6: return .bigNumber("-123456789012345678901234567890")
        case 7: return .verbatim(format: "mkd", chance.bytes(chance.below(5)))
        case 8: return .bulk(chance.bytes(chance.below(20)))
        case 9: return .array(some(&chance))
        case 10: return .set(some(&chance))
        case 11: return isOutermost ? .push(some(&chance)) : .array(some(&chance))
        default:
            return .map(zip(some(&chance), some(&chance)).map { RESPPair(key: $0, value: $1) })
        }
    }

    @Test(arguments: [RESPVersion.two, .three])
    func `what is written is read back, however it is cut`(_ version: RESPVersion) {
        var chance = Chance(seed: UInt64(version.rawValue))
        for _ in 0..<300 {
            let values = (0..<4).map { _ in Self.anyValue(&chance, depth: 4) }
            var writer = ReplyWriter(buffer: ByteBuffer(), version: version)
            values.forEach { writer.value($0) }
            let stream = Array(writer.buffer.readableBytesView)
            let wanted = Heard(values: version == .two ? values.map(Self.inRESP2) : values)
            #expect(replies(of: [stream]) == wanted)
            #expect(replies(of: stream.map { [$0] }) == wanted)
            #expect(replies(of: chance.cut(stream, longest: 30)) == wanted)
        }
    }

    @Test func `every cut in two gives the same replies, errors too`() {
        let streams = [
            "*3\r\n:1\r\n$-1\r\n*-1\r\n+OK\r\n", "%1\r\n+a\r\n~2\r\n#t\r\n,1e3\r\n>1\r\n+p\r\n",
            "|1\r\n+ttl\r\n:9\r\n*2\r\n|1\r\n+x\r\n*0\r\n:1\r\n:2\r\n!3\r\nERR\r\n=5\r\ntxt:a\r\n",
            "+OK\r\n:x\r\n+OK\r\n", "*2\r\n$3\r\nabcd\r\n", "*0\r\n%0\r\n~0\r\n?\r\n",
        ]
        for stream in streams.map({ Array($0.utf8) }) {
            let whole = replies(of: [stream])
            for cut in 0...stream.count {
                #expect(replies(of: [Array(stream[..<cut]), Array(stream[cut...])]) == whole)
            }
        }
    }

    @Test func `attributes are read and dropped`() {
        let stream = "|1\r\n+ttl\r\n:9\r\n*2\r\n|1\r\n+x\r\n*0\r\n:1\r\n|0\r\n:2\r\n"
        let wanted = [RESPValue.array([.integer(1), .integer(2)])]
        #expect(replies(of: stream) == Heard(values: wanted))
    }

    @Test func `not a number is read and written`() throws {
        guard case .double(let number)? = replies(of: ",nan\r\n").values.first else {
            Issue.record("no number")
            return
        }
        #expect(number.isNaN)
        #expect(written(.three) { $0.double(number) } == ",nan\r\n")
    }

    @Test(arguments: [
        ("x\r\n", ReplyError.unknownType(UInt8(ascii: "x"))), ("\r\n", .badLine),
        (":\r\n", .badLine),
        (":+1\r\n", .badLine), ("+a\nb\r\n", .badLine), (":1\rx", .badLine), ("#y\r\n", .badLine),
        ("_x\r\n", .badLine),
        (",0x10\r\n", .badLine), (",\r\n", .badLine), ("(1.5\r\n", .badLine), ("(-\r\n", .badLine),
        ("$x\r\n", .badLength), ("$-2\r\n", .badLength), ("=-1\r\n", .badLength),
        ("%-1\r\n", .badLength), ("*?\r\n", .badLength), ("$?\r\n", .badLength),
        ("$1\r\nabc", .badLine), ("=3\r\ntxt\r\n", .badLine), ("=4\r\ntxta\r\n", .badLine),
        ("*1\r\n>1\r\n", .badLine), ("*99999999999\r\n", .tooLarge),
        ("$99999999999\r\n", .tooLarge),
        ("%1048577\r\n", .tooLarge), ("*9223372036854775807\r\n", .tooLarge),
        ("%9223372036854775807\r\n", .tooLarge), ("$9223372036854775807\r\n", .tooLarge),
    ])
    func `what is no reply`(_ stream: String, _ error: ReplyError) {
        #expect(replies(of: "+OK\r\n" + stream) == Heard(values: [.status("OK")], error: error))
    }

    @Test func `an error is for ever, and nothing is kept`() {
        var parser = ReplyParser()
        for _ in 0..<3 {
            var buffer = ByteBuffer(string: "x\r\n+OK\r\n")
            parser.feed(&buffer)
            #expect(throws: ReplyError.unknownType(UInt8(ascii: "x"))) { try parser.next() }
            #expect(parser.bufferedBytes == 0)
        }
    }

    @Test func `limits of depth, elements, lines and bytes`() {
        func nested(_ depth: Int) -> String { String(repeating: "*1\r\n", count: depth) + ":1\r\n" }
        #expect(replies(of: nested(32)).error == nil)
        #expect(replies(of: nested(32)).values.count == 1)
        #expect(replies(of: nested(33)).error == .tooDeep)
        #expect(replies(of: nested(100_000)).error == .tooDeep)

        let few = ReplyLimits(elementsMax: 4)
        #expect(replies(of: "*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n", limits: few).values.count == 1)
        #expect(replies(of: "*2\r\n*2\r\n:1\r\n:1\r\n*1\r\n", limits: few).error == .tooLarge)
        #expect(replies(of: "*4\r\n*0\r\n*0\r\n*0\r\n*0\r\n*4\r\n", limits: few).error == nil)

        let line = ReplyLimits(lineBytesMax: 5)
        #expect(replies(of: "+1234\r\n", limits: line).values.count == 1)
        #expect(replies(of: "+12345\r\n", limits: line).error == .tooLarge)
        #expect(replies(of: "+12345", limits: line).error == .tooLarge)

        let small = ReplyLimits(stringBytesMax: 5, replyBytesMax: 20)
        #expect(replies(of: "$6\r\n", limits: small).error == .tooLarge)
        #expect(replies(of: "$5\r\nabcde\r\n$5\r\nabcde\r\n", limits: small).values.count == 2)
        let twice = "*2\r\n$5\r\nabcde\r\n$5\r\nabcde\r\n"
        #expect(replies(of: twice, limits: small).error == .tooLarge)
    }

    @Test func `a long string in small pieces is not looked at again`() {
        var stream = Array("*2\r\n$1048576\r\n".utf8) + [UInt8](repeating: 13, count: 1 << 20)
        stream += Array("\r\n:1\r\n".utf8)
        var parser = ReplyParser()
        var found = 0
        var rest = stream[...]
        while !rest.isEmpty {
            var piece = ByteBuffer(bytes: rest.prefix(1_024))
            rest = rest.dropFirst(1_024)
            parser.feed(&piece)
            while (try? parser.next()) != nil { found += 1 }
        }
        #expect(found == 1)
        #expect(parser.scannedBytes < 64)
        #expect(parser.movedBytes <= 1_024)
    }
}
