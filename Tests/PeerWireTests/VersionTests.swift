import Bytes
import NIOCore
import PeerWire
import RaftCore
import Testing

private func buffer(_ hexadecimal: String) -> ByteBuffer {
    let digits = Array(hexadecimal)
    let bytes = stride(from: 0, to: digits.count, by: 2).map { place in
        UInt8(String(digits[place..<place + 2]), radix: 16) ?? 0
    }
    return ByteBuffer(bytes: bytes)
}

private func hexadecimal(_ buffer: ByteBuffer) -> String {
    buffer.readableBytesView.map { byte in
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
    }.joined()
}

/// Written by the build that knew version 1 only, of `released`.
private let releasedFrames = [
    "1c0000004cc2cbd00101efcdab89674523012a0000000000000002000000000000000c00",
    "1d000000ae9150170102efcdab89674523012a000000000000000b0001ac0209010a03bc05",
    "1b0000003b942d480102efcdab89674523012a000000000000000b0001ac0209020a01",
    "1d0000007308b2e80102efcdab89674523012a000000000000000b0001ac02090303bc0501",
    "1a000000712696280102efcdab89674523012a000000000000000b0001ac02090400",
    "270000009d87860b0102efcdab89674523012a000000000000000b0001ac02090503bc05bb0502"
        + "0000060103010203",
    "200000004a43963c0102efcdab89674523012a000000000000000b0001ac02090600808080808020",
    "1e0000003602cd480102efcdab89674523012a000000000000000b0001ac020906010903bc05",
    "1a0000006866e8ee0102efcdab89674523012a000000000000000b0001ac02090602",
    "1b000000ce7af3980102efcdab89674523012a000000000000000b0001ac020907054d",
    "1f0000007deded9e0102efcdab89674523012a000000000000000b0001ac020908808080808020",
    "19000000384d5eed0102efcdab89674523012a000000000000000b0001ac020909",
]

/// What follows the hello: read by that release as an answer to an append, in term 0.
private let supplement =
    "210000004a95a9680102efcdab89674523012a00000000000000000002ac020006010298f5f2f60f07"

private func released() -> [Frame] {
    let position = LogPosition(term: Term(3), index: LogIndex(700))
    let entries = [
        Entry(term: Term(3), index: LogIndex(701), content: .noop),
        Entry(term: Term(9), index: LogIndex(702), content: .command([1, 2, 3])),
    ]
    let bodies: [Message.Body] = [
        .preVoteRequest(PreVoteRequest(proposedTerm: Term(10), last: position)),
        .preVoteResponse(PreVoteResponse(proposedTerm: Term(10), granted: true)),
        .voteRequest(VoteRequest(last: position, isTransfer: true)),
        .voteResponse(VoteResponse(granted: false)),
        .appendRequest(AppendRequest(previous: position, entries: entries, commit: LogIndex(699))),
        .appendResponse(.accepted(match: LogIndex(1 << 40))),
        .appendResponse(.rejected(previous: LogIndex(9), hint: position)),
        .appendResponse(.stale),
        .heartbeat(Heartbeat(commit: LogIndex(5), round: ReadRound(rawValue: 77))),
        .heartbeatResponse(HeartbeatResponse(round: ReadRound(rawValue: 1 << 40))),
        .timeoutNow,
    ]
    let messages = bodies.map { Frame.message(GroupID(11), message($0)) }
    return [.hello(hello(version: .v1, incarnation: nil))] + messages
}

@Suite("Versions of the peer protocol")
struct VersionTests {
    @Test("version 1 is, byte for byte, what the build before wrote")
    func goldenBytes() throws {
        #expect(releasedFrames.count == released().count)
        for (text, frame) in zip(releasedFrames, released()) {
            #expect(hexadecimal(encode([frame], .v1)) == text)
        }
    }

    @Test("version 1 has no words for a notice")
    func condition() {
        var encoder = FrameEncoder(cluster: cluster, version: .v1)
        var bytes = ByteBuffer()
        let notice = RoomNotice(from: NodeID(1), to: NodeID(2), isShortOfRoom: true)
        #expect(encoder.encode(notice, into: &bytes) == .inexpressible)
        #expect(bytes.readableBytes == 0)
    }

