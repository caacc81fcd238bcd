// Leader election: Raft section 5.2 (timeouts, votes), 5.4.1 (who may win), dissertation 9.6
// (PreVote) and 6.2 (a leader that cannot reach a majority steps down: CheckQuorum).

extension RaftNode {
    /// One tick: heartbeats and the quorum check of a leader, the election timeout of the others.
    mutating func tick(_ effects: inout Effects) {
        electionElapsed += 1
        switch role {
        case .leader:
            tickLeader(&effects)
        case .follower, .preCandidate, .candidate:
            if electionElapsed >= electionTimeout { electionTimedOut(&effects) }
            askWhatIsLost(&effects)
            askForVoice(&effects)
        }
        if durability.inFlight != nil { durability.ticksInFlight += 1 }
        snapshotBudget = configuration.limits.snapshotBytesPerTickMax
    }

    private mutating func electionTimedOut(_ effects: inout Effects) {
        // A node with a hung disk could not lead, and its own vote is owed as others' are.
        guard mayCampaign, !isDiskStalled, !isBound else {
            leader = nil
            // One that is no voter has had its campaign. A voter whose disk hangs may still win it.
            if role != .follower, !mayCampaign { becomeFollower(term: term, leader: nil) }
            return
        }
        startPreVote(&effects)
    }

    /// Dissertation section 4.2.2: "a server that is not part of its own latest configuration
    /// should still start new elections, as it might still be needed until the C_new entry is
    /// committed". Nobody else may have that entry yet. Its own vote does not count then.
    ///
    /// So should one that is not part of it yet, where somebody counts on its vote by an entry that
    /// was never committed, but is behind it: neither could that one win, nor whoever needs its
    /// vote. One question, one campaign.
    var mayCampaign: Bool {
        guard !isMute, !membership.voters.isEmpty else { return false }
        return membership.isVoter(id) || history.membership(at: commit).isVoter(id)
            || isAskedFromBehind
    }

    private mutating func tickLeader(_ effects: inout Effects) {
        // Its heartbeats would pin a leader that can commit nothing by itself.
        guard !isDiskStalled else { return becomeFollower(term: term, leader: nil) }
        if electionElapsed >= configuration.electionTicks {
            electionElapsed = 0
            transfer = nil
            guard takeActiveQuorum() else {
                becomeFollower(term: term, leader: nil)
                return
            }
        }
        heartbeatElapsed += 1
        if heartbeatElapsed >= configuration.heartbeatTicks {
            heartbeatElapsed = 0
            broadcastHeartbeat(&effects)
            probeStalledFollowers(&effects)
            retryStalledTransfers()
        }
    }

    /// Dissertation section 6.2: "a leader in Raft steps down if an election timeout elapses
    /// without a successful round of heartbeats to a majority of its cluster".
    private mutating func takeActiveQuorum() -> Bool {
        let own = id
        let reached = quorum.reached(
            by: progress.lazy.map { $0.id == own || $0.isActive ? 1 : 0 }
        )
        for index in progress.indices {
            progress[index].wasActive = progress[index].isActive
            progress[index].isActive = false
        }
        return reached == 1
    }

    /// A live leader is known: its last word is younger than the shortest election timeout. Or one
    /// may be, to whom this node owes its promise.
    var hearsLeader: Bool {
        role == .leader || isBound
            || (leader != nil && electionElapsed < configuration.electionTicks)
    }

    mutating func resetElectionTimer() {
        electionElapsed = 0
        let spread =
            switch configuration.priority {
            case .normal: configuration.electionTicks
            case .preferred: max(1, configuration.electionTicks / 2)
            }
        electionTimeout = configuration.electionTicks + random.next(below: spread)
    }

    // MARK: Roles

    /// To follower, from any role. In an unchanged term the vote stays as it is.
    mutating func becomeFollower(term newTerm: Term, leader newLeader: NodeID?) {
        precondition(newTerm >= term, "terms never fall")
        if newTerm > term {
            term = newTerm
            vote = nil
            forgetAgreement()
        }
        role = .follower
        leader = newLeader
        leaveLeadership()
        resetElectionTimer()
    }

    private mutating func leaveLeadership() {
        ballot = Ballot()
        progress = []
        transfer = nil
        uncommittedBytes = 0
        roundClock = RoundClock()
        isLeaseForfeited = false
        reads.fail()
    }

