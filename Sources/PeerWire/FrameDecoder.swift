// Bytes to frames. Incremental: the length says how much to wait for, so no byte is looked at twice
// however the stream is cut. It never traps; a frame that is damaged, of another cluster or of a
// format that this build does not know throws, and the connection ends.

package import Bytes
package import NIOCore
package import RaftCore

/// Reads the frames of one connection.
package struct FrameDecoder: Sendable {
    private let cluster: ClusterID

    package init(cluster: ClusterID) { self.cluster = cluster }

    /// The next whole frame of `buffer`, whose bytes are consumed; nil until more have arrived.
    package func next(from buffer: inout ByteBuffer) throws(DecodeError) -> Frame? {
        let start = buffer.readerIndex
        guard
            let length = buffer.getInteger(at: start, endianness: .little, as: UInt32.self),
            let checksum = buffer.getInteger(at: start + 4, endianness: .little, as: UInt32.self)
        else { return nil }
        guard length <= Limits.frameBytesMax else { throw .tooLarge(Int(length)) }
        guard buffer.readableBytes >= Frame.prefixBytes + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: Frame.prefixBytes)
        guard let body = buffer.readBytes(length: Int(length)) else { return nil }
        guard CRC32C.checksum(body) == checksum else { throw .checksumMismatch }
        return try decode(body)
    }

    /// How many more bytes the frame at the front needs, as far as known: what to reserve.
    package func bytesMissing(in buffer: ByteBuffer) -> Int {
        guard
            let length = buffer.getInteger(
                at: buffer.readerIndex,
                endianness: .little,
                as: UInt32.self
            )
        else { return 0 }
        let missing = Frame.prefixBytes + Int(length) - buffer.readableBytes
        return min(max(missing, 0), Limits.reserveBytesMax)
    }

    private func decode(_ body: [UInt8]) throws(DecodeError) -> Frame {
        var reader = ByteReader(body)
        let version = try reader.readUInt8()
        guard version == Frame.version else { throw .unknownTag(version) }
        let tag = try reader.readUInt8()
        guard let kind = Frame.Kind(rawValue: tag) else { throw .unknownTag(tag) }
        let sender = ClusterID(high: try reader.readUInt64(), low: try reader.readUInt64())
        let frame: Frame
        switch kind {
        case .hello:
            let node = NodeID(try reader.readUInt64())
            let groupCount = try reader.readUInt16()
            frame = .hello(Hello(cluster: sender, node: node, groupCount: groupCount))
        case .message:
            guard sender == cluster else { throw .invalid("a frame of another cluster") }
            let group = GroupID(try reader.readUInt16())
            frame = .message(group, try readMessage(&reader))
        }
        try reader.expectEnd()
        return frame
    }

    private func readMessage(_ reader: inout ByteReader) throws(DecodeError) -> Message {
        let from = NodeID(try reader.readVarint())
        let to = NodeID(try reader.readVarint())
        let term = try reader.readTerm()
        let tag = try reader.readUInt8()
        guard let kind = BodyTag(rawValue: tag) else { throw .unknownTag(tag) }
        return Message(from: from, to: to, term: term, body: try readBody(kind, &reader))
    }

    private func readBody(
        _ kind: BodyTag,
        _ reader: inout ByteReader
    ) throws(DecodeError) -> Message.Body {
        switch kind {
        case .preVoteRequest:
            let term = try reader.readTerm()
            return .preVoteRequest(
                PreVoteRequest(proposedTerm: term, last: try reader.readPosition())
            )
        case .preVoteResponse:
            let term = try reader.readTerm()
            return .preVoteResponse(
                PreVoteResponse(proposedTerm: term, granted: try reader.readFlag())
            )
        case .voteRequest:
            let last = try reader.readPosition()
            return .voteRequest(VoteRequest(last: last, isTransfer: try reader.readFlag()))
        case .voteResponse:
            return .voteResponse(VoteResponse(granted: try reader.readFlag()))
        case .appendRequest:
            return .appendRequest(try readAppendRequest(&reader))
        case .appendResponse:
            return .appendResponse(try readAppendResponse(&reader))
        case .heartbeat:
            let commit = try reader.readIndex()
            return .heartbeat(Heartbeat(commit: commit, round: try reader.readRound()))
        case .heartbeatResponse:
            return .heartbeatResponse(HeartbeatResponse(round: try reader.readRound()))
        case .timeoutNow:
            return .timeoutNow
        }
    }

    private func readAppendRequest(
        _ reader: inout ByteReader
    ) throws(DecodeError) -> AppendRequest {
        let previous = try reader.readPosition()
        let commit = try reader.readIndex()
        let count = try reader.readCount(limit: Limits.entriesMax)
        var entries: [Entry] = []
        // An entry takes two bytes at least, so a lying count reserves no more than the frame is
        // long.
        entries.reserveCapacity(min(count, reader.remaining / 2))
        var position = previous
        for _ in 0..<count {
            let (term, overflow) = position.term.rawValue.addingReportingOverflow(
                try reader.readVarint()
            )
            guard !overflow, term <= Foreign.termMax else { throw .invalid("a term beyond reach") }
            position = LogPosition(term: Term(term), index: position.index.next)
            let content = try readContent(&reader)
            entries.append(Entry(term: position.term, index: position.index, content: content))
        }
        return AppendRequest(previous: previous, entries: entries, commit: commit)
    }

    private func readContent(_ reader: inout ByteReader) throws(DecodeError) -> Entry.Content {
        let tag = try reader.readUInt8()
        switch EntryTag(rawValue: tag) {
        case .noop: return .noop
        case .command:
            return .command(try reader.readLengthPrefixed(limit: Limits.frameBytesMax))
        case nil: throw .unknownTag(tag)
        }
    }

    private func readAppendResponse(
        _ reader: inout ByteReader
    ) throws(DecodeError) -> AppendResponse {
        let tag = try reader.readUInt8()
        switch AppendResponseTag(rawValue: tag) {
        case .accepted: return .accepted(match: try reader.readIndex())
        case .rejected:
            let previous = try reader.readIndex()
            return .rejected(previous: previous, hint: try reader.readPosition())
        case .stale: return .stale
        case nil: throw .unknownTag(tag)
        }
    }
}

/// Bounds on numbers from outside, so that the core's arithmetic on them stays inside 64 bits. At a
/// billion a second it would take 146 years to reach them.
enum Foreign {
    static let indexMax = UInt64(1) << 62
    static let termMax = UInt64(1) << 62
}

extension ByteReader {
    mutating func readTerm() throws(DecodeError) -> Term {
        let value = try readVarint()
        guard value <= Foreign.termMax else { throw .invalid("a term beyond reach") }
        return Term(value)
    }

    mutating func readIndex() throws(DecodeError) -> LogIndex {
        let value = try readVarint()
        guard value <= Foreign.indexMax else { throw .invalid("a log index beyond reach") }
        return LogIndex(value)
    }

    mutating func readPosition() throws(DecodeError) -> LogPosition {
        let term = try readTerm()
        return LogPosition(term: term, index: try readIndex())
    }

    mutating func readRound() throws(DecodeError) -> ReadRound {
        ReadRound(rawValue: try readVarint())
    }

    mutating func readFlag() throws(DecodeError) -> Bool {
        let value = try readUInt8()
        guard value <= 1 else { throw .unknownTag(value) }
        return value == 1
    }
}
