// How replicas that differ are found. Machines that have applied the same entries have the same
// digest; memory that flips, or a bug, makes one differ, and then it must not answer another
// client.
//
//   every replica   after each entry whose index is a multiple of N: remembers the machine's
//                   digest (`Checkpoints`) and tells its leader
//   the leader      gathers them by index (`FingerprintTally`) and proposes what it heard as one
//                   `Command.attest`
//   every replica   when that is applied: a digest that a majority of the voters share, and that
//                   is not its own, means that it is the one that went astray
//
// No replica, and no leader, can condemn another by its own word: only a majority's. Where none
// agree, as between two replicas, nothing can be decided and nothing is proposed; the driver is
// told of the dispute. What a majority has in common is taken for right: a leader whose memory
// flipped, and whose snapshot another one took in before a third could speak, outvotes the third.
// Only multiples of N are looked at, so with N above 1 an attestation, an entry itself, does not
// bring about the next: an idle group stays idle.

import RaftCore
import SessionMachine

/// The digests of this replica's machine after the last few checkpoints.
struct Checkpoints: Sendable {
    private let interval: UInt64
    /// The next index to be remembered.
    private(set) var next: LogIndex
    /// Ascending by index.
    private var remembered: [Fingerprint] = []
    /// Not told to the leader yet; ascending by index.
    private var untold: [Fingerprint] = []

    /// Entries up to `start` are in the machine already.
    init(interval: Int, from start: LogIndex) {
        precondition(interval >= 2, "an attestation must not bring about the next")
        self.interval = UInt64(interval)
        next = Self.multiple(of: self.interval, above: start)
    }

    private static func multiple(of interval: UInt64, above index: LogIndex) -> LogIndex {
        LogIndex((index.rawValue / interval + 1) * interval)
    }

    func isCheckpoint(_ index: LogIndex) -> Bool { index.rawValue.isMultiple(of: interval) }

    var hasUntold: Bool { !untold.isEmpty }

    /// The entry at `next` is applied; the machine's digest is `digest` now.
    mutating func reached(_ digest: StateDigest) {
        let fingerprint = Fingerprint(index: next, value: digest.rawValue)
        if remembered.count == Limits.checkpointsRemembered { remembered.removeFirst() }
        remembered.append(fingerprint)
        if untold.count == Limits.checkpointsRemembered { untold.removeFirst() }
        untold.append(fingerprint)
        next = LogIndex(next.rawValue + interval)
    }

    mutating func takeUntold() -> [Fingerprint] {
        defer { untold.removeAll(keepingCapacity: true) }
        return untold
    }

    /// The machine jumped to `index`: it never was at the checkpoints between.
    mutating func restored(at index: LogIndex) {
        next = Self.multiple(of: interval, above: index)
        untold.removeAll(keepingCapacity: true)
    }

    /// Whether a majority of the voters were in another state than this replica. A replica that
    /// does not remember the index, or never was at it, cannot tell.
    func isRefuted(by attestation: Attestation, among membership: Membership) -> Bool {
        guard let own = remembered.last(where: { $0.index.rawValue == attestation.index }) else {
            return false
        }
        guard let common = attestation.majority(of: membership) else { return false }
        return common.rawValue != own.value
    }
}

extension Attestation {
    /// The digest that a majority of the voters have in common; of the old voters and of the new
    /// ones while the membership is joint. Nil where there is none.
    func majority(of membership: Membership) -> StateDigest? {
        let old = membership.members.filter { $0.role.votes(in: .old) }
        let new = membership.members.filter { $0.role.votes(in: .new) }
        return votes.first { isCommon($0.digest, to: old) && isCommon($0.digest, to: new) }?.digest
    }

    private func isCommon(_ digest: StateDigest, to voters: [Member]) -> Bool {
        let agreeing = voters.count { voter in
            votes.contains { $0.node == voter.id.rawValue && $0.digest == digest }
        }
        return agreeing * 2 > voters.count
    }
}
