import Bytes
import NIOCore
import PeerWire
import RaftCore
import Testing

/// The content of a message frame: group, sender, receiver, term, tag.
private func head(_ writer: inout ByteWriter, term: UInt64 = 9, tag: UInt8) {
    writer.write(UInt16(3))
    writer.writeVarint(1)
    writer.writeVarint(2)
    writer.writeVarint(term)
    writer.write(tag)
}

/// A message frame of version 2 whose body is these numbers.
private func numbers(tag: UInt8, _ values: [UInt64], term: UInt64 = 9) -> ByteBuffer {
    crafted(version: 2, kind: 2) { writer in
        head(&writer, term: term, tag: tag)
        for value in values { writer.writeVarint(value) }
    }
}

private func refusal(_ buffer: ByteBuffer) -> DecodeError? {
    var buffer = buffer
    do {
        _ = try FrameDecoder(cluster: cluster).next(from: &buffer)
        return nil
    } catch { return error }
}

@Suite("Hostile bytes")
struct HostileTests {
    @Test("a length above the limit is refused before it is waited for")
    func tooLong() {
        let buffer = ByteBuffer(bytes: [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])
        #expect(refusal(buffer) == .tooLarge(Int(UInt32.max)))
    }

    @Test("a lying length reserves no more than a step")
    func reservation() {
        let decoder = FrameDecoder(cluster: cluster)
        let buffer = ByteBuffer(bytes: [0xff, 0xff, 0xff, 0xff])
        #expect(decoder.bytesMissing(in: buffer) == Limits.reserveBytesMax)
    }

    @Test("terms, indexes, rounds and offsets beyond reach are refused in every body")
    func beyondReach() {
        let limit = UInt64(1) << 62
        // Each list is a body in which every number may be as large as the limit.
        let bodies: [(tag: UInt8, values: [UInt64], after: [UInt64])] = [
            (1, [limit, limit, limit], []),  // pre-vote request
            (3, [limit, limit], [0]),  // vote request
            (5, [limit, limit, limit], [0]),  // append request
            (7, [limit, limit], []),  // heartbeat
            (8, [limit], []),  // heartbeat response
            (11, [limit, limit, limit], []),  // snapshot response
        ]
        var refused = 0
        for body in bodies {
            #expect(refusal(numbers(tag: body.tag, body.values + body.after)) == nil)
            for place in body.values.indices {
                for value in [limit + 1, .max] {
                    var values = body.values
                    values[place] = value
                    let error = refusal(numbers(tag: body.tag, values + body.after))
                    guard case .invalid = error else {
                        Issue.record(
                            "tag \(body.tag), number \(place): \(String(describing: error))"
                        )
                        continue
                    }
                    refused += 1
                }
            }
        }
        #expect(refused == 28)
        #expect(refusal(numbers(tag: 9, [], term: limit)) == nil)
        #expect(refusal(numbers(tag: 9, [], term: limit + 1)) == .invalid("a term beyond reach"))
    }

    @Test("terms of entries that add up beyond reach are refused, and so are too many entries")
    func entries() {
        let half = UInt64(1) << 61
        // Previous term and index, commit, count; then two entries: a distance and a no-op each.
        #expect(refusal(numbers(tag: 5, [0, 1, 0, 2, half, 0, half, 0])) == nil)
        let beyond = DecodeError.invalid("a term beyond reach")
        #expect(refusal(numbers(tag: 5, [1, 1, 0, 2, half, 0, half, 0])) == beyond)
        #expect(refusal(numbers(tag: 5, [1, 1, 0, 1, .max, 0])) == beyond)
        let many = UInt64(Limits.entriesMax) + 1
        #expect(refusal(numbers(tag: 5, [1, 1, 0, many])) == .tooLarge(Int(many)))
        #expect(refusal(numbers(tag: 5, [1, 1, 0, .max])) == .tooLarge(.max))
        #expect(refusal(numbers(tag: 5, [1, 1, 0, many - 1])) == .truncated)
    }

