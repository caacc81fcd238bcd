// The body of a message frame, written. Payloads are appended as they are: encoded once by the
// replica, they are the same bytes here, in the log and at every follower.

import Bytes
import RaftCore

extension ByteWriter {
    mutating func write(_ message: Message) {
        writeVarint(message.from.rawValue)
        writeVarint(message.to.rawValue)
        writeVarint(message.term.rawValue)
        write(BodyTag(message.body).rawValue)
        write(message.body)
    }

    mutating func write(_ cluster: ClusterID) {
        write(cluster.high)
        write(cluster.low)
    }

    private mutating func write(_ position: LogPosition) {
        writeVarint(position.term.rawValue)
        writeVarint(position.index.rawValue)
    }

    private mutating func write(_ flag: Bool) { write(UInt8(flag ? 1 : 0)) }

    private mutating func write(_ body: Message.Body) {
        switch body {
        case .preVoteRequest(let request):
            writeVarint(request.proposedTerm.rawValue)
            write(request.last)
        case .preVoteResponse(let response):
            writeVarint(response.proposedTerm.rawValue)
            write(response.granted)
        case .voteRequest(let request):
            write(request.last)
            write(request.isTransfer)
        case .voteResponse(let response):
            write(response.granted)
        case .appendRequest(let request):
            write(request)
        case .appendResponse(let response):
            write(response)
        case .heartbeat(let heartbeat):
            writeVarint(heartbeat.commit.rawValue)
            writeVarint(heartbeat.round.rawValue)
        case .heartbeatResponse(let response):
            writeVarint(response.round.rawValue)
        case .timeoutNow:
            break
        case .snapshotChunk(let chunk):
            write(chunk)
        case .snapshotResponse(let response):
            write(response.position)
            writeVarint(response.wanted)
        case .fingerprint(let fingerprint):
            writeVarint(fingerprint.index.rawValue)
            write(fingerprint.value)
        case .voiceRequest(let request):
            write(request.token)
            writeVarint(request.agreed.rawValue)
        case .voiceResponse(let response):
            write(response.token)
            writeVarint(response.last.rawValue)
        case .homecomingRequest(let request):
            write(request.token)
        case .homecomingResponse(let response):
            write(response.token)
            write(response.acknowledged)
        }
    }

    /// Entries are consecutive, so their indexes follow from the first; terms repeat, so each is
    /// written as its distance from the one before.
    private mutating func write(_ request: AppendRequest) {
        write(request.previous)
        writeVarint(request.commit.rawValue)
        writeCount(request.entries.count)
        var term = request.previous.term
        for entry in request.entries {
            writeVarint(entry.term.rawValue - term.rawValue)
            term = entry.term
            switch entry.content {
            case .noop:
                write(EntryTag.noop.rawValue)
            case .command(let payload):
                write(EntryTag.command.rawValue)
                writeLengthPrefixed(payload)
            case .membership(let membership):
                write(EntryTag.membership.rawValue)
                writeLengthPrefixed(membership.encoded[...])
            }
        }
    }

    private mutating func write(_ response: AppendResponse) {
        switch response {
        case .accepted(let match):
            write(AppendResponseTag.accepted.rawValue)
            writeVarint(match.rawValue)
        case .rejected(let previous, let hint):
            write(AppendResponseTag.rejected.rawValue)
            writeVarint(previous.rawValue)
            write(hint)
        case .stale:
            write(AppendResponseTag.stale.rawValue)
        }
    }

    private mutating func write(_ chunk: SnapshotChunk) {
        precondition(chunk.bytes.count <= Limits.chunkBytesMax, "senders cut well below this")
        write(chunk.mark.position)
        writeLengthPrefixed(chunk.mark.membership.encoded[...])
        writeVarint(chunk.offset)
        write(chunk.isLast)
        writeLengthPrefixed(chunk.bytes)
    }
}
