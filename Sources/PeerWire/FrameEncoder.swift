// Frames to bytes. Payloads are appended as they are: encoded once by the replica, they are the
// same bytes here, in the log and at every follower.

import Bytes
package import NIOCore
package import RaftCore

/// Writes frames for one cluster.
package struct FrameEncoder: Sendable {
    private let cluster: ClusterID
    /// Reused between frames, so that a frame costs no allocation once it has grown.
    private var scratch = ByteWriter(capacity: 4_096)

    package init(cluster: ClusterID) { self.cluster = cluster }

    /// Appends the frame of `hello` to `buffer`.
    package mutating func encode(_ hello: Hello, into buffer: inout ByteBuffer) {
        begin(.hello)
        write(hello.cluster)
        scratch.write(hello.node.rawValue)
        scratch.write(hello.groupCount)
        finish(into: &buffer)
    }

    /// Appends the frame of one group's message to `buffer`.
    package mutating func encode(
        _ message: Message,
        group: GroupID,
        into buffer: inout ByteBuffer
    ) {
        begin(.message)
        write(cluster)
        scratch.write(group.rawValue)
        scratch.writeVarint(message.from.rawValue)
        scratch.writeVarint(message.to.rawValue)
        scratch.writeVarint(message.term.rawValue)
        write(message.body)
        finish(into: &buffer)
    }

    private mutating func begin(_ kind: Frame.Kind) {
        scratch.removeAll()
        scratch.write(UInt32(0))
        scratch.write(UInt32(0))
        scratch.write(Frame.version)
        scratch.write(kind.rawValue)
    }

    private mutating func finish(into buffer: inout ByteBuffer) {
        let body = scratch.bytes[Frame.prefixBytes...]
        precondition(body.count <= Limits.frameBytesMax, "senders cut appends well below this")
        scratch.overwrite(UInt32(body.count), at: 0)
        scratch.overwrite(CRC32C.checksum(body), at: 4)
        buffer.writeBytes(scratch.bytes)
    }

    private mutating func write(_ cluster: ClusterID) {
        scratch.write(cluster.high)
        scratch.write(cluster.low)
    }

    private mutating func write(_ position: LogPosition) {
        scratch.writeVarint(position.term.rawValue)
        scratch.writeVarint(position.index.rawValue)
    }

    private mutating func write(_ flag: Bool) { scratch.write(UInt8(flag ? 1 : 0)) }

    private mutating func write(_ body: Message.Body) {
        scratch.write(BodyTag(body).rawValue)
        switch body {
        case .preVoteRequest(let request):
            scratch.writeVarint(request.proposedTerm.rawValue)
            write(request.last)
        case .preVoteResponse(let response):
            scratch.writeVarint(response.proposedTerm.rawValue)
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
            scratch.writeVarint(heartbeat.commit.rawValue)
            scratch.writeVarint(heartbeat.round.rawValue)
        case .heartbeatResponse(let response):
            scratch.writeVarint(response.round.rawValue)
        case .timeoutNow:
            break
        }
    }

    /// Entries are consecutive, so their indexes follow from the first; terms repeat, so each is
    /// written as its distance from the one before.
    private mutating func write(_ request: AppendRequest) {
        write(request.previous)
        scratch.writeVarint(request.commit.rawValue)
        scratch.writeCount(request.entries.count)
        var term = request.previous.term
        for entry in request.entries {
            scratch.writeVarint(entry.term.rawValue - term.rawValue)
            term = entry.term
            switch entry.content {
            case .noop:
                scratch.write(EntryTag.noop.rawValue)
            case .command(let payload):
                scratch.write(EntryTag.command.rawValue)
                scratch.writeLengthPrefixed(payload)
            }
        }
    }

    private mutating func write(_ response: AppendResponse) {
        switch response {
        case .accepted(let match):
            scratch.write(AppendResponseTag.accepted.rawValue)
            scratch.writeVarint(match.rawValue)
        case .rejected(let previous, let hint):
            scratch.write(AppendResponseTag.rejected.rawValue)
            scratch.writeVarint(previous.rawValue)
            write(hint)
        case .stale:
            scratch.write(AppendResponseTag.stale.rawValue)
        }
    }
}
