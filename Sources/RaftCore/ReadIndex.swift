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
    /// The round that those in `inRound` wait for.
    var awaited = ReadRound.none
    /// Confirmed by `awaited`, once a majority has answered it.
    var inRound: [Waiting] = []
    /// Asked for since `awaited` started; the next round is theirs.
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
        awaited = .none
    }
}

extension RaftNode {
    mutating func read(_ token: ReadToken, _ effects: inout Effects) {
        guard role == .leader, reads.count < configuration.limits.waitingReadsMax else {
            effects.unreadable.append(token)
            return
        }
        if let leaseEnd, leaseEnd > now {
            effects.readable.append(Readable(token: token, index: commit, validUntil: leaseEnd))
        } else if hasCommittedInTerm {
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
        // Fewer answers may be needed than when the round left: members may have gone since.
        confirmReads(&effects)
        guard reads.inRound.isEmpty, !reads.next.isEmpty else { return }
        broadcastHeartbeat(&effects)
        // A leader that is the only voter has its majority.
        confirmReads(&effects)
    }

    /// Called when heartbeats are about to leave. Barriers that wait for a round take this one.
    mutating func startRound() {
        reads.round = reads.round.next
        roundClock.started(reads.round, at: now)
        if let own = progressIndex(of: id) { progress[own].round = reads.round }
        guard reads.inRound.isEmpty, !reads.next.isEmpty else { return }
        swap(&reads.inRound, &reads.next)
        reads.awaited = reads.round
    }

    /// A follower answered a round.
    mutating func confirm(_ round: ReadRound, by index: Int) {
        guard round <= reads.round, round > progress[index].round else { return }
        progress[index].round = round
        if let sentAt = roundClock.sendTime(of: round) {
            progress[index].confirmedAt = max(progress[index].confirmedAt, sentAt)
        }
    }

    mutating func confirmReads(_ effects: inout Effects) {
        guard !reads.inRound.isEmpty else { return }
        guard let confirmed = quorum.reached(by: progress.lazy.map(\.round)),
            confirmed >= reads.awaited
        else { return }
        for waiting in reads.inRound {
            effects.readable.append(Readable(token: waiting.token, index: waiting.index))
        }
        reads.inRound.removeAll(keepingCapacity: true)
    }
}
