// Linearizable reads without a log entry: Raft dissertation section 6.4.
//
// A barrier remembers the commit index of the moment it was asked for. It holds once a round of
// heartbeats that *started after* that moment was answered by a majority: then no newer leader had
// committed anything when the read was asked. All barriers that wait when a round starts share it.
// One round is out at a time; a round number is never used twice in a term, so an old answer
// confirms nothing new.

/// Barriers that wait for a round, and those that wait for the round in flight.
struct ReadQueue: Sendable {
    struct Waiting: Sendable {
        var token: ReadToken
        var index: LogIndex
    }

    /// The newest round started in this term.
    var round = ReadRound.none
    /// Confirmed by `round`, once a majority has answered it.
    var inRound: [Waiting] = []
    /// Asked for since `round` started; the next round is theirs.
    var next: [Waiting] = []
    /// Asked for before the first commit of the term: the commit index may still lag (section 8).
    var early: [ReadToken] = []
    /// Barriers of a leadership that ended; answered at the next flush.
    var failed: [ReadToken] = []

    var count: Int { inRound.count + next.count + early.count }

    mutating func fail() {
        failed.append(contentsOf: inRound.lazy.map(\.token))
        failed.append(contentsOf: next.lazy.map(\.token))
        failed.append(contentsOf: early)
        inRound = []
        next = []
        early = []
        round = .none
    }
}

extension RaftNode {
    mutating func read(_ token: ReadToken, _ effects: inout Effects) {
        guard role == .leader, reads.count < configuration.limits.waitingReadsMax else {
            effects.unreadable.append(token)
            return
        }
        if hasCommittedInTerm {
            reads.next.append(ReadQueue.Waiting(token: token, index: commit))
        } else {
            reads.early.append(token)
        }
    }

    /// Starts a round where barriers wait for one and none is out.
    mutating func startReadRoundIfWanted(_ effects: inout Effects) {
        effects.unreadable.append(contentsOf: reads.failed)
        reads.failed.removeAll(keepingCapacity: true)
        guard role == .leader else { return }
        if hasCommittedInTerm, !reads.early.isEmpty {
            for token in reads.early {
                reads.next.append(ReadQueue.Waiting(token: token, index: commit))
            }
            reads.early.removeAll(keepingCapacity: true)
        }
        guard reads.inRound.isEmpty, !reads.next.isEmpty else { return }
        reads.round = reads.round.next
        swap(&reads.inRound, &reads.next)
        if let own = progressIndex(of: id) { progress[own].round = reads.round }
        broadcastHeartbeat(&effects)
        confirmReads(&effects)
    }

    mutating func confirmReads(_ effects: inout Effects) {
        guard !reads.inRound.isEmpty else { return }
        let confirmed = quorum.reached(by: progress.lazy.map(\.round))
        guard confirmed >= reads.round else { return }
        for waiting in reads.inRound {
            effects.readable.append((waiting.token, waiting.index))
        }
        reads.inRound.removeAll(keepingCapacity: true)
    }
}
