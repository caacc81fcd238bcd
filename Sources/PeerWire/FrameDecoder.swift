// Bytes to frames. Incremental: the length says how much to wait for, so no byte is looked at twice
// however the stream is cut. It never traps; a frame that is damaged, of another cluster or of a
// format that this build does not know throws, and the connection ends.

package import Bytes
package import NIOCore
package import RaftCore

/// Reads the frames of one connection, of any version: each frame says which it is.
package struct FrameDecoder: Sendable {
    private let cluster: ClusterID

    package init(cluster: ClusterID) { self.cluster = cluster }

    /// The next whole frame of `buffer`, whose bytes are consumed; nil until more have arrived.
    /// A hello of this cluster comes out with the frame after it (Hello.swift); one of another
    /// cluster at once, for its reader to refuse.
    package func next(from buffer: inout ByteBuffer) throws(DecodeError) -> Frame? {
        var rest = buffer
        guard var frame = try read(from: &rest) else { return nil }
        if case .hello(var hello) = frame, hello.cluster == cluster {
            var beyond = rest
            guard let second = try read(from: &beyond) else { return nil }
            if case .message(_, let message) = second, try hello.take(message) {
                frame = .hello(hello)
                rest = beyond
            }
        }
        buffer = rest
        return frame
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

    /// One frame as it stands. `buffer` is left as it was where there is none.
    private func read(from buffer: inout ByteBuffer) throws(DecodeError) -> Frame? {
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

    private func decode(_ body: [UInt8]) throws(DecodeError) -> Frame {
        var reader = ByteReader(body)
        let number = try reader.readUInt8()
        guard let version = CodecVersion(rawValue: number) else { throw .unknownTag(number) }
        let tag = try reader.readUInt8()
        guard let kind = FrameKind(rawValue: tag), kind.isKnown(in: version) else {
            throw .unknownTag(tag)
        }
        let sender = try reader.readCluster()
        guard sender == cluster || kind == .hello else {
            throw .invalid("a frame of another cluster")
        }
        let frame: Frame
        switch kind {
        case .hello:
            frame = .hello(try readHello(&reader, sender))
        case .message:
            let group = GroupID(try reader.readUInt16())
            frame = .message(group, try reader.readMessage(version))
        case .heartbeats:
            frame = .heartbeats(try readHeartbeats(&reader))
        case .roomNotice:
            frame = .roomNotice(
                RoomNotice(
                    from: NodeID(try reader.readVarint()),
                    to: NodeID(try reader.readVarint()),
                    isShortOfRoom: try reader.readFlag()
                )
            )
        }
        try reader.expectEnd()
        return frame
    }

    private func readHello(
        _ reader: inout ByteReader,
        _ sender: ClusterID
    ) throws(DecodeError) -> Hello {
        let node = NodeID(try reader.readUInt64())
        return Hello(
            cluster: sender,
            node: node,
            groupCount: try reader.readUInt16(),
            version: .v1,
            incarnation: nil
        )
    }

    private func readHeartbeats(_ reader: inout ByteReader) throws(DecodeError) -> Heartbeats {
        let from = NodeID(try reader.readVarint())
        var heartbeats = Heartbeats(from: from, to: NodeID(try reader.readVarint()))
        // A lying count reserves no more than the frame is long: a beat takes four bytes at least,
        // an answer three.
        let beats = try reader.readCount(limit: Limits.heartbeatsMax)
        heartbeats.beats.reserveCapacity(min(beats, reader.remaining / 4))
        for _ in 0..<beats {
            let group = try reader.readGroup()
            let term = try reader.readTerm()
            let commit = try reader.readIndex()
            let heartbeat = Heartbeat(commit: commit, round: try reader.readRound())
            heartbeats.beats.append(.init(group: group, term: term, heartbeat: heartbeat))
        }
        let answers = try reader.readCount(limit: Limits.heartbeatsMax)
        heartbeats.answers.reserveCapacity(min(answers, reader.remaining / 3))
        for _ in 0..<answers {
            let group = try reader.readGroup()
            let term = try reader.readTerm()
            let response = HeartbeatResponse(round: try reader.readRound())
            heartbeats.answers.append(.init(group: group, term: term, response: response))
        }
        return heartbeats
    }
}
