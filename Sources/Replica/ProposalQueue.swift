// Writes on their way through the log. The writes of a turn are gathered, encoded once into the
// payload of one entry, and then wait by log position for their commit.
//
// Invariant: `pending` is ordered by log index. An entry that commits at a pending index with
// another term is not that one: ours was overwritten and can never commit, which is certain, not
// unknown. Until then it is open, even where this node's own log has replaced it: another node may
// still hold it, lead, and commit it. So a leader that was deposed and elected again may have two
// proposals pending at one index, of two terms.

import Bytes
import RaftCore
import SessionMachine

/// Who waits for one entry.
struct Waiters: Sendable {
    /// One for each of the entry's first commands, in their order.
    var writes: [RequestToken] = []
    /// Validates that may answer once the entry is applied.
    var validates: [RequestToken] = []

    static let none = Waiters()
}

/// The writes of a leader, and those of a former leader whose fate is open.
struct ProposalQueue: Sendable {
    /// An entry that was proposed.
    private struct Pending: Sendable {
        var token: ProposalToken
        /// Set once the core has accepted it.
        var position: LogPosition
        var waiters: Waiters
        var tick: Int
    }

    private struct FollowUpWaiting: Sendable {
        var followUp: FollowUp
        var proof: SessionProof
        var token: RequestToken
    }

    private var gathered: [(command: Command, token: RequestToken)] = []
    private var followUps: [FollowUpWaiting] = []
    private var attestation: Attestation?
    private var wantsTimeEntry = false
    /// By log index, then by term.
    private var pending: [Pending] = []
    /// Handed out by `nextBatch`; the core has not said yet where it stands.
    private var proposing: Pending?
    private var pendingWrites = 0
    private var lastToken: UInt64 = 0

    var hasGathered: Bool {
        !gathered.isEmpty || !followUps.isEmpty || attestation != nil || wantsTimeEntry
    }
    /// Whether a proposal of this leadership waits for its commit. Those of earlier ones do not
    /// count: a lost one may stay until the log has grown past its index.
    func hasPending(in term: Term) -> Bool { pending.contains { $0.position.term == term } }

    /// False where too much waits already.
    mutating func gather(_ command: Command, _ token: RequestToken) -> Bool {
        guard pendingWrites + gathered.count < Limits.pendingWritesMax else { return false }
        gathered.append((command, token))
        return true
    }

    mutating func gather(_ followUp: FollowUp, of proof: SessionProof, _ token: RequestToken) {
        followUps.append(FollowUpWaiting(followUp: followUp, proof: proof, token: token))
    }

    /// Replaces one that was not proposed yet: a later one says all that it did.
    mutating func gather(_ attestation: Attestation) { self.attestation = attestation }

    mutating func gatherTimeEntry() { wantsTimeEntry = true }

    /// What a node that does not lead any more gathered, as it was asked for.
    mutating func takeGathered() -> [(Request, RequestToken)] {
        var requests: [(Request, RequestToken)] = gathered.map { (.write($0.command), $0.token) }
        requests += followUps.map { (.validate($0.proof), $0.token) }
        gathered.removeAll()
        followUps.removeAll()
        attestation = nil
        wantsTimeEntry = false
        return requests
    }

    // MARK: Proposing

    /// The next entry to propose, in tick `tick` and at `time`, with all that fits of what was
    /// gathered; nil where nothing was.
    mutating func nextBatch(
        at time: MachineTime,
        tick: Int
    ) -> (payload: ArraySlice<UInt8>, token: ProposalToken)? {
        guard hasGathered else { return nil }
        var commands = ByteWriter(capacity: 4_096)
        var waiters = Waiters()
        while waiters.writes.count < gathered.count,
            waiters.writes.count < Limits.entryCommandsMax,
            commands.count < Limits.entryBytesMax
        {
            let next = gathered[waiters.writes.count]
            next.command.encode(into: &commands)
            waiters.writes.append(next.token)
        }
        gathered.removeFirst(waiters.writes.count)
        var count = waiters.writes.count
        if gathered.isEmpty {
            count += encodeFollowUps(into: &commands, &waiters)
            count += encodeAttestation(into: &commands)
        }
        lastToken += 1
        let token = ProposalToken(rawValue: lastToken)
        proposing = Pending(token: token, position: .origin, waiters: waiters, tick: tick)
        let payload = EntryPayload.encode(
            time: time,
            count: count,
            encodedCommands: commands.bytes[...]
        )
        return (payload[...], token)
    }