    @Test("a membership entry that is none, or longer than any, is refused")
    func memberships() {
        func entry(_ length: UInt64, _ bytes: [UInt8]) -> ByteBuffer {
            crafted(version: 2, kind: 2) { writer in
                head(&writer, tag: 5)
                for value in [0, 1, 0, 1, 4] as [UInt64] { writer.writeVarint(value) }
                writer.write(UInt8(2))
                writer.writeVarint(length)
                writer.write(bytes)
            }
        }
        let whole = membership.encoded
        #expect(refusal(entry(UInt64(whole.count), whole)) == nil)
        #expect(refusal(entry(3, [1, 2, 3])) == .invalid("not a membership"))
        let short = Array(whole.dropLast())
        #expect(refusal(entry(UInt64(short.count), short)) == .invalid("not a membership"))
        #expect(refusal(entry(16 * 1024 + 1, whole)) == .tooLarge(16 * 1024 + 1))
        #expect(refusal(entry(16 * 1024, whole)) == .truncated)
    }

    @Test("the largest membership that the core allows fits")
    func largestMembership() throws {
        let contact = [UInt8](repeating: 1, count: RaftCore.Limits.contactBytesMax)
        let members = (1...UInt64(RaftCore.Limits.membersMax)).map {
            Member(id: NodeID($0), role: .voter, contact: contact)
        }
        let largest = Membership(members: members)
        #expect(largest.encodedBytes <= PeerWire.Limits.membershipBytesMax)
        let entry = Entry(term: Term(1), index: LogIndex(1), content: .membership(largest))
        let request = AppendRequest(previous: .origin, entries: [entry], commit: .zero)
        let frame = Frame.message(GroupID(0), message(.appendRequest(request)))
        var buffer = encode([frame], .v2)
        #expect(try FrameDecoder(cluster: cluster).next(from: &buffer) == frame)
    }

