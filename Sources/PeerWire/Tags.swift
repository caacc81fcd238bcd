// The numbers on the wire. They are never reused: a number that goes out of use stays out.

import RaftCore

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
            }
    }
}

enum EntryTag: UInt8 {
    case noop = 0
    case command = 1
}

enum AppendResponseTag: UInt8 {
    case accepted = 0
    case rejected = 1
    case stale = 2
}
