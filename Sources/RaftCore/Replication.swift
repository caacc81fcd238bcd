// The leader's side of log replication: Raft section 5.3. Appends are pipelined: while answers are
// on their way the next entries leave, within a window of messages and bytes (dissertation section
// 10.2).

extension RaftNode {
    /// Section 5.3: "The leader appends the command to its log as a new entry, then issues
    /// AppendEntries RPCs in parallel to each of the other servers." The RPCs leave at `flush`.
    mutating func propose(
        _ payload: ArraySlice<UInt8>,
        _ token: ProposalToken,
        _ effects: inout Effects
    ) {
        if let refusal = refusal(of: payload) {
            effects.refused.append((token, refusal))
            return
        }
        let entry = Entry(term: term, index: log.last.index.next, content: .command(payload))
        log.append(entry)
        uncommittedBytes += entry.payloadBytes
        effects.accepted.append(Accepted(token: token, position: entry.position))
    }

    private func refusal(of payload: ArraySlice<UInt8>) -> Refusal? {
        guard role == .leader else { return .notLeader(leader) }
        if transfer != nil { return .transferring }
        // One proposal is always let through, however large: a limit must not wedge the group.
        let isOverLimit =
            uncommittedBytes + payload.count > configuration.limits.uncommittedBytesMax
        return isOverLimit && uncommittedBytes > 0 ? .overloaded : nil
    }

    /// Sends to every follower what it lacks and its window admits.
    mutating func replicate(_ effects: inout Effects) {
        guard role == .leader else { return }
        for index in progress.indices where progress[index].id != id {
            while progress[index].next <= log.last.index,
                progress[index].maySend(configuration.limits)
            {
                sendAppend(to: index, &effects)
            }
        }
    }

    private mutating func sendAppend(to index: Int, _ effects: inout Effects) {
        let follower = progress[index]
        let previous = follower.next.previous
        guard let previousTerm = log.term(at: previous) else {
            // What it needs is compacted.
            startSnapshot(to: index)
            return
        }
        let limits = configuration.limits
        let entries = log.slice(
            after: previous,
            through: log.last.index,
            countMax: limits.appendEntriesMax,
            bytesMax: limits.appendBytesMax
        )
        var bytes = 0
        for entry in entries {
            bytes += entry.payloadBytes
        }
        let request = AppendRequest(
            previous: LogPosition(term: previousTerm, index: previous),
            entries: entries,
            commit: commit
        )
        effects.send.append(envelope(to: follower.id, .appendRequest(request)))
        progress[index].sent(through: entries.last?.index ?? previous, bytes: bytes)
    }

    /// Starts a round: its answers confirm that this is the leader still, at the time at which it
    /// left or later.
    mutating func broadcastHeartbeat(_ effects: inout Effects) {
        startRound()
        for index in progress.indices where progress[index].id != id {
            sendHeartbeat(to: index, &effects)
        }
    }

    private mutating func sendHeartbeat(to index: Int, _ effects: inout Effects) {
        let known = min(commit, progress[index].match)
        let heartbeat = Heartbeat(commit: known, round: reads.round)
        effects.send.append(envelope(to: progress[index].id, .heartbeat(heartbeat)))
    }

    /// A follower that has entries outstanding and acknowledged none for a whole heartbeat: an
    /// empty append asks it where it stands, and its rejection starts the probing. Where what it
    /// was sent is compacted meanwhile it needs a snapshot; its window may be full, and nothing
    /// else would ever tell.
    mutating func probeStalledFollowers(_ effects: inout Effects) {
        for index in progress.indices where progress[index].id != id {
            let follower = progress[index]
            progress[index].matchAtHeartbeat = follower.match
            guard case .replicate = follower.state, follower.match < follower.next.previous,
                follower.match == follower.matchAtHeartbeat
            else { continue }
            guard let term = log.term(at: follower.next.previous) else {
                startSnapshot(to: index)
                continue
            }
            let previous = LogPosition(term: term, index: follower.next.previous)
            let request = AppendRequest(previous: previous, entries: [], commit: commit)
            effects.send.append(envelope(to: follower.id, .appendRequest(request)))
        }
    }

    // MARK: Answers

    mutating func handleAppendResponse(
        _ response: AppendResponse,
        from follower: NodeID,
        _ effects: inout Effects
    ) {
        guard role == .leader, let index = progressIndex(of: follower) else { return }
        progress[index].isActive = true
        switch response {
        case .accepted(let match):
            // No follower can have more than this leader sent it in this term.
            guard match <= log.last.index else { return }
            progress[index].accepted(match, base: log.base.index)
            restartOvertakenTransfer(to: index)
            advanceLeaderCommit()
            sendTimeoutNowIfCaughtUp(&effects)
        case .rejected(let previous, let hint):
            let agreement = log.lastPosition(atOrBefore: hint.index, termAtMost: hint.term)
            progress[index].rejected(previous: previous, retryAfter: agreement.index)
        case .stale:
            break
        }
    }

    mutating func handleHeartbeatResponse(
        _ response: HeartbeatResponse,
        from follower: NodeID,
        _ effects: inout Effects
    ) {
        guard role == .leader, let index = progressIndex(of: follower) else { return }
        progress[index].isActive = true
        progress[index].resumeProbe()
        confirm(response.round, by: index)
        confirmReads(&effects)
    }

    func progressIndex(of voter: NodeID) -> Int? {
        progress.firstIndex { $0.id == voter }
    }
}