    @Test("what the build before wrote is read")
    func oldWriter() throws {
        var stream = buffer(releasedFrames.joined())
        #expect(try decodeAll(&stream) == released())
    }

    @Test("the hello begins with version 1's own, and what follows is a message of version 1")
    func greetingForOldReaders() throws {
        let greeting = hexadecimal(encode([.hello(hello())], .v2))
        #expect(greeting == releasedFrames[0] + supplement)
        #expect(greeting == hexadecimal(encode([.hello(hello())], .v1)))
        var second = buffer(supplement)
        let frame = try FrameDecoder(cluster: cluster).next(from: &second)
        let hint = LogPosition(term: Term(0xfedc_ba98), index: LogIndex(7))
        let answer = Message(
            from: NodeID(2),
            to: NodeID(300),
            term: .zero,
            body: .appendResponse(.rejected(previous: LogIndex(2), hint: hint))
        )
        #expect(frame == .message(GroupID(0), answer))
    }

    @Test("every hello comes back as it was, whatever it says")
    func hellos() throws {
        let words: [UInt64] = [1, 0xffff_ffff, 1 << 32, .max, 0x8000_0000_0000_0001]
        let incarnations = [nil] + words.map { Incarnation(rawValue: $0) }
        var rounds = 0
        for version in [CodecVersion.v1, .v2] {
            for incarnation in incarnations {
                let frames: [Frame] = [
                    .hello(hello(version: version, incarnation: incarnation)),
                    .message(GroupID(1), message(.timeoutNow)),
                ]
                var stream = encode(frames, version)
                #expect(try decodeAll(&stream) == frames)
                rounds += 1
            }
        }
        #expect(rounds == 12)
        #expect(Incarnation(rawValue: 0) == nil)
    }

    @Test("an old node is introduced with its first message")
    func introduction() throws {
        let decoder = FrameDecoder(cluster: cluster)
        let old = Frame.hello(hello(version: .v1, incarnation: nil))
        var stream = encode([old], .v1)
        #expect(try decoder.next(from: &stream) == nil)
        let frame = Frame.message(GroupID(1), message(.appendResponse(.stale)))
        var more = encode([frame], .v1)
        stream.writeBuffer(&more)
        #expect(try decoder.next(from: &stream) == old)
        #expect(try decoder.next(from: &stream) == frame)
    }

    @Test("a later version than this build knows counts as the latest that it knows")
    func laterVersion() throws {
        #expect(try greeting(version: 3) == hello(version: .latest))
        #expect(try greeting(version: 1 << 62) == hello(version: .latest))
        #expect(try greeting(version: 1) == hello(version: .v1))
    }

    @Test("a supplement that does not fit its hello ends the connection")
    func badSupplements() {
        let error = DecodeError.invalid("a supplement that does not fit its hello")
        #expect(throws: error) { try greeting(version: 0) }
        #expect(throws: error) { try greeting(upper: 1 << 32) }
        #expect(throws: error) { try greeting(lower: 1 << 32) }
        #expect(throws: error) { try greeting(from: 3) }
    }

    /// A hello of node 2 with a supplement of our making.
    private func greeting(
        from: UInt64 = 2,
        version: UInt64 = 2,
        upper: UInt64 = 0xfedc_ba98,
        lower: UInt64 = 7
    ) throws -> Hello? {
        let hint = LogPosition(term: Term(upper), index: LogIndex(lower))
        let supplement = Message(
            from: NodeID(from),
            to: NodeID(300),
            term: .zero,
            body: .appendResponse(.rejected(previous: LogIndex(version), hint: hint))
        )
        let old = Frame.hello(hello(version: .v1, incarnation: nil))
        var stream = encode([old, .message(GroupID(0), supplement)], .v1)
        let frame = try FrameDecoder(cluster: cluster).next(from: &stream)
        #expect(stream.readableBytes == 0)
        guard case .hello(let hello)? = frame else { return nil }
        return hello
    }

