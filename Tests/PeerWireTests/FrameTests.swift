import Bytes
import NIOCore
import PeerWire
import RaftCore
import Testing

private let cluster = ClusterID(high: 0x0123_4567_89ab_cdef, low: 42)

/// One frame of every kind, with small, large and empty contents.
private func samples() -> [Frame] {
    let position = LogPosition(term: Term(3), index: LogIndex(700))
    let entries = [
        Entry(term: Term(3), index: LogIndex(701), content: .noop),
        Entry(term: Term(3), index: LogIndex(702), content: .command([1, 2, 3])),
        Entry(term: Term(9), index: LogIndex(703), content: .command([])),
        Entry(
            term: Term(9),
            index: LogIndex(704),
            content: .command([UInt8](repeating: 7, count: 5_000)[...])
        ),
    ]
    let bodies: [Message.Body] = [
        .preVoteRequest(PreVoteRequest(proposedTerm: Term(10), last: position)),
        .preVoteResponse(PreVoteResponse(proposedTerm: Term(10), granted: true)),
        .voteRequest(VoteRequest(last: position, isTransfer: true)),
        .voteResponse(VoteResponse(granted: false)),
        .appendRequest(AppendRequest(previous: position, entries: entries, commit: LogIndex(699))),
        .appendRequest(AppendRequest(previous: .origin, entries: [], commit: .zero)),
        .appendResponse(.accepted(match: LogIndex(1 << 40))),
        .appendResponse(.rejected(previous: LogIndex(9), hint: position)),
        .appendResponse(.stale),
        .heartbeat(Heartbeat(commit: LogIndex(5), round: ReadRound(rawValue: 77))),
        .heartbeatResponse(HeartbeatResponse(round: ReadRound(rawValue: .max))),
        .timeoutNow,
    ]
    let messages = bodies.map { body in
        Frame.message(
            GroupID(11),
            Message(from: NodeID(1), to: NodeID(300), term: Term(9), body: body)
        )
    }
    return [.hello(Hello(cluster: cluster, node: NodeID(2), groupCount: 12))] + messages
}

private func encode(_ frames: [Frame]) -> ByteBuffer {
    var encoder = FrameEncoder(cluster: cluster)
    var buffer = ByteBuffer()
    for frame in frames {
        switch frame {
        case .hello(let hello): encoder.encode(hello, into: &buffer)
        case .message(let group, let message):
            encoder.encode(message, group: group, into: &buffer)
        }
    }
    return buffer
}

/// Repairs the checksum after a deliberate change, so that the decoder behind it is reached.
private func sealed(_ bytes: [UInt8]) -> ByteBuffer {
    var bytes = bytes
    let checksum = CRC32C.checksum(bytes[8...])
    for index in 0..<4 {
        bytes[4 + index] = UInt8(truncatingIfNeeded: checksum >> UInt32(index * 8))
    }
    return ByteBuffer(bytes: bytes)
}

@Suite("Peer frames")
struct FrameTests {
    @Test("every kind of frame comes back as it was")
    func roundTrip() throws {
        var buffer = encode(samples())
        let decoder = FrameDecoder(cluster: cluster)
        for frame in samples() {
            #expect(try decoder.next(from: &buffer) == frame)
        }
        #expect(try decoder.next(from: &buffer) == nil)
        #expect(buffer.readableBytes == 0)
    }

    @Test("a frame cut at any byte waits for the rest")
    func everySplit() throws {
        let decoder = FrameDecoder(cluster: cluster)
        for frame in samples() {
            let whole = encode([frame])
            for length in 0..<whole.readableBytes {
                var part = try #require(whole.getSlice(at: 0, length: length))
                #expect(try decoder.next(from: &part) == nil)
                #expect(part.readableBytes == length, "nothing is consumed before it is whole")
            }
        }
    }

    @Test("every flipped bit is noticed")
    func flippedBits() {
        let decoder = FrameDecoder(cluster: cluster)
        var cases = 0
        for frame in samples() {
            let bytes = Array(encode([frame]).readableBytesView)
            // Large payloads: their head says as much as the whole.
            for bit in 0..<min(bytes.count, 200) * 8 {
                var damaged = bytes
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                var buffer = ByteBuffer(bytes: damaged)
                let decoded = try? decoder.next(from: &buffer)
                #expect(decoded != .some(frame))
                cases += 1
            }
        }
        #expect(cases > 4_000)
    }

    @Test("a frame of another cluster is refused; a hello from one is told apart by its reader")
    func otherCluster() throws {
        let stranger = ClusterID(high: 1, low: 2)
        var encoder = FrameEncoder(cluster: stranger)
        var buffer = ByteBuffer()
        let message = Message(from: NodeID(1), to: NodeID(2), term: Term(1), body: .timeoutNow)
        encoder.encode(message, group: GroupID(0), into: &buffer)
        let decoder = FrameDecoder(cluster: cluster)
        #expect(throws: DecodeError.invalid("a frame of another cluster")) {
            try decoder.next(from: &buffer)
        }
        var hello = ByteBuffer()
        encoder.encode(
            Hello(cluster: stranger, node: NodeID(1), groupCount: 1),
            into: &hello
        )
        let expected = Hello(cluster: stranger, node: NodeID(1), groupCount: 1)
        #expect(try decoder.next(from: &hello) == .hello(expected))
    }

    @Test("a length above the limit is refused before it is waited for")
    func tooLong() {
        var buffer = ByteBuffer(bytes: [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])
        #expect(throws: DecodeError.tooLarge(Int(UInt32.max))) {
            try FrameDecoder(cluster: cluster).next(from: &buffer)
        }
    }

    @Test("well-sealed nonsense is an error or a frame, never a trap")
    func fuzz() {
        let decoder = FrameDecoder(cluster: cluster)
        var state: UInt64 = 7
        func random() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        let frames = samples().map { Array(encode([$0]).readableBytesView) }
        var errors = 0
        for round in 0..<20_000 {
            var bytes = frames[round % frames.count]
            for _ in 0..<(1 + random() % 4) {
                let place = 8 + Int(random() % UInt64(bytes.count - 8))
                bytes[place] = random() % 3 == 0 ? 0xff : UInt8(truncatingIfNeeded: random())
            }
            var buffer = sealed(bytes)
            do { _ = try decoder.next(from: &buffer) } catch { errors += 1 }
        }
        #expect(errors > 5_000)
    }
}
