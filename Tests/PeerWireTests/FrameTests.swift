import Bytes
import NIOCore
import PeerWire
import RaftCore
import Testing

@Suite("Peer frames")
struct FrameTests {
    @Test("every kind of frame comes back as it was", arguments: [CodecVersion.v1, .v2])
    func roundTrip(_ version: CodecVersion) throws {
        var buffer = encode(samples(version), version)
        let decoder = FrameDecoder(cluster: cluster)
        for frame in samples(version) {
            #expect(try decoder.next(from: &buffer) == frame)
        }
        #expect(try decoder.next(from: &buffer) == nil)
        #expect(buffer.readableBytes == 0)
    }

    @Test("a frame cut at any byte waits for the rest", arguments: [CodecVersion.v1, .v2])
    func everySplit(_ version: CodecVersion) throws {
        let decoder = FrameDecoder(cluster: cluster)
        for frame in samples(version) {
            let whole = encode([frame], version)
            for length in 0..<whole.readableBytes {
                var part = try #require(whole.getSlice(at: 0, length: length))
                #expect(try decoder.next(from: &part) == nil)
                #expect(part.readableBytes == length, "nothing is consumed before it is whole")
            }
        }
    }

    @Test(
        "a stream cut in two at any byte gives the same frames",
        arguments: [CodecVersion.v1, .v2]
    )
    func everyCutOfTheStream(_ version: CodecVersion) throws {
        let frames = samples(version)
        let stream = encode(frames, version)
        var cuts = 0
        for cut in 0...stream.readableBytes {
            var buffer = try #require(stream.getSlice(at: 0, length: cut))
            let before = try decodeAll(&buffer)
            var rest = try #require(
                stream.getSlice(at: cut, length: stream.readableBytes - cut)
            )
            buffer.writeBuffer(&rest)
            #expect(try before + decodeAll(&buffer) == frames)
            cuts += 1
        }
        #expect(cuts > 600)
    }

    @Test("every damaged byte is noticed", arguments: [CodecVersion.v1, .v2])
    func damagedBytes(_ version: CodecVersion) {
        let decoder = FrameDecoder(cluster: cluster)
        var random = Random(seed: 11)
        var noticed = 0
        var waiting = 0
        for frame in samples(version) {
            let intact = bytes([frame], version)
            for place in intact.indices {
                let flips = (0..<8).map { UInt8(1) << $0 } + [0xff, UInt8(1 + random.below(255))]
                for flip in flips {
                    var damaged = intact
                    damaged[place] ^= flip
                    var buffer = ByteBuffer(bytes: damaged)
                    do {
                        let frame = try decoder.next(from: &buffer)
                        #expect(frame == nil, "byte \(place) of \(intact)")
                        // A length that grew: the bytes of the next frames end up in this one.
                        waiting += 1
                    } catch { noticed += 1 }
                }
            }
        }
        #expect(noticed > 5_000)
        #expect(waiting < noticed / 10)
    }

    @Test("a damaged length ends the connection once enough has followed")
    func damagedLength() throws {
        let frame = samples(.v2)[1]
        for flip in 0..<16 {
            var stream = bytes([frame], .v2)
            stream[flip / 8] ^= 1 << UInt8(flip % 8)
            for _ in 0..<1_500 { stream += bytes([frame], .v2) }
            var buffer = ByteBuffer(bytes: stream)
            #expect(throws: DecodeError.self) { try decodeAll(&buffer) }
        }
    }

    @Test("a frame of another cluster is refused; a hello from one is told apart by its reader")
    func otherCluster() throws {
        var encoder = FrameEncoder(cluster: stranger, version: .v2)
        let decoder = FrameDecoder(cluster: cluster)
        for body in [Message.Body.timeoutNow, .heartbeatResponse(HeartbeatResponse(round: .none))] {
            var buffer = ByteBuffer()
            encoder.encode(message(body), group: GroupID(0), into: &buffer)
            encoder.finishTurn(into: &buffer)
            #expect(throws: DecodeError.invalid("a frame of another cluster")) {
                try decoder.next(from: &buffer)
            }
        }
        var buffer = ByteBuffer()
        encoder.encode(hello(cluster: stranger), to: NodeID(1), into: &buffer)
        let expected = hello(cluster: stranger, version: .v1, incarnation: nil)
        #expect(try decoder.next(from: &buffer) == .hello(expected))
    }

    @Test("payloads are slices of their frame, not copies")
    func slices() throws {
        var found = 0
        for frame in samples(.v2) {
            var buffer = encode([frame], .v2)
            guard
                case .message(_, let message) = try FrameDecoder(cluster: cluster).next(
                    from: &buffer
                )
            else { continue }
            if case .snapshotChunk(let chunk) = message.body {
                #expect(chunk.bytes.startIndex > 0, "a copy would begin at 0")
                found += 1
            }
            guard case .appendRequest(let request) = message.body else { continue }
            for case .command(let payload) in request.entries.map(\.content) {
                #expect(payload.startIndex > 0, "a copy would begin at 0")
                found += 1
            }
        }
        #expect(found == 6)
    }
}
