// When an entry is committed: Raft sections 5.3 and 5.4.2.

extension RaftNode {
    /// Section 5.4.2: "Only log entries from the leader's current term are committed by counting
    /// replicas; once an entry from the current term has been committed in this way, then all prior
    /// entries are committed indirectly because of the Log Matching Property."
    mutating func advanceLeaderCommit() {
        precondition(role == .leader)
        guard let reached = quorum.reached(by: progress.lazy.map(\.match)), reached > commit,
            log.term(at: reached) == term
        else { return }
        advanceCommit(to: reached)
    }

    /// Moves the commit index forward, never back.
    mutating func advanceCommit(to index: LogIndex) {
        guard index > commit else { return }
        precondition(index <= log.last.index, "what is committed is in the log")
        if role == .leader {
            uncommittedBytes -= log.payloadBytes(after: commit, through: index)
        }
        commit = index
    }

    /// Whether this leader knows everything that was committed before its term: it does from the
    /// first commit of its own term on (section 8).
    var hasCommittedInTerm: Bool { role == .leader && commit >= termStart }

    /// The leader counts itself with what its own disk holds, not with what it has in memory. The
    /// followers may be a majority before it is (dissertation section 10.2.1).
    mutating func recordOwnDurableLog() {
        guard role == .leader else { return }
        // A leader that is being removed counts the others only (dissertation section 4.2.2).
        if let index = progressIndex(of: id) {
            progress[index].match = log.durable
            progress[index].next = log.last.index.next
        }
        advanceLeaderCommit()
    }
}