    /// Asks whether an election could be won, in a term that is not started yet.
    private mutating func startPreVote(_ effects: inout Effects) {
        resetElectionTimer()
        leaveLeadership()
        role = .preCandidate
        leader = nil
        isAskedFromBehind = false
        ballot.record(id, granted: true)
        let request = PreVoteRequest(proposedTerm: term.next, last: log.last)
        for voter in membership.voters where voter != id {
            effects.send.append(envelope(to: voter, .preVoteRequest(request)))
        }
        if quorum.outcome(of: ballot) == .won { startElection(isTransfer: false, &effects) }
    }

    /// Section 5.2: "To begin an election, a follower increments its current term and transitions
    /// to candidate state. It then votes for itself and issues RequestVote RPCs." The vote for
    /// itself counts, and the requests leave, once term and vote are durable.
    mutating func startElection(isTransfer: Bool, _ effects: inout Effects) {
        resetElectionTimer()
        leaveLeadership()
        role = .candidate
        term = term.next
        vote = id
        leader = nil
        isAskedFromBehind = false
        incoming = nil
        let request = VoteRequest(last: log.last, isTransfer: isTransfer)
        for voter in membership.voters {
            let body: Message.Body =
                voter == id
                ? .voteResponse(VoteResponse(granted: true)) : .voteRequest(request)
            sendWhenDurable(envelope(to: voter, body))
        }
    }

    private mutating func becomeLeader(_ effects: inout Effects) {
        precondition(role == .candidate)
        role = .leader
        leader = id
        isAskedFromBehind = false
        electionElapsed = 0
        heartbeatElapsed = 0
        ballot = Ballot()
        // Section 5.3: nextIndex starts just after the last entry of the leader's log.
        progress = membership.members.map { Progress(id: $0.id, next: log.last.index.next) }
        uncommittedBytes = log.payloadBytes(after: commit, through: log.last.index)
        termStart = log.last.index.next
        log.append(Entry(term: term, index: termStart, content: .noop))
        recordOwnDurableLog()
    }

    // MARK: PreVote

    /// No term is adopted, no vote recorded, and no voter's timer reset.
    mutating func answerPreVote(
        _ request: PreVoteRequest,
        from candidate: NodeID,
        _ effects: inout Effects
    ) {
        let isBehind = !request.last.isAtLeastAsUpToDate(as: log.last)
        if isBehind, !hearsLeader { askedFromBehind() }
        let granted = !hearsLeader && !isMute && request.proposedTerm > term && !isBehind
        let answer = PreVoteResponse(proposedTerm: request.proposedTerm, granted: granted)
        effects.send.append(envelope(to: candidate, .preVoteResponse(answer)))
    }

    private mutating func askedFromBehind() {
        guard !isAskedFromBehind else { return }
        isAskedFromBehind = true
        // It has waited for nothing so far. The voters have had their timeouts drawn and go first.
        guard !membership.isVoter(id) else { return }
        // Whoever led is not heard: that the wait begins anew must not look like word from there.
        leader = nil
        resetElectionTimer()
    }

    mutating func countPreVote(
        _ response: PreVoteResponse,
        from voter: NodeID,
        _ effects: inout Effects
    ) {
        guard role == .preCandidate, response.proposedTerm == term.next else { return }
        ballot.record(voter, granted: response.granted)
        switch quorum.outcome(of: ballot) {
        case .won: startElection(isTransfer: false, &effects)
        case .lost: becomeFollower(term: term, leader: nil)
        case .open: break
        }
    }

    // MARK: RequestVote

    /// Section 5.2: "Each server will vote for at most one candidate in a given term, on a
    /// first-come-first-served basis"; section 5.4.1: "the voter denies its vote if its own log is
    /// more up-to-date than that of the candidate": which a mute node cannot tell. The answer waits
    /// until the vote is durable.
    mutating func answerVote(_ request: VoteRequest, from candidate: NodeID) {
        // The term alone may have come to a node that still owes its promise to a leader of before.
        let mayVote = !isMute && (request.isTransfer || !isBound)
        let isFree = vote == candidate || (vote == nil && leader == nil)
        let granted = isFree && mayVote && request.last.isAtLeastAsUpToDate(as: log.last)
        if granted {
            vote = candidate
            resetElectionTimer()
        }
        sendWhenDurable(envelope(to: candidate, .voteResponse(VoteResponse(granted: granted))))
    }

    mutating func countVote(
        _ response: VoteResponse,
        from voter: NodeID,
        _ effects: inout Effects
    ) {
        guard role == .candidate else { return }
        ballot.record(voter, granted: response.granted)
        switch quorum.outcome(of: ballot) {
        case .won: becomeLeader(&effects)
        case .lost: becomeFollower(term: term, leader: nil)
        case .open: break
        }
    }
}