    /// One touch for all sessions whose use must be logged; the entry itself moves the time for
    /// those whose end must be. Returns the number of commands.
    private mutating func encodeFollowUps(
        into commands: inout ByteWriter,
        _ waiters: inout Waiters
    ) -> Int {
        wantsTimeEntry = false
        var handles: [SessionHandle128] = []
        while waiters.validates.count < followUps.count,
            handles.count < Limits.touchesPerEntryMax
        {
            let next = followUps[waiters.validates.count]
            waiters.validates.append(next.token)
            if next.followUp == .logTouch { handles.append(next.proof.handle) }
        }
        followUps.removeFirst(waiters.validates.count)
        guard !handles.isEmpty else { return 0 }
        // Several requests of one session in one turn are one touch.
        handles.sort()
        var distinct: [SessionHandle128] = []
        for handle in handles where handle != distinct.last {
            distinct.append(handle)
        }
        Command.touch(distinct).encode(into: &commands)
        return 1
    }

    /// Returns the number of commands.
    private mutating func encodeAttestation(into commands: inout ByteWriter) -> Int {
        guard let attestation else { return 0 }
        self.attestation = nil
        Command.attest(attestation).encode(into: &commands)
        return 1
    }

    mutating func accepted(_ accepted: Accepted) {
        guard var batch = proposing, batch.token == accepted.token else {
            preconditionFailure("the core accepted what was not proposed")
        }
        proposing = nil
        batch.position = accepted.position
        pendingWrites += batch.waiters.writes.count
        // At the end, but for lost proposals of an earlier leadership beyond the new log's end.
        let after = pending.lastIndex { $0.position.index <= accepted.position.index }
        pending.insert(batch, at: after.map { $0 + 1 } ?? 0)
    }

    /// Who waited for a proposal that the core did not take.
    mutating func refused(_ token: ProposalToken) -> Waiters {
        guard let batch = proposing, batch.token == token else {
            preconditionFailure("the core refused what was not proposed")
        }
        proposing = nil
        return batch.waiters
    }

    // MARK: Fate

    /// The entry at `position` is committed. Returns who waits for it, and hands to `lost` everyone
    /// whose own entry stood there before it was replaced.
    mutating func committed(
        _ position: LogPosition,
        lost: (RequestToken) -> Void
    ) -> Waiters {
        guard let first = pending.first, first.position.index <= position.index else {
            return .none
        }
        pending.removeFirst()
        pendingWrites -= first.waiters.writes.count
        if first.position == position { return first.waiters }
        first.waiters.writes.forEach(lost)
        first.waiters.validates.forEach(lost)
        return committed(position, lost: lost)
    }

    /// The log up to `position` was replaced by a snapshot, which does not say what each entry came
    /// to. Returns those whose entry may be in it, and hands to `lost` those whose entry cannot be.
    mutating func replaced(
        by position: LogPosition,
        lost: (RequestToken) -> Void
    ) -> [RequestToken] {
        var unknown: [RequestToken] = []
        while let first = pending.first, first.position.index <= position.index {
            pending.removeFirst()
            pendingWrites -= first.waiters.writes.count
            let tokens = first.waiters.writes + first.waiters.validates
            // Of the entries in the snapshot only the last one's term is known.
            let isLost =
                first.position.index == position.index && first.position.term != position.term
            if isLost { tokens.forEach(lost) } else { unknown += tokens }
        }
        return unknown
    }

    /// Takes out those whose entries were proposed before tick `start`. The entries stay in the
    /// log, and may yet commit: nobody knows.
    mutating func expire(before start: Int) -> [RequestToken] {
        var expired: [RequestToken] = []
        // Not ordered by age after a second election: all of them are looked at.
        for index in pending.indices where pending[index].tick < start {
            expired.append(contentsOf: pending[index].waiters.writes)
            expired.append(contentsOf: pending[index].waiters.validates)
            pendingWrites -= pending[index].waiters.writes.count
            pending[index].waiters = .none
        }
        return expired
    }
}
