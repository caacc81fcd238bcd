// Handing leadership over: Raft dissertation section 3.10. The leader stops taking proposals,
// brings the target's log up to its own, and tells it to start an election at once. After an
// election timeout without a new leader it gives up and goes on.

/// A transfer that is under way.
struct Transfer: Hashable, Sendable {
    var target: NodeID
    var isTimeoutNowSent: Bool
}

extension RaftNode {
    mutating func transferLeadership(to target: NodeID, _ effects: inout Effects) {
        guard role == .leader, target != id, membership.isVoter(target) else { return }
        if transfer?.target == target { return }
        // The timeout of the transfer is the next quorum check, which other targets do not put off.
        if transfer == nil { electionElapsed = 0 }
        transfer = Transfer(target: target, isTimeoutNowSent: false)
        sendTimeoutNowIfCaughtUp(&effects)
    }

    mutating func sendTimeoutNowIfCaughtUp(_ effects: inout Effects) {
        guard role == .leader, let pending = transfer, !pending.isTimeoutNowSent,
            let index = progressIndex(of: pending.target),
            progress[index].match == log.last.index
        else { return }
        transfer = Transfer(target: pending.target, isTimeoutNowSent: true)
        isLeaseForfeited = true
        effects.send.append(envelope(to: pending.target, .timeoutNow))
    }

    /// "This server then starts a new election (incrementing its term and becoming a candidate)":
    /// without PreVote, since its leader asked for it.
    mutating func handleTimeoutNow(_ effects: inout Effects) {
        guard role == .follower, mayCampaign, !isDiskStalled else { return }
        startElection(isTransfer: true, &effects)
    }
}
