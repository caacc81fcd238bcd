// The numbers on the wire. They are never reused: a number that goes out of use stays out. Each
// says in which versions it may stand, so that a reader of a frame takes no more than its version
// holds.

import RaftCore

enum FrameKind: UInt8 {
    case hello = 1
    case message = 2
    case heartbeats = 3
    case roomNotice = 4

    func isKnown(in version: CodecVersion) -> Bool {
        switch self {
        case .hello: version == .v1
        case .message: true
        case .heartbeats, .roomNotice: version >= .v2
        }
    }
}

enum BodyTag: UInt8 {
    case preVoteRequest = 1
    case preVoteResponse = 2
    case voteRequest = 3
    case voteResponse = 4
    case appendRequest = 5
    case appendResponse = 6
    case heartbeat = 7
    case heartbeatResponse = 8
    case timeoutNow = 9
    case snapshotChunk = 10
    case snapshotResponse = 11
    case fingerprint = 12
    case voiceRequest = 13
    case voiceResponse = 14
    case homecomingRequest = 15
    case homecomingResponse = 16

    init(_ body: Message.Body) {
        self =
            switch body {
            case .preVoteRequest: .preVoteRequest
            case .preVoteResponse: .preVoteResponse
            case .voteRequest: .voteRequest
            case .voteResponse: .voteResponse
            case .appendRequest: .appendRequest
            case .appendResponse: .appendResponse
            case .heartbeat: .heartbeat
            case .heartbeatResponse: .heartbeatResponse
            case .timeoutNow: .timeoutNow
            case .snapshotChunk: .snapshotChunk
            case .snapshotResponse: .snapshotResponse
            case .fingerprint: .fingerprint
            case .voiceRequest: .voiceRequest
            case .voiceResponse: .voiceResponse
            case .homecomingRequest: .homecomingRequest
            case .homecomingResponse: .homecomingResponse
            }
    }

    func isKnown(in version: CodecVersion) -> Bool {
        rawValue < Self.snapshotChunk.rawValue || version >= .v2
    }
}

enum EntryTag: UInt8 {
    case noop = 0
    case command = 1
    case membership = 2

    func isKnown(in version: CodecVersion) -> Bool { self != .membership || version >= .v2 }
}

enum AppendResponseTag: UInt8 {
    case accepted = 0
    case rejected = 1
    case stale = 2
}
