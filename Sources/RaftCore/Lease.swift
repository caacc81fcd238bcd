// Reads without a round trip while the leader cannot have been replaced: dissertation section
// 6.4.1, with the corrections of those who ran it.
//
// A follower that hears its leader promises, for a time of its own clock, to vote for nobody else;
// so does a node that has just started, since it may have promised before. A leader whose heartbeat
// was answered by a majority knows that no other leader can be elected until the first of these
// promises can have run out. It counts from the moment at which that heartbeat was *sent*, on its
// own clock, and shortens the promise by what two clocks may differ in speed.
//
// No lease: before the first commit of the term (what is committed is not known yet), and from the
// moment that leadership is being handed over to the end of the term, since the one who was told to
// campaign may do so, past all promises, whenever that message reaches it.

/// When the rounds of heartbeats of a leader were sent.
struct RoundClock: Hashable, Sendable {
    /// The send times of consecutive rounds; the last one is `newest`'s.
    private var sentAt: [Instant] = []
    private var newest = ReadRound.none

    mutating func started(_ round: ReadRound, at now: Instant) {
        newest = round
        sentAt.append(now)
        if sentAt.count > 2 * Limits.trackedRounds { sentAt.removeFirst(Limits.trackedRounds) }
    }

    /// Nil for a round so old that its answer is worth nothing.
    func sendTime(of round: ReadRound) -> Instant? {
        guard round <= newest, round > .none else { return nil }
        let age = newest.rawValue - round.rawValue
        guard age < UInt64(sentAt.count) else { return nil }
        return sentAt[sentAt.count - 1 - Int(age)]
    }
}

extension RaftNode {
    /// The moment until which no other leader can be elected; nil where nothing says so.
    package var leaseEnd: Instant? {
        guard case .lease(let drift) = configuration.reads, role == .leader, transfer == nil,
            !isLeaseForfeited, hasCommittedInTerm
        else { return nil }
        // This leader itself votes for nobody as long as it leads.
        let own = id
        let now = now
        let confirmed = quorum.reached(
            by: progress.lazy.map { $0.id == own ? now : $0.confirmedAt }
        )
        guard let confirmed, confirmed > .zero else { return nil }
        return confirmed.advanced(by: Self.leaseLength(configuration.promise, driftPermille: drift))
    }

    /// In the turn in which somebody was told to campaign, a read by lease could be made after that
    /// one has been elected: what the turn gave out before does not hold.
    func withdrawLeaseReads(_ effects: inout Effects) {
        guard isLeaseForfeited || role != .leader else { return }
        for readable in effects.readable where readable.validUntil != nil {
            effects.unreadable.append(readable.token)
        }
        effects.readable.removeAll { $0.validUntil != nil }
    }

    /// The part of a promise that has certainly not run out on a clock that is slower by `drift`
    /// than true time, when it is measured on one that is faster by as much:
    /// promise * (1 - drift) / (1 + drift).
    static func leaseLength(_ promise: UInt64, driftPermille drift: UInt64) -> UInt64 {
        precondition(drift < 1_000)
        let (product, overflow) = promise.multipliedReportingOverflow(by: 1_000 - drift)
        precondition(!overflow, "a promise is a matter of seconds")
        return product / (1_000 + drift)
    }

    /// Whether this node still owes somebody not to vote.
    var isBound: Bool { now < promiseEnd }

    /// A leader was heard.
    mutating func renewPromise() {
        promiseEnd = max(promiseEnd, now.advanced(by: configuration.promise))
    }
}
