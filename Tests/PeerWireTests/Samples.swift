// Frames to test with, and the ways to make bytes of them and damage these.

import Bytes
import NIOCore
import PeerWire
import RaftCore

let cluster = ClusterID(high: 0x0123_4567_89ab_cdef, low: 42)
let stranger = ClusterID(high: 1, low: 2)
let incarnation = Incarnation(rawValue: 0xfedc_ba98_0000_0007)

func hello(
    _ node: UInt64 = 2,
    cluster: ClusterID = cluster,
    groupCount: UInt16 = 12,
    version: CodecVersion = .v2,
    incarnation: Incarnation? = incarnation
) -> Hello {
    Hello(
        cluster: cluster,
        node: NodeID(node),
        groupCount: groupCount,
        version: version,
        incarnation: incarnation
    )
}

func message(_ body: Message.Body, term: UInt64 = 9) -> Message {
    Message(from: NodeID(1), to: NodeID(300), term: Term(term), body: body)
}

private let position = LogPosition(term: Term(3), index: LogIndex(700))

/// Joint, with every role, an empty contact and a long one.
let membership = Membership(
    members: [
        Member(id: NodeID(1), role: .voter, contact: [1, 2, 3]),
        Member(id: NodeID(2), role: .outgoing),
        Member(id: NodeID(5), role: .incoming, contact: [UInt8](repeating: 9, count: 60)),
        Member(id: NodeID(300), role: .learner),
        Member(id: NodeID(1 << 40), role: .joining, replaces: NodeID(1)),
    ],
    highestID: NodeID(1 << 41)
)

/// Every body, with small, large and empty contents, that version 1 has words for.
func bodiesOfVersionOne() -> [Message.Body] {
    let entries = [
        Entry(term: Term(3), index: LogIndex(701), content: .noop),
        Entry(term: Term(3), index: LogIndex(702), content: .command([1, 2, 3])),
        Entry(term: Term(9), index: LogIndex(703), content: .command([])),
        Entry(
            term: Term(9),
            index: LogIndex(704),
            content: .command([UInt8](repeating: 7, count: 300)[...])
        ),
    ]
    return [
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
        .heartbeatResponse(HeartbeatResponse(round: ReadRound(rawValue: 1 << 62))),
        .timeoutNow,
    ]
}

/// Every body that only version 2 has words for.
func bodiesOfVersionTwo() -> [Message.Body] {
    let entries = [
        Entry(term: Term(4), index: LogIndex(701), content: .membership(membership)),
        Entry(term: Term(4), index: LogIndex(702), content: .command([1])),
        Entry(term: Term(4), index: LogIndex(703), content: .membership(.none)),
    ]
    let mark = SnapshotMark(position: position, membership: membership)
    let first = SnapshotMark(position: .origin, membership: .none)
    let piece = [UInt8](repeating: 5, count: 200)[...]
    return [
        .appendRequest(AppendRequest(previous: position, entries: entries, commit: .zero)),
        .snapshotChunk(SnapshotChunk(mark: mark, offset: 1 << 40, bytes: piece, isLast: false)),
        .snapshotChunk(SnapshotChunk(mark: first, offset: 0, bytes: [], isLast: true)),
        .snapshotResponse(SnapshotResponse(position: position, wanted: 1 << 62)),
        .fingerprint(Fingerprint(index: LogIndex(700), value: .max)),
        .voiceRequest(VoiceRequest(token: .max, agreed: LogIndex(700))),
        .voiceResponse(VoiceResponse(token: 1, last: LogIndex(1 << 62))),
        .homecomingRequest(HomecomingRequest(token: .max)),
        .homecomingResponse(HomecomingResponse(token: 1, acknowledged: position)),
    ]
}

/// One frame of every kind, as `version` writes it.
func samples(_ version: CodecVersion) -> [Frame] {
    let bodies = bodiesOfVersionOne() + (version == .v1 ? [] : bodiesOfVersionTwo())
    let greeting = version == .v1 ? hello(version: .v1, incarnation: nil) : hello()
    let messages = bodies.map { body in
        let frame = Frame.message(GroupID(11), message(body))
        return version == .v1 ? frame : coalesced(frame)
    }
    return [.hello(greeting)] + messages + (version == .v1 ? [] : conditions)
}

private let conditions = [true, false].map { isShort in
    Frame.roomNotice(RoomNotice(from: NodeID(1), to: NodeID(300), isShortOfRoom: isShort))
}

/// What version 2 makes of a heartbeat that is alone.
private func coalesced(_ frame: Frame) -> Frame {
    guard case .message(let group, let message) = frame else { return frame }
    var heartbeats = Heartbeats(from: message.from, to: message.to)
    switch message.body {
    case .heartbeat(let heartbeat):
        heartbeats.beats = [.init(group: group, term: message.term, heartbeat: heartbeat)]
    case .heartbeatResponse(let response):
        heartbeats.answers = [.init(group: group, term: message.term, response: response)]
    default:
        return frame
    }
    return .heartbeats(heartbeats)
}

/// The messages that a frame stands for.
func messages(of frame: Frame) -> [Addressed] {
    switch frame {
    case .hello, .roomNotice: []
    case .message(let group, let message): [Addressed(group: group, message: message)]
    case .heartbeats(let heartbeats):
        heartbeats.map { Addressed(group: $0.group, message: $0.message) }
    }
}

struct Addressed: Hashable {
    var group: GroupID
    var message: Message
}

func encode(_ frames: [Frame], _ version: CodecVersion) -> ByteBuffer {
    var encoder = FrameEncoder(cluster: cluster, version: version)
    var buffer = ByteBuffer()
    for frame in frames {
        if case .hello(let hello) = frame {
            encoder.encode(hello, to: NodeID(300), into: &buffer)
        }
        if case .roomNotice(let notice) = frame {
            _ = encoder.encode(notice, into: &buffer)
        }
        for one in messages(of: frame) {
            encoder.encode(one.message, group: one.group, into: &buffer)
        }
        encoder.finishTurn(into: &buffer)
    }
    return buffer
}

func bytes(_ frames: [Frame], _ version: CodecVersion) -> [UInt8] {
    Array(encode(frames, version).readableBytesView)
}

/// All whole frames at the front of `buffer`.
func decodeAll(_ buffer: inout ByteBuffer) throws -> [Frame] {
    let decoder = FrameDecoder(cluster: cluster)
    var frames: [Frame] = []
    while let frame = try decoder.next(from: &buffer) { frames.append(frame) }
    return frames
}

/// Repairs the checksum after a deliberate change, so that the decoder behind it is reached.
func sealed(_ bytes: [UInt8]) -> ByteBuffer {
    var bytes = bytes
    let checksum = CRC32C.checksum(bytes[8...])
    for index in 0..<4 {
        bytes[4 + index] = UInt8(truncatingIfNeeded: checksum >> UInt32(index * 8))
    }
    return ByteBuffer(bytes: bytes)
}

/// A frame written by hand: a true prefix, version, kind and cluster, and `content` after them.
func crafted(version: UInt8, kind: UInt8, _ content: (inout ByteWriter) -> Void) -> ByteBuffer {
    var body = ByteWriter()
    body.write(version)
    body.write(kind)
    body.write(cluster.high)
    body.write(cluster.low)
    content(&body)
    var frame = ByteWriter()
    frame.write(UInt32(body.count))
    frame.write(UInt32(0))
    frame.write(body.bytes)
    return sealed(frame.bytes)
}

/// A seeded stream of numbers.
struct Random {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
