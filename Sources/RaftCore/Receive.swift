// The rules that apply to every message before its own: who may speak, and what its term means
// (Raft section 5.1, "Rules for Servers: All Servers"; PreVote, dissertation section 9.6).

extension RaftNode {
    mutating func receive(_ message: Message, _ effects: inout Effects) {
        // Dissertation section 4.1: a server takes requests "without consulting its current
        // configuration": it may not know yet that the sender is a member.
        guard message.to == id, message.from != id, message.from.rawValue > 0 else { return }
        // A term that no cluster can reach by elections is forged or damaged. Adopted, it would
        // leave no room for the next one.
        guard message.term <= Limits.highestTerm else { return }
        if message.term > term {
            guard adoptTerm(of: message) else {
                answerWithoutAdopting(message, &effects)
                return
            }
        } else if message.term < term {
            answerStale(message, &effects)
            return
        }
        dispatch(message, &effects)
    }

    /// Section 5.1: "If one server's current term is smaller than the other's, then it updates its
    /// current term to the larger value." Two messages are excepted: a question that must change
    /// nothing (PreVote), and a call for votes while this node knows a live leader (section 6:
    /// "servers disregard RequestVote RPCs when they believe a current leader exists").
    private mutating func adoptTerm(of message: Message) -> Bool {
        switch message.body {
        case .preVoteRequest:
            return false
        case .voteRequest(let request):
            if hearsLeader, !request.isTransfer { return false }
            becomeFollower(term: message.term, leader: nil)
        case .appendRequest, .heartbeat, .snapshotChunk:
            becomeFollower(term: message.term, leader: message.from)
        case .preVoteResponse, .voteResponse, .appendResponse, .heartbeatResponse, .timeoutNow,
            .snapshotResponse, .fingerprint, .voiceRequest, .voiceResponse, .homecomingRequest,
            .homecomingResponse:
            becomeFollower(term: message.term, leader: nil)
        }
        return true
    }

    private mutating func answerWithoutAdopting(_ message: Message, _ effects: inout Effects) {
        if case .preVoteRequest(let request) = message.body {
            answerPreVote(request, from: message.from, &effects)
        }
    }

    /// Section 5.1: "If a server receives a request with a stale term number, it rejects the
    /// request." Without the answer a node whose term is ahead could never get the leader behind it
    /// to step down, since PreVote keeps it from campaigning.
    private mutating func answerStale(_ message: Message, _ effects: inout Effects) {
        switch message.body {
        case .appendRequest, .heartbeat, .snapshotChunk:
            effects.send.append(envelope(to: message.from, .appendResponse(.stale)))
        case .preVoteRequest(let request):
            let answer = PreVoteResponse(proposedTerm: request.proposedTerm, granted: false)
            effects.send.append(envelope(to: message.from, .preVoteResponse(answer)))
        case .voteRequest:
            sendWhenDurable(envelope(to: message.from, .voteResponse(VoteResponse(granted: false))))
        case .preVoteResponse(let response):
            // The voters may be terms behind the asker; the answer names the term it is about.
            countPreVote(response, from: message.from, &effects)
        case .voteResponse, .appendResponse, .heartbeatResponse, .timeoutNow, .snapshotResponse,
            .fingerprint, .voiceRequest, .voiceResponse, .homecomingRequest, .homecomingResponse:
            break
        }
    }

    private mutating func dispatch(_ message: Message, _ effects: inout Effects) {
        switch message.body {
        case .preVoteRequest(let request):
            answerPreVote(request, from: message.from, &effects)
        case .preVoteResponse(let response):
            countPreVote(response, from: message.from, &effects)
        case .voteRequest(let request):
            answerVote(request, from: message.from)
        case .voteResponse(let response):
            countVote(response, from: message.from, &effects)
        case .appendRequest(let request):
            guard followLeader(message.from, &effects) else { return }
            appendEntries(request, from: message.from, &effects)
        case .heartbeat(let heartbeat):
            guard followLeader(message.from, &effects) else { return }
            answerHeartbeat(heartbeat, from: message.from, &effects)
        case .appendResponse(let response):
            handleAppendResponse(response, from: message.from, &effects)
        case .heartbeatResponse(let response):
            handleHeartbeatResponse(response, from: message.from, &effects)
        case .timeoutNow:
            handleTimeoutNow(&effects)
        case .snapshotChunk(let chunk):
            guard followLeader(message.from, &effects) else { return }
            receiveChunk(chunk, from: message.from, &effects)
        case .snapshotResponse(let response):
            handleSnapshotResponse(response, from: message.from, &effects)
        case .fingerprint(let fingerprint):
            guard role == .leader else { return }
            effects.fingerprints.append((message.from, fingerprint))
        case .voiceRequest(let request):
            answerVoice(request, from: message.from, &effects)
        case .voiceResponse(let response):
            takeVoice(response, from: message.from)
        case .homecomingRequest(let request):
            answerHomecoming(request, from: message.from, &effects)
        case .homecomingResponse(let response):
            takeHomecoming(response, from: message.from, &effects)
        }
    }

    /// A message of this term's leader: section 5.2, "if the leader's term is at least as large as
    /// the candidate's current term, then the candidate recognizes the leader as legitimate and
    /// returns to follower state".
    private mutating func followLeader(_ sender: NodeID, _ effects: inout Effects) -> Bool {
        if role == .leader || (leader != nil && leader != sender) {
            // Election Safety (figure 3): at most one leader per term. Somebody broke it.
            effects.violation = .secondLeader(sender, term)
            return false
        }
        if role != .follower { becomeFollower(term: term, leader: sender) }
        leader = sender
        isAskedFromBehind = false
        electionElapsed = 0
        renewPromise()
        return true
    }
}
