// The replicated state machine of one shard group: sessions, plain values, and the group's clock.
//
//     entry -> beginEntry(time) -> apply(command) ... apply(command)
//
// Pure and deterministic: the same entries give the same state, byte for byte, on every replica,
// whether it applied them all or started from a snapshot. Time comes from the entries. A record is
// over when its deadline is at or before machine time, whether the timer wheel has removed it or
// not; every access decides by the deadline (`settle`), so removal can be spread over entries
// without anyone noticing.
//
// It is a value: a copy is a snapshot (pages are shared until written, see `PagedArray`).
// Commands: `SessionMachine+Values.swift`, `+Sessions.swift`, `+Fields.swift`, `+Revocation.swift`,
// `Rotation.swift`, `SessionLock.swift`. Reads: `+Reads.swift`.

package import Bytes

/// The state of one shard group.
package struct SessionMachine: Sendable {
    package let seed: HashSeed
    /// The latest time stamp applied. Never goes back.
    package internal(set) var time = MachineTime.zero
    package internal(set) var counters = Counters()

    var records = RecordTable()
    var values = HashIndex()
    /// Sessions and tombstones by handle.
    var sessions = HashIndex()
    var subjects = SubjectIndex()
    /// Records in `sessions` that are tombstones.
    var tombstones = 0
    /// The sequence number of the next session.
    var nextSequence: UInt64 = 1

    /// An empty group. All replicas must be given the same seed.
    package init(seed: HashSeed) { self.seed = seed }

    /// Moves the clock to the entry's time stamp (or leaves it, if it is ahead) and removes records
    /// whose time has come: boundedly many, the rest with the next entries.
    package mutating func beginEntry(at stamp: MachineTime, commandCount: Int) {
        time = max(time, stamp)
        let commands = min(max(commandCount, 0), Limits.commandsPerEntry)
        var budget = Limits.timerStepsPerEntry + commands * Limits.timerStepsPerCommand
        while let record = records.due(at: time, budget: &budget) { settle(record) }
    }

    /// Carries out one command at the machine's time.
    package mutating func apply(_ command: Command) -> Outcome {
        counters.commands &+= 1
        switch command {
        case .set(let set): return apply(set)
        case .create(let create): return apply(create)
        case .touch(let handles): return touch(handles)
        case .renew(let renew): return apply(renew)
        case .revoke(let revoke): return apply(revoke)
        case .revokeAll(let revoke): return apply(revoke)
        case .setFields(let set): return apply(set)
        case .unsetFields(let unset): return apply(unset)
        case .takeField(let take): return apply(take)
        case .rotate(let rotate): return apply(rotate)
        case .lock(let lock): return apply(lock)
        case .unlock(let unlock): return apply(unlock)
        case .getExpiring(let key, let change): return getExpiring(key, change)
        case .getDeleting(let key): return getDeleting(key)
        case .delete(let keys): return delete(keys)
        case .expire(let key, let time, let condition): return expire(key, time, condition)
        case .persist(let key): return persist(key)
        case .time, .attest: return .ok
        }
    }

    /// Applies a whole entry and appends one outcome for each command.
    ///
    /// Bytes that cannot be decoded throw after the commands before them took effect. All replicas
    /// have the same bytes and stop at the same place; the caller must not go on.
    package mutating func apply(
        entry bytes: ArraySlice<UInt8>,
        into outcomes: inout [Outcome]
    ) throws(DecodeError) {
        var entry = try EntryPayload(decoding: bytes)
        beginEntry(at: entry.time, commandCount: entry.count)
        while let command = try entry.next() { outcomes.append(apply(command)) }
    }

    /// No record's deadline lies before this; nil where no record has one. When a leader's clock
    /// has passed it, an entry is due, be it an empty one. It may have to be asked again after that
    /// entry.
    package var nextDeadline: MachineTime? { records.wheel.earliestDeadline }

    /// The fingerprint of the whole state; equal states have equal digests on every replica.
    package var digest: StateDigest {
        var word = DigestFunction.mix(records.digestSum, UInt64(records.count))
        word = DigestFunction.mix(word, time.millisecondsSince1970)
        word = DigestFunction.mix(word, nextSequence)
        for counter in counters.words { word = DigestFunction.mix(word, counter) }
        return StateDigest(rawValue: word)
    }

    package var gauges: Gauges {
        Gauges(
            values: values.count,
            sessions: sessions.count - tombstones,
            tombstones: tombstones,
            subjects: subjects.count,
            payloadBytes: records.payloadBytes,
            memoryBytes: records.payloadBytes + records.slots * Limits.recordOverheadBytes
        )
    }
}

extension SessionMachine {
    /// Ends a record whose deadline is at or before machine time: a value and a tombstone go, a
    /// session becomes a tombstone for a while.
    mutating func settle(_ record: RecordID) {
        switch records.kind(record) {
        case .value:
            counters.valuesExpired &+= 1
            removeValue(record)
        case .session:
            counters.sessionsExpired &+= 1
            end(record, .expired)
        case .tombstone:
            removeTombstone(record)
        }
    }

    /// Whether the record's time has come.
    func isOver(_ record: RecordID) -> Bool {
        guard let deadline = records.deadline(record) else { return false }
        return deadline <= time
    }

    func hash(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        UInt32(truncatingIfNeeded: SipHash.hash(bytes, seed: seed))
    }

    func hash(_ handle: SessionHandle128) -> UInt32 {
        UInt32(truncatingIfNeeded: SipHash.hash(handle, seed: seed))
    }
}
