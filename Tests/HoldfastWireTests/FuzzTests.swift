// Garbage, from fixed seeds: nothing traps, nothing grows, and cutting the stream changes nothing.

import NIOCore
import Testing

@testable import HoldfastWire

@Suite struct FuzzTests {
    /// Streams of each kind. Each is read whole and in pieces.
    static let rounds = 20_000

    /// Bytes that mean something to a parser, and some that do not.
    static let alphabet = Array("*$%~>|!=(,#_:+-0123456789tf\r\n\r\n\r\n'\"\\x ab".utf8) + [0, 255]

    /// Good parts, bad parts, and good parts gone bad.
    static func garbage(_ chance: inout Chance, _ good: (inout Chance) -> [UInt8]) -> [UInt8] {
        var stream: [UInt8] = []
        for _ in 0..<(1 + chance.below(5)) {
            switch chance.below(4) {
            case 0: stream += chance.bytes(chance.below(30))
            case 1:
                for _ in 0..<chance.below(30) {
                    stream.append(alphabet[chance.below(alphabet.count)])
                }
            case 2: stream += good(&chance)
            default:
                var bad = good(&chance)
                for _ in 0..<(1 + chance.below(3)) where !bad.isEmpty {
                    let place = chance.below(bad.count)
                    switch chance.below(3) {
                    case 0: bad[place] = alphabet[chance.below(alphabet.count)]
                    case 1: bad.remove(at: place)
                    default: bad.insert(alphabet[chance.below(alphabet.count)], at: place)
                    }
                }
                stream += bad
            }
        }
        return stream
    }

    @Test func `garbage for requests`() {
        var chance = Chance(seed: 0x4f1d)
        let limits = RequestLimits(
            argumentBytesMax: 40,
            argumentsMax: 8,
            inlineBytesMax: 64,
            requestBytesMax: 200
        )
        var counts = (requests: 0, refusals: 0, errors: 0, bytes: 0)
        for _ in 0..<Self.rounds {
            let stream = Self.garbage(&chance) { chance in
                encoded((0..<(1 + chance.below(5))).map { _ in chance.bytes(chance.below(50)) })
            }
            let whole = requests(of: [stream], limits: limits)
            let pieces = chance.cut(stream, longest: 1 + chance.below(40))
            var parser = RequestParser(limits: limits)
            var seen: [Seen] = []
            for piece in pieces {
                seen += parser.drain(piece).map { Seen($0) }
                // One request, or one line, and a line of a length.
                #expect(parser.bufferedBytes <= limits.requestBytesMax + limits.inlineBytesMax + 2)
            }
            #expect(seen == whole)
            #expect(parser.scannedBytes <= 2 * stream.count + 4 * pieces.count)
            #expect(parser.movedBytes <= stream.count)
            counts.bytes += stream.count
            for answer in whole {
                switch answer {
                case .request: counts.requests += 1
                case .tooLarge: counts.refusals += 1
                case .protocolError: counts.errors += 1
                }
            }
        }
        print("fuzzed requests: \(Self.rounds) streams, \(counts)")
        #expect(counts.requests > 5_000 && counts.refusals > 1_000 && counts.errors > 5_000)
    }

    @Test func `garbage for replies`() {
        var chance = Chance(seed: 0x5eed)
        let limits = ReplyLimits(
            stringBytesMax: 40,
            elementsMax: 100,
            depthMax: 5,
            lineBytesMax: 64,
            replyBytesMax: 400
        )
        var counts = (values: 0, errors: 0, bytes: 0)
        for _ in 0..<Self.rounds {
            let stream = Self.garbage(&chance) { chance in
                let version: RESPVersion = chance.below(2) == 0 ? .two : .three
                var writer = ReplyWriter(buffer: ByteBuffer(), version: version)
                writer.value(ReplyParserTests.anyValue(&chance, depth: 3))
                return Array(writer.buffer.readableBytesView)
            }
            let whole = replies(of: [stream], limits: limits)
            let cut = replies(of: chance.cut(stream, longest: 1 + chance.below(40)), limits: limits)
            // Not a number is not itself, so texts are compared.
            #expect("\(cut)" == "\(whole)")
            counts.bytes += stream.count
            counts.values += whole.values.count
            counts.errors += whole.error == nil ? 0 : 1
            // Whatever was understood can be said again, but for the line ends that a `!` may have
            // and an error may not.
            for value in whole.values where !["\\r", "\\n"].contains(where: "\(value)".contains) {
                var writer = ReplyWriter(buffer: ByteBuffer(), version: .three)
                writer.value(value)
                let again = replies(of: [Array(writer.buffer.readableBytesView)])
                #expect("\(again)" == "\(Heard(values: [value]))")
            }
        }
        print("fuzzed replies: \(Self.rounds) streams, \(counts)")
        #expect(counts.values > 5_000 && counts.errors > 5_000)
    }

    @Test func `garbage for ids`() {
        var chance = Chance(seed: 0x1d)
        let digits = RoutingCharacters.alphabet
        var read = 0
        for _ in 0..<Self.rounds {
            var text = (0..<69).map { _ in digits[chance.below(64)] }
            text[22] = UInt8(ascii: ".")
            if SessionID(parsing: text) != nil { read += 1 }
        }
        // Each half has routing characters of 18 bits, which follow from the rest.
        #expect(read == 0)
    }
}
