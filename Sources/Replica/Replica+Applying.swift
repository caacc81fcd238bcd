// From committed entries to the machine: in order, each once, boundedly many in one turn. And what
// is compared on the way: the digest after certain entries (see `Checkpoints`).

import RaftCore
import SessionMachine

extension Replica {
    /// Applies what is committed, as far as this turn's budget goes.
    mutating func applyCommitted(_ effects: inout ReplicaEffects) {
        while applied < committed, budget > 0, !isStopped {
            budget -= 1
            let entry = raft.log[applied.next]
            applied = applied.next
            apply(entry, &effects)
            snapshots.applied(bytes: entry.payloadBytes)
            if applied == checkpoints.next { checkpoints.reached(machine.digest) }
        }
    }

    private mutating func apply(_ entry: Entry, _ effects: inout ReplicaEffects) {
        let waiters = proposals.committed(entry.position) { effects.answer($0, .noLeader) }
        guard case .command(let payload) = entry.content else { return }
        guard apply(payload, answering: waiters.writes, &effects) else {
            return stop(.undecodableEntry(group, entry.position))
        }
        // What they read must be logged first; now it is. The log stands for the lease: an entry
        // that was proposed after the request came is committed.
        for token in waiters.validates { effects.answer(token, .readable(validUntil: nil)) }
    }

    /// Applies one entry; false where its bytes are not an entry's.
    private mutating func apply(
        _ payload: ArraySlice<UInt8>,
        answering tokens: [RequestToken],
        _ effects: inout ReplicaEffects
    ) -> Bool {
        do {
            var entry = try EntryPayload(decoding: payload)
            machine.beginEntry(at: entry.time, commandCount: entry.count)
            var place = 0
            while let command = try entry.next() {
                let outcome = machine.apply(command)
                // What a leader adds of its own comes last in an entry, and nobody waits for its
                // outcome.
                if place < tokens.count { effects.answer(tokens[place], .applied(outcome)) }
                if case .attest(let attestation) = command { judge(by: attestation) }
                place += 1
            }
            return true
        } catch {
            // Every replica finds the same bytes undecodable at the same index: stopping is the one
            // thing that cannot make them differ.
            return false
        }
    }

    // MARK: Comparing

    /// Stops where a majority of the voters were in another state than this machine.
    private mutating func judge(by attestation: Attestation) {
        if checkpoints.isRefuted(by: attestation, among: raft.membership(at: applied)) {
            stop(.diverged(group, LogIndex(attestation.index)))
        }
    }

    /// At the leader: a replica says what its machine was. What it says may be anything.
    mutating func hear(_ node: NodeID, _ fingerprint: Fingerprint) {
        guard raft.isLeader, raft.membership.isVoter(node) else { return }
        guard checkpoints.isCheckpoint(fingerprint.index),
            fingerprint.index <= raft.log.last.index
        else { return }
        tally.hear(node, fingerprint, in: ticks)
        attestIfDecided()
    }

    /// At the leader: lets the log say what was heard.
    mutating func attestIfDecided() {
        guard raft.isLeader else { return }
        if let attestation = tally.takeDecided(among: raft.membership, in: ticks) {
            proposals.gather(attestation)
        }
    }
}
