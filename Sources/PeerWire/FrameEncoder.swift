// Frames to bytes, for one link. Messages go in one by one as a turn makes them; most come out at
// once, behind what the turn has written before. Heartbeats and their answers are kept back until
// the turn ends, for two reasons:
//
// - In version 2 those of all groups travel in one frame.
// - They must not wait behind what the same turn sends. An append can be half a megabyte, a turn's
//   appends to one peer several, and a heartbeat that arrives late is an election or a lapsed
//   lease. So they go into a buffer of their own, which the link hands to the socket before the
//   other: to put them in front of the appends in one buffer would move all of these.
//
// Raft does not care about the order: a heartbeat's commit index is at most what its receiver is
// known to have, whatever appends are on their way. (What earlier turns gave the socket does stay
// in front. The windows of the core and of the link bound it.)

import Bytes
package import NIOCore
package import RaftCore

/// What became of a message.
package enum Encoding: Hashable, Sendable {
    /// It is in the buffer.
    case written
    /// It leaves with `FrameEncoder.finishTurn`.
    case keptBack
    /// The peer's version has no words for it: a piece of a snapshot, a fingerprint, a notice,
    /// the question of a mute node, or an append with a membership entry. It counts as lost on the
    /// way, which Raft allows of any message: its sender tries again until the peer is upgraded. So
    /// a group whose members change while one of them runs an older release goes on without that
    /// one.
    case inexpressible
}

/// Writes the frames of one link, in the version its reader understands.
package struct FrameEncoder: Sendable {
    /// The version of what is written from now on. May change at any time: each frame says its own.
    package var version: CodecVersion
    private let cluster: ClusterID
    /// Reused between frames, so that a frame costs no allocation once it has grown.
    private var scratch = ByteWriter(capacity: 4_096)
    private var kept = Heartbeats(from: NodeID(0), to: NodeID(0))

    package init(cluster: ClusterID, version: CodecVersion) {
        self.cluster = cluster
        self.version = version
    }

    /// Appends the frames of `hello` to `buffer`: what a connection to `peer` begins with. A reader
    /// of any version understands them.
    package mutating func encode(_ hello: Hello, to peer: NodeID, into buffer: inout ByteBuffer) {
        begin(.hello, .v1)
        scratch.write(hello.cluster)
        scratch.write(hello.node.rawValue)
        scratch.write(hello.groupCount)
        finish(into: &buffer)
        guard hello.needsSupplement else { return }
        write(hello.supplement(to: peer), GroupID(0), .v1, into: &buffer)
    }

    /// Appends the frame of one group's message to `buffer`, or keeps a heartbeat back.
    @discardableResult
    package mutating func encode(
        _ message: Message,
        group: GroupID,
        into buffer: inout ByteBuffer
    ) -> Encoding {
        switch message.body {
        case .heartbeat(let heartbeat):
            makeRoom(for: message, into: &buffer)
            kept.beats.append(.init(group: group, term: message.term, heartbeat: heartbeat))
            return .keptBack
        case .heartbeatResponse(let response):
            makeRoom(for: message, into: &buffer)
            kept.answers.append(.init(group: group, term: message.term, response: response))
            return .keptBack
        case .preVoteRequest, .preVoteResponse, .voteRequest, .voteResponse, .appendRequest,
            .appendResponse, .timeoutNow, .snapshotChunk, .snapshotResponse, .fingerprint,
            .voiceRequest, .voiceResponse, .homecomingRequest, .homecomingResponse:
            if version == .v1, CodecVersion(neededBy: message.body) > .v1 { return .inexpressible }
            write(message, group, version, into: &buffer)
            return .written
        }
    }

    /// Appends the frame of `notice` to `buffer`, unless the peer's version has no words for it.
    package mutating func encode(
        _ notice: RoomNotice,
        into buffer: inout ByteBuffer
    ) -> Encoding {
        guard version >= .v2 else { return .inexpressible }
        begin(.roomNotice, version)
        scratch.write(cluster)
        scratch.writeVarint(notice.from.rawValue)
        scratch.writeVarint(notice.to.rawValue)
        scratch.write(UInt8(notice.isShortOfRoom ? 1 : 0))
        finish(into: &buffer)
        return .written
    }

    /// Appends what was kept back to `urgent`, which must leave before the buffers of the turn's
    /// other messages. Nothing where nothing was.
    package mutating func finishTurn(into urgent: inout ByteBuffer) {
        guard !kept.isEmpty else { return }
        if version >= .v2 {
            begin(.heartbeats, version)
            scratch.write(cluster)
            scratch.write(kept)
            finish(into: &urgent)
        } else {
            for (group, message) in kept { write(message, group, version, into: &urgent) }
        }
        dropTurn()
    }

    /// Forgets what was kept back: the connection that it was meant for has ended.
    package mutating func dropTurn() {
        kept.beats.removeAll(keepingCapacity: true)
        kept.answers.removeAll(keepingCapacity: true)
    }

    /// What is kept back is of one pair of nodes and fits one frame; otherwise it leaves early,
    /// with the other messages.
    private mutating func makeRoom(for message: Message, into buffer: inout ByteBuffer) {
        let isFull = max(kept.beats.count, kept.answers.count) >= Limits.heartbeatsMax
        if isFull || kept.from != message.from || kept.to != message.to {
            finishTurn(into: &buffer)
        }
        kept.from = message.from
        kept.to = message.to
    }

    private mutating func write(
        _ message: Message,
        _ group: GroupID,
        _ version: CodecVersion,
        into buffer: inout ByteBuffer
    ) {
        begin(.message, version)
        scratch.write(cluster)
        scratch.write(group.rawValue)
        scratch.write(message)
        finish(into: &buffer)
    }

    private mutating func begin(_ kind: FrameKind, _ version: CodecVersion) {
        scratch.removeAll()
        scratch.write(UInt32(0))
        scratch.write(UInt32(0))
        scratch.write(version.rawValue)
        scratch.write(kind.rawValue)
    }

    private mutating func finish(into buffer: inout ByteBuffer) {
        let count = scratch.count - Frame.prefixBytes
        precondition(count <= Limits.frameBytesMax, "senders cut appends well below this")
        scratch.overwrite(UInt32(count), at: 0)
        // No slice is held while the prefix is overwritten: it would make that copy the frame.
        let checksum = CRC32C.checksum(scratch.bytes[Frame.prefixBytes...])
        scratch.overwrite(checksum, at: 4)
        buffer.writeBytes(scratch.bytes)
    }
}

extension ByteWriter {
    fileprivate mutating func write(_ heartbeats: Heartbeats) {
        writeVarint(heartbeats.from.rawValue)
        writeVarint(heartbeats.to.rawValue)
        writeCount(heartbeats.beats.count)
        for beat in heartbeats.beats {
            writeVarint(UInt64(beat.group.rawValue))
            writeVarint(beat.term.rawValue)
            writeVarint(beat.heartbeat.commit.rawValue)
            writeVarint(beat.heartbeat.round.rawValue)
        }
        writeCount(heartbeats.answers.count)
        for answer in heartbeats.answers {
            writeVarint(UInt64(answer.group.rawValue))
            writeVarint(answer.term.rawValue)
            writeVarint(answer.response.round.rawValue)
        }
    }
}
