// The receiver of AppendEntries and of heartbeats: Raft figure 2, "AppendEntries RPC, Receiver
// implementation", and section 5.3.

extension RaftNode {
    /// Called with a request of this term's leader.
    mutating func appendEntries(
        _ request: AppendRequest,
        from sender: NodeID,
        _ effects: inout Effects
    ) {
        guard isWellFormed(request) else { return }
        if request.previous.index <= commit, !log.contains(request.previous) {
            // Compacted or long agreed on: what is committed here, the leader has too. Saying so
            // moves it past its old probe.
            if request.previous.index >= log.base.index {
                effects.violation = .committedEntryReplaced(request.previous)
                return
            }
            agree(through: commit)
            sendWhenDurable(envelope(to: sender, .appendResponse(.accepted(match: commit))))
            return
        }
        guard log.contains(request.previous) else {
            let hint = log.lastPosition(
                atOrBefore: request.previous.index,
                termAtMost: request.previous.term
            )
            let answer = AppendResponse.rejected(previous: request.previous.index, hint: hint)
            effects.send.append(envelope(to: sender, .appendResponse(answer)))
            return
        }
        guard merge(request.entries, &effects) else { return }
        // What this request shows to be equal in both logs; the log may go on beyond it.
        let match = request.entries.last?.index ?? request.previous.index
        // Figure 2: "set commitIndex = min(leaderCommit, index of last new entry)".
        advanceCommit(to: min(request.commit, match))
        agree(through: match)
        sendWhenDurable(envelope(to: sender, .appendResponse(.accepted(match: match))))
    }

    /// Consecutive entries after `previous`, with terms that do not fall and do not pass the
    /// leader's.
    private func isWellFormed(_ request: AppendRequest) -> Bool {
        var previous = request.previous
        guard previous.index <= Limits.highestIndex else { return false }
        for entry in request.entries {
            guard entry.index == previous.index.next, entry.term >= previous.term,
                entry.term <= term
            else { return false }
            previous = entry.position
        }
        return previous.term <= term && previous.index <= Limits.highestIndex
    }

    /// Figure 2: "If an existing entry conflicts with a new one (same index but different terms),
    /// delete the existing entry and all that follow it. Append any new entries not already in the
    /// log." Entries that are there already stay, and so does what follows them: the request may be
    /// an old one.
    private mutating func merge(_ entries: [Entry], _ effects: inout Effects) -> Bool {
        var rest = entries[...]
        while let entry = rest.first, log.contains(entry.position) {
            rest.removeFirst()
        }
        guard let first = rest.first else { return true }
        if first.index <= log.last.index {
            guard first.index > commit else {
                effects.violation = .committedEntryReplaced(first.position)
                return false
            }
            log.truncate(from: first.index)
            durability.dropAcknowledgements(before: term)
            if history.truncate(from: first.index) { membershipChanged() }
        }
        var isChanged = false
        for entry in rest {
            log.append(entry)
            if history.append(entry) { isChanged = true }
        }
        if isChanged { membershipChanged() }
        return true
    }

    mutating func answerHeartbeat(
        _ heartbeat: Heartbeat,
        from sender: NodeID,
        _ effects: inout Effects
    ) {
        // The leader sends no more than it knows this log to share with its own. A log that lost
        // its end since then must not commit past it, nor what it had there before.
        advanceCommit(to: min(heartbeat.commit, believed))
        let answer = HeartbeatResponse(round: heartbeat.round)
        effects.send.append(envelope(to: sender, .heartbeatResponse(answer)))
    }
}