    @Test("a piece of a snapshot is bounded in place and length")
    func chunks() {
        func chunk(offset: UInt64, isLast: UInt8 = 0, length: UInt64, bytes: [UInt8]) -> ByteBuffer
        {
            crafted(version: 2, kind: 2) { writer in
                head(&writer, tag: 10)
                writer.writeVarint(3)
                writer.writeVarint(700)
                writer.writeLengthPrefixed(membership.encoded[...])
                writer.writeVarint(offset)
                writer.write(isLast)
                writer.writeVarint(length)
                writer.write(bytes)
            }
        }
        let limit = UInt64(1) << 62
        #expect(refusal(chunk(offset: limit, length: 2, bytes: [1, 2])) == nil)
        #expect(
            refusal(chunk(offset: limit + 1, length: 2, bytes: [1, 2]))
                == .invalid("an offset beyond reach")
        )
        #expect(refusal(chunk(offset: 0, isLast: 2, length: 0, bytes: [])) == .unknownTag(2))
        #expect(refusal(chunk(offset: 0, length: 3, bytes: [1, 2])) == .truncated)
        #expect(refusal(chunk(offset: 0, length: 1, bytes: [1, 2])) == .trailingBytes(1))
        let long = Limits.chunkBytesMax + 1
        let bytes = [UInt8](repeating: 0, count: long)
        #expect(refusal(chunk(offset: 0, length: UInt64(long), bytes: bytes)) == .tooLarge(long))
        #expect(refusal(chunk(offset: 0, length: .max, bytes: [])) == .tooLarge(.max))
    }

    @Test("heartbeats are bounded in number and in every number")
    func heartbeats() {
        func frame(_ values: [UInt64]) -> DecodeError? {
            refusal(
                crafted(version: 2, kind: 3) { writer in
                    for value in values { writer.writeVarint(value) }
                }
            )
        }
        let limit = UInt64(1) << 62
        // Sender, receiver, one beat (group, term, commit, round), one answer (group, term, round).
        let whole = [1, 2, 1, 65_535, limit, limit, limit, 1, 65_535, limit, limit]
        #expect(frame(whole) == nil)
        for place in [4, 5, 6, 9, 10] {
            var values = whole
            values[place] = limit + 1
            guard case .invalid = frame(values) else {
                Issue.record("number \(place) is not bounded")
                continue
            }
        }
        for place in [3, 8] {
            var values = whole
            values[place] = 65_536
            #expect(frame(values) == .tooLarge(65_536))
        }
        let many = UInt64(Limits.heartbeatsMax) + 1
        #expect(frame([1, 2, many]) == .tooLarge(Int(many)))
        #expect(frame([1, 2, 0, many]) == .tooLarge(Int(many)))
        #expect(frame([1, 2, many - 1]) == .truncated)
        #expect(frame([1, 2, 0, many - 1]) == .truncated)
        #expect(frame([1, 2, 0, 0]) == nil)
        #expect(frame([1, 2, 0, 0, 0]) == .trailingBytes(1))
    }

    @Test(
        "well-sealed nonsense is an error or a frame, never a trap",
        arguments: [CodecVersion.v1, .v2]
    )
    func fuzz(_ version: CodecVersion) throws {
        let decoder = FrameDecoder(cluster: cluster)
        var random = Random(seed: 7)
        // A hello needs a second frame; the greeting has a test of its own.
        let frames = samples(version).dropFirst().map { bytes([$0], version) }
        var errors = 0
        var decoded = 0
        for round in 0..<20_000 {
            var bytes = frames[round % frames.count]
            for _ in 0...random.below(4) {
                let place = 8 + random.below(bytes.count - 8)
                bytes[place] = random.below(3) == 0 ? 0xff : UInt8(random.below(256))
            }
            var buffer = sealed(bytes)
            do {
                guard let frame = try decoder.next(from: &buffer) else { continue }
                try expectStable(frame)
                decoded += 1
            } catch is DecodeError { errors += 1 }
        }
        #expect(errors > 5_000)
        #expect(decoded > 2_000)
    }

    @Test("random bodies are an error or a frame, never a trap")
    func randomBodies() throws {
        let decoder = FrameDecoder(cluster: cluster)
        var random = Random(seed: 23)
        var errors = 0
        var decoded = 0
        for _ in 0..<40_000 {
            let kind = UInt8(2 + random.below(2))
            var buffer = crafted(version: 2, kind: kind) { writer in
                if kind == 2 { head(&writer, tag: UInt8(random.below(14))) }
                for _ in 0..<random.below(24) {
                    // Small numbers keep counts and tags true often enough to get far.
                    let byte = random.below(4) == 0 ? random.below(256) : random.below(3)
                    writer.write(UInt8(byte))
                }
            }
            do {
                guard let frame = try decoder.next(from: &buffer) else { continue }
                try expectStable(frame)
                decoded += 1
            } catch is DecodeError { errors += 1 }
        }
        #expect(errors > 10_000)
        #expect(decoded > 800)
    }

    @Test("a stream of random bytes yields no frame")
    func randomStreams() {
        var random = Random(seed: 5)
        var errors = 0
        for _ in 0..<2_000 {
            var stream = (0..<64).map { _ in UInt8(random.below(256)) }
            // Mostly a length that is believed, so that the checksum is what finds it out.
            if random.below(4) > 0 { stream.replaceSubrange(0..<4, with: [40, 0, 0, 0]) }
            if refusal(ByteBuffer(bytes: stream)) != nil { errors += 1 }
        }
        #expect(errors > 1_400)
    }

    /// Whatever was decoded can be written and read again.
    private func expectStable(_ frame: Frame) throws {
        var again = encode([frame], .v2)
        let frames = try decodeAll(&again)
        #expect(frames.flatMap(messages) == messages(of: frame))
    }
}
