// What a leader hears of its replicas' machines, until it is worth an attestation (see
// `Checkpoints`): a majority agrees, and the others have spoken too or let their time pass.

import RaftCore
import SessionMachine

/// What the replicas of a group told their leader.
struct FingerprintTally: Sendable {
    private struct Round: Sendable {
        var index: LogIndex
        /// Ascending by node.
        var votes: [Attestation.Vote]
        /// The tick of the first vote.
        var since: Int
        var isDisputeTold = false

        var attestation: Attestation { Attestation(index: index.rawValue, votes: votes) }

        /// A node that restarted may say it again, and its last word counts.
        mutating func hear(_ vote: Attestation.Vote) {
            let place = votes.firstIndex { $0.node >= vote.node } ?? votes.endIndex
            if place < votes.endIndex, votes[place].node == vote.node {
                votes[place] = vote
            } else if votes.count < Attestation.votesMax {
                votes.insert(vote, at: place)
            }
        }
    }

    /// Ascending by index.
    private var rounds: [Round] = []
    /// What is said of entries up to here comes too late.
    private var settled = LogIndex.zero

    var isEmpty: Bool { rounds.isEmpty }
    var count: Int { rounds.count }

    /// Leadership changed hands: nobody repeats what it said to another leader.
    mutating func removeAll() { rounds.removeAll() }

    /// A voter's word. The caller has checked that the entry may exist.
    mutating func hear(_ node: NodeID, _ fingerprint: Fingerprint, in tick: Int) {
        guard fingerprint.index > settled else { return }
        let place = rounds.firstIndex { $0.index >= fingerprint.index } ?? rounds.endIndex
        if place == rounds.endIndex || rounds[place].index != fingerprint.index {
            rounds.insert(Round(index: fingerprint.index, votes: [], since: tick), at: place)
        }
        let digest = StateDigest(rawValue: fingerprint.value)
        rounds[place].hear(Attestation.Vote(node: node.rawValue, digest: digest))
    }

    /// The newest entry on which the voters' word is complete, or, for want of patience, enough.
    /// What was said of earlier ones is dropped: a machine that differed then differs still.
    mutating func takeDecided(among membership: Membership, in tick: Int) -> Attestation? {
        let excess = rounds.count - Limits.checkpointsGathered
        for place in rounds.indices.reversed() {
            let round = rounds[place]
            let isComplete = membership.members.allSatisfy { member in
                member.role.isLearner || round.votes.contains { $0.node == member.id.rawValue }
            }
            let isLate = tick - round.since >= Limits.attestPatienceTicks || place < excess
            guard isComplete || isLate else { continue }
            let attestation = round.attestation
            guard attestation.majority(of: membership) != nil else { continue }
            settled = round.index
            rounds.removeFirst(place + 1)
            return attestation
        }
        if excess > 0 { rounds.removeFirst(excess) }
        return nil
    }

    /// The newest entry after which machines were not the same while no majority is known to agree,
    /// once all have had the time to speak. Each is told once.
    mutating func takeDispute(among membership: Membership, in tick: Int) -> LogIndex? {
        for place in rounds.indices.reversed() {
            let round = rounds[place]
            guard !round.isDisputeTold, tick - round.since >= Limits.attestPatienceTicks,
                round.votes.contains(where: { $0.digest != round.votes[0].digest }),
                round.attestation.majority(of: membership) == nil
            else { continue }
            rounds[place].isDisputeTold = true
            return round.index
        }
        return nil
    }
}
