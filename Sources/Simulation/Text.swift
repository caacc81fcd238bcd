// Messages and replies as a trace writes them: short, and the same in every process.

import RaftCore

extension Message {
    var text: String {
        "\(from.rawValue)>\(to.rawValue) t\(term.rawValue) \(body.text)"
    }
}

extension Message.Body {
    fileprivate var text: String {
        switch self {
        case .preVoteRequest(let request):
            "pre-vote? t\(request.proposedTerm.rawValue) last \(request.last.text)"
        case .preVoteResponse(let response):
            "pre-vote t\(response.proposedTerm.rawValue) \(response.granted ? "yes" : "no")"
        case .voteRequest(let request):
            "vote? last \(request.last.text)\(request.isTransfer ? " transfer" : "")"
        case .voteResponse(let response): "vote \(response.granted ? "yes" : "no")"
        case .appendRequest(let request):
            "append \(request.entries.count) after \(request.previous.text)"
                + " commit \(request.commit.rawValue)"
        case .appendResponse(let response): response.text
        case .heartbeat(let heartbeat):
            "heartbeat \(heartbeat.round.rawValue) commit \(heartbeat.commit.rawValue)"
        case .heartbeatResponse(let response): "heard \(response.round.rawValue)"
        case .timeoutNow: "campaign now"
        case .snapshotChunk(let chunk):
            "snapshot \(chunk.mark.position.text) at \(chunk.offset), \(chunk.bytes.count) bytes"
                + (chunk.isLast ? ", the last" : "")
        case .snapshotResponse(let response):
            "wants snapshot \(response.position.text) from \(response.wanted)"
        case .fingerprint(let fingerprint): "fingerprint after \(fingerprint.index.rawValue)"
        case .voiceRequest(let request): "voice? agreed \(request.agreed.rawValue)"
        case .voiceResponse(let response): "voice from \(response.last.rawValue)"
        case .homecomingRequest: "what had I?"
        case .homecomingResponse(let response): "you had \(response.acknowledged.text)"
        }
    }
}

extension AppendResponse {
    fileprivate var text: String {
        switch self {
        case .accepted(let match): "has \(match.rawValue)"
        case .rejected(let previous, let hint):
            "lacks \(previous.rawValue), try \(hint.text)"
        case .stale: "stale"
        }
    }
}
