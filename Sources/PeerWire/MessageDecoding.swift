// The body of a message frame, read. Payloads come out as slices of the frame: nothing is copied
// between the socket's bytes and the state machine.

import Bytes
import RaftCore

extension ByteReader {
    mutating func readMessage(_ version: CodecVersion) throws(DecodeError) -> Message {
        let from = NodeID(try readVarint())
        let to = NodeID(try readVarint())
        let term = try readTerm()
        let tag = try readUInt8()
        guard let kind = BodyTag(rawValue: tag), kind.isKnown(in: version) else {
            throw .unknownTag(tag)
        }
        let body = try readBody(kind, version)
        return Message(from: from, to: to, term: term, body: body)
    }

    private mutating func readBody(
        _ kind: BodyTag,
        _ version: CodecVersion
    ) throws(DecodeError) -> Message.Body {
        switch kind {
        case .preVoteRequest:
            let term = try readTerm()
            return .preVoteRequest(PreVoteRequest(proposedTerm: term, last: try readPosition()))
        case .preVoteResponse:
            let term = try readTerm()
            return .preVoteResponse(PreVoteResponse(proposedTerm: term, granted: try readFlag()))
        case .voteRequest:
            let last = try readPosition()
            return .voteRequest(VoteRequest(last: last, isTransfer: try readFlag()))
        case .voteResponse:
            return .voteResponse(VoteResponse(granted: try readFlag()))
        case .appendRequest:
            return .appendRequest(try readAppendRequest(version))
        case .appendResponse:
            return .appendResponse(try readAppendResponse())
        case .heartbeat:
            let commit = try readIndex()
            return .heartbeat(Heartbeat(commit: commit, round: try readRound()))
        case .heartbeatResponse:
            return .heartbeatResponse(HeartbeatResponse(round: try readRound()))
        case .timeoutNow:
            return .timeoutNow
        case .snapshotChunk:
            return .snapshotChunk(try readSnapshotChunk())
        case .snapshotResponse:
            let position = try readPosition()
            return .snapshotResponse(
                SnapshotResponse(position: position, wanted: try readOffset())
            )
        case .fingerprint:
            let index = try readIndex()
            return .fingerprint(Fingerprint(index: index, value: try readUInt64()))
        case .voiceRequest:
            let token = try readUInt64()
            return .voiceRequest(VoiceRequest(token: token, agreed: try readIndex()))
        case .voiceResponse:
            let token = try readUInt64()
            return .voiceResponse(VoiceResponse(token: token, last: try readIndex()))
        case .homecomingRequest:
            return .homecomingRequest(HomecomingRequest(token: try readUInt64()))
        case .homecomingResponse:
            let token = try readUInt64()
            return .homecomingResponse(
                HomecomingResponse(token: token, acknowledged: try readPosition())
            )
        }
    }

    private mutating func readAppendRequest(
        _ version: CodecVersion
    ) throws(DecodeError) -> AppendRequest {
        let previous = try readPosition()
        let commit = try readIndex()
        let count = try readCount(limit: Limits.entriesMax)
        var entries: [Entry] = []
        // An entry takes two bytes at least, so a lying count reserves no more than the frame is
        // long.
        entries.reserveCapacity(min(count, remaining / 2))
        var position = previous
        for _ in 0..<count {
            let (term, overflow) = position.term.rawValue.addingReportingOverflow(
                try readVarint()
            )
            guard !overflow, term <= Foreign.termMax else { throw .invalid("a term beyond reach") }
            position = LogPosition(term: Term(term), index: position.index.next)
            let content = try readContent(version)
            entries.append(Entry(term: position.term, index: position.index, content: content))
        }
        return AppendRequest(previous: previous, entries: entries, commit: commit)
    }

    private mutating func readContent(
        _ version: CodecVersion
    ) throws(DecodeError) -> Entry.Content {
        let tag = try readUInt8()
        guard let kind = EntryTag(rawValue: tag), kind.isKnown(in: version) else {
            throw .unknownTag(tag)
        }
        switch kind {
        case .noop: return .noop
        case .command: return .command(try readLengthPrefixed(limit: Limits.frameBytesMax))
        case .membership: return .membership(try readMembership())
        }
    }

    private mutating func readMembership() throws(DecodeError) -> Membership {
        let bytes = try readLengthPrefixed(limit: Limits.membershipBytesMax)
        guard let membership = Membership(encoded: bytes) else {
            throw .invalid("not a membership")
        }
        return membership
    }

    private mutating func readAppendResponse() throws(DecodeError) -> AppendResponse {
        let tag = try readUInt8()
        switch AppendResponseTag(rawValue: tag) {
        case .accepted: return .accepted(match: try readIndex())
        case .rejected:
            let previous = try readIndex()
            return .rejected(previous: previous, hint: try readPosition())
        case .stale: return .stale
        case nil: throw .unknownTag(tag)
        }
    }

    private mutating func readSnapshotChunk() throws(DecodeError) -> SnapshotChunk {
        let position = try readPosition()
        let membership = try readMembership()
        let offset = try readOffset()
        let isLast = try readFlag()
        return SnapshotChunk(
            mark: SnapshotMark(position: position, membership: membership),
            offset: offset,
            bytes: try readLengthPrefixed(limit: Limits.chunkBytesMax),
            isLast: isLast
        )
    }
}
