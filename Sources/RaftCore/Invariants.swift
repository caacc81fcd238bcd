// What must be true of a node at any time, and between any two moments, on one page. Tests
// check it after every step; what spans several nodes (figure 3 of the paper) is checked
// there.

extension RaftNode {
    /// The first broken invariant of this state, in words; nil where all hold.
    package func brokenInvariant() -> String? {
        if log.durable > log.handedOut { return "durable passes what was handed out" }
        if log.handedOut > log.last.index { return "handed out passes the log" }
        if log.durable < log.base.index { return "durable is before the base of the log" }
        if log.base.index > snapshot.position.index { return "the log begins after the snapshot" }
        if commit < snapshot.position.index { return "commit is before the snapshot" }
        if let broken = brokenMembershipInvariant() { return broken }
        if commit > log.last.index { return "commit passes the log" }
        if commit < log.base.index { return "commit is before the base of the log" }
        if log.last.term > term { return "an entry is newer than the term" }
        if appliedReported > commit { return "applied passes commit" }
        if electionTimeout < configuration.electionTicks { return "election timeout too short" }
        if isMute != (homecoming == nil) { return "it asks what it has lost, or it knows" }
        if isMute, role != .follower { return "a mute node campaigns" }
        if isMute, agreed > log.last.index {
            return "agreed with the leader past the log"
        }
        switch role {
        case .leader: return brokenLeaderInvariant()
        case .candidate: return vote == id ? nil : "a candidate votes for itself"
        case .follower, .preCandidate:
            if leader == id { return "only a leader follows itself" }
            return progress.isEmpty ? nil : "only a leader tracks progress"
        }
    }

    private func brokenLeaderInvariant() -> String? {
        if leader != id { return "a leader knows that it leads" }
        if vote != id { return "a leader voted for itself" }
        if isAskedFromBehind { return "who leads is not waiting to campaign" }
        if progress.map(\.id) != membership.members.map(\.id) {
            return "progress is not of the members"
        }
        for follower in progress {
            if follower.match >= follower.next { return "match is not before next" }
            if follower.match > log.last.index { return "match passes the log" }
            if follower.id == id, follower.match > log.durable {
                return "the leader counts itself before its disk"
            }
        }
        var turns: Set<UInt64> = []
        for case .snapshot(let transfer) in progress.map(\.state) {
            if !turns.insert(transfer.turn).inserted { return "two transfers have one turn" }
            if transfer.turn > snapshotTurns { return "a transfer has a turn that nobody gave" }
        }
        if termStart > log.base.index, log.term(at: termStart) != term {
            return "the term does not start with its own entry"
        }
        var bytes = 0
        for entry in log.slice(after: commit, through: log.last.index) {
            bytes += entry.payloadBytes
        }
        return bytes == uncommittedBytes ? nil : "uncommitted bytes are miscounted"
    }

    /// The membership in force is the newest of the snapshot and the log.
    private func brokenMembershipInvariant() -> String? {
        let index = history.currentIndex
        if index > log.last.index { return "the membership in force is not in the log" }
        if index > log.base.index, index > snapshot.position.index,
            log[index].content != .membership(membership)
        {
            return "the membership in force is not the one of its entry"
        }
        // The newest entries: older ones were new in earlier steps.
        let start = max(index.rawValue, log.last.index.rawValue - min(log.last.index.rawValue, 32))
        for entry in log.slice(
            after: max(LogIndex(start), log.base.index),
            through: log.last.index
        ) {
            if case .membership = entry.content { return "a newer membership is in the log" }
        }
        return nil
    }

    /// The first broken invariant of the way from `before` to this state.
    package func brokenTransition(from before: RaftNode) -> String? {
        if term < before.term { return "the term fell" }
        if commit < before.commit { return "commit fell" }
        if snapshot.position.index < before.snapshot.position.index { return "snapshot went back" }
        if log.base.index < before.log.base.index { return "the base of the log went back" }
        // In a new term nobody has its vote yet.
        if before.isMute, vote != (term == before.term ? before.vote : nil) {
            return "a mute node votes"
        }
        if term == before.term {
            if let old = before.vote, vote != old { return "the vote changed within a term" }
            if let old = before.leader, let new = leader, new != old {
                return "two leaders in one term"
            }
            if before.isLeader, isLeader, !keepsPrefix(of: before.log) {
                return "a leader replaced entries of its log (figure 3, Leader Append-Only)"
            }
        }
        // The newest ones: older entries were checked by earlier steps, and by Log Matching.
        let newest = before.commit.rawValue
        for index in stride(from: newest, to: newest - min(newest, 32), by: -1) {
            let position = LogIndex(index)
            guard position > before.log.base.index, position > log.base.index else { continue }
            if log[position] != before.log[position] { return "a committed entry changed" }
        }
        return nil
    }

    private func keepsPrefix(of older: LogWindow) -> Bool {
        guard log.last.index >= older.last.index else { return false }
        let start = max(
            max(older.base.index.rawValue, log.base.index.rawValue),
            older.last.index.rawValue - min(older.last.index.rawValue, 32)
        )
        return older.slice(after: LogIndex(start), through: older.last.index)
            .allSatisfy { log.contains($0.position) }
    }
}