    @Test("a stream whose writer changes its version in between is read whole")
    func changeInBetween() throws {
        var encoder = FrameEncoder(cluster: cluster, version: .v1)
        var stream = ByteBuffer()
        encoder.encode(hello(), to: NodeID(300), into: &stream)
        var sent: [Addressed] = []
        for (round, body) in (bodiesOfVersionOne() + bodiesOfVersionTwo()).enumerated() {
            encoder.version = round % 2 == 0 ? .v1 : .v2
            let one = Addressed(group: GroupID(UInt16(round)), message: message(body))
            let outcome = encoder.encode(one.message, group: one.group, into: &stream)
            encoder.finishTurn(into: &stream)
            if outcome != .inexpressible { sent.append(one) }
        }
        let frames = try decodeAll(&stream)
        #expect(frames.first == .hello(hello()))
        #expect(frames.flatMap(messages) == sent)
        #expect(sent.count > bodiesOfVersionOne().count)
    }

    @Test("version 1 has no words for what came with version 2, and says so")
    func inexpressible() {
        var old = FrameEncoder(cluster: cluster, version: .v1)
        var new = FrameEncoder(cluster: cluster, version: .v2)
        var nothing = ByteBuffer()
        for body in bodiesOfVersionTwo() {
            let outcome = old.encode(message(body), group: GroupID(1), into: &nothing)
            #expect(outcome == .inexpressible)
            var buffer = ByteBuffer()
            #expect(new.encode(message(body), group: GroupID(1), into: &buffer) == .written)
        }
        #expect(nothing.readableBytes == 0)
    }

    @Test("a frame holds no more than its version does")
    func strictReader() throws {
        let decoder = FrameDecoder(cluster: cluster)
        // Relabelled as version 1: the first tag that it does not know is what it names.
        let tags: [UInt8] = [2, 10, 10, 11, 12, 13, 14, 15, 16]
        #expect(bodiesOfVersionTwo().count == tags.count)
        for (body, tag) in zip(bodiesOfVersionTwo(), tags) {
            var relabelled = bytes([.message(GroupID(1), message(body))], .v2)
            relabelled[8] = 1
            var buffer = sealed(relabelled)
            #expect(throws: DecodeError.unknownTag(tag)) { try decoder.next(from: &buffer) }
        }
        for (version, kind, tag) in [
            (1, 3, 3), (1, 4, 4), (2, 1, 1), (2, 0, 0), (2, 5, 5), (0, 2, 0), (3, 2, 3),
        ] {
            var buffer = crafted(version: UInt8(version), kind: UInt8(kind)) { writer in
                writer.write([0, 0, 0, 0])
            }
            let error = DecodeError.unknownTag(UInt8(tag))
            #expect(throws: error) { try decoder.next(from: &buffer) }
        }
    }
}

@Suite("Versions of the peers")
struct PeerVersionTests {
    @Test("version 1 is written until a hello has come in, then the lower of both")
    func agreement() {
        for own in [CodecVersion.v1, .v2] {
            for peer in [CodecVersion.v1, .v2] {
                var versions = PeerVersions(own: own)
                #expect(versions[NodeID(2)] == .v1)
                versions.opened(by: hello(2, version: peer))
                #expect(versions[NodeID(2)] == min(own, peer))
                #expect(versions[NodeID(3)] == .v1)
            }
        }
    }

    @Test("a version is forgotten with the last of the peer's links")
    func forgotten() {
        var versions = PeerVersions(own: .v2)
        versions.opened(by: hello(2))
        versions.opened(by: hello(2))
        versions.opened(by: hello(3))
        versions.closed(by: NodeID(2))
        #expect(versions[NodeID(2)] == .v2)
        versions.closed(by: NodeID(2))
        #expect(versions[NodeID(2)] == .v1)
        #expect(versions[NodeID(3)] == .v2)
        versions.closed(by: NodeID(9))
        versions.opened(by: hello(2))
        #expect(versions[NodeID(2)] == .v2)
    }

    @Test("a peer that went back to an older release is believed before its old links are gone")
    func downgrade() {
        var versions = PeerVersions(own: .v2)
        versions.opened(by: hello(2))
        versions.opened(by: hello(2, version: .v1, incarnation: nil))
        #expect(versions[NodeID(2)] == .v1)
        versions.closed(by: NodeID(2))
        #expect(versions[NodeID(2)] == .v1)
    }
}
