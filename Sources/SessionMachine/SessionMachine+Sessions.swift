// Login, use and renewal. A session is addressed by its handle and proven by the digest of its
// secret; one whose digest differs is answered like one that does not exist.

extension SessionMachine {
    mutating func apply(_ create: CreateSession) -> Outcome {
        guard isStorable(create) else { return .refused(.tooLarge) }
        guard create.lifetime > .zero else { return .refused(.noLifetime) }
        let handleHash = hash(create.handle)
        if let existing = settledSession(create.handle, hash: handleHash) {
            return retried(create, existing)
        }
        guard !records.isFull else { return .refused(.full) }
        let subjectHash = hash(create.subject)
        guard let evicted = makeRoom(for: create, subjectHash: subjectHash) else {
            return .limitReached
        }
        let payload = SessionLayout.payload(of: create, at: time, sequence: nextSequence)
        let view = SessionView(payload: payload)
        let record = records.insert(payload, deadline: view.deadline)
        sessions.insert(record, hash: handleHash)
        subjects.append(record, subject: create.subject, hash: subjectHash, in: records)
        nextSequence += 1
        counters.created &+= 1
        return .created(view.info, evicted: evicted)
    }

    mutating func touch(_ handles: [SessionHandle128]) -> Outcome {
        var touched = 0
        for handle in handles {
            guard let record = settledHeirInGrace(of: handle) else { continue }
            touch(record)
            touched += 1
        }
        counters.touched &+= UInt64(touched)
        return .touched(touched)
    }

    mutating func apply(_ renew: RenewSession) -> Outcome {
        onLiveSession(renew.handle, renew.digest) { $0.renew($1, renew) }
    }

    private mutating func renew(_ record: RecordID, _ renew: RenewSession) -> Outcome {
        guard renew.lifetime != .zero else { return .refused(.noLifetime) }
        var payload = records.payload(record)
        payload.setWord(time.millisecondsSince1970, at: SessionLayout.lastTouch)
        if let idle = renew.idle { payload.setWord(idle.count, at: SessionLayout.idle) }
        if let lifetime = renew.lifetime {
            let expiresAt = time.advanced(by: lifetime)
            payload.setWord(expiresAt.millisecondsSince1970, at: SessionLayout.expiresAt)
        }
        let view = SessionView(payload: payload)
        records.replace(record, with: payload, deadline: view.deadline)
        if renew.lifetime != nil { prolongPredecessors(of: view) }
        return .renewed(view.info)
    }

    /// The record of `handle`, session or tombstone, whatever its deadline.
    func session(_ handle: SessionHandle128, hash: UInt32) -> RecordID? {
        for entry in sessions.candidates(for: hash) where entry.hash == hash {
            if SessionLayout.hasHandle(records.payload(entry.record), handle) {
                return entry.record
            }
        }
        return nil
    }

    /// The record of `handle` after everything that is over has ended: a live session, a tombstone
    /// in its time, or nil.
    mutating func settledSession(_ handle: SessionHandle128, hash: UInt32) -> RecordID? {
        guard let record = session(handle, hash: hash) else { return nil }
        guard isOver(record) else { return record }
        settle(record)
        // A session past its deadline has become a tombstone, or, past its grace too, nothing.
        return session(handle, hash: hash)
    }

    /// The same of a handle with that secret; nil for another one.
    mutating func settledSession(
        _ handle: SessionHandle128,
        _ digest: SecretDigest
    ) -> RecordID? {
        guard let record = settledSession(handle, hash: hash(handle)),
            SessionLayout.digest(of: records.payload(record)) == digest
        else { return nil }
        return record
    }

    /// Carries `command` out on the live session of `handle` with that secret. Where there is none
    /// it answers why, and nothing is done.
    mutating func onLiveSession(
        _ handle: SessionHandle128,
        _ digest: SecretDigest,
        _ command: (inout SessionMachine, RecordID) -> Outcome
    ) -> Outcome {
        guard let record = settledSession(handle, digest) else { return .unknown }
        guard records.kind(record) == .tombstone else { return command(&self, record) }
        let tombstone = TombstoneView(payload: records.payload(record))
        guard let live = settledSuccessor(inGrace: tombstone) else { return .ended(tombstone.end) }
        return command(&self, live)
    }

    /// The live session that goes on where this one ended, while the grace of its rotation lasts.
    private mutating func settledSuccessor(inGrace tombstone: TombstoneView) -> RecordID? {
        guard let link = tombstone.link, link.graceEndsAt > time else { return nil }
        return settledSuccessor(of: link)
    }

    /// The live session that a handle may be used for: its own, or in the grace its successor.
    private mutating func settledHeirInGrace(of handle: SessionHandle128) -> RecordID? {
        guard let record = settledSession(handle, hash: hash(handle)) else { return nil }
        guard records.kind(record) == .tombstone else { return record }
        return settledSuccessor(inGrace: TombstoneView(payload: records.payload(record)))
    }

    private mutating func touch(_ record: RecordID) {
        let view = SessionView(payload: records.payload(record))
        let deadline: MachineTime
        if let idle = view.idle {
            deadline = min(TouchRule.deadline(lastTouch: time, idle: idle), view.expiresAt)
        } else {
            deadline = view.expiresAt
        }
        touchRecord(record, deadline: deadline)
    }

    private mutating func touchRecord(_ record: RecordID, deadline: MachineTime) {
        let now = time.millisecondsSince1970
        records.setWord(now, at: SessionLayout.lastTouch, of: record, deadline: deadline)
    }

    /// The answer to a create whose handle is in use.
    private func retried(_ create: CreateSession, _ record: RecordID) -> Outcome {
        let payload = records.payload(record)
        guard SessionLayout.digest(of: payload) == create.digest else { return .handleTaken }
        guard records.kind(record) == .session else {
            return .ended(TombstoneView(payload: payload).end)
        }
        let view = SessionView(payload: payload)
        guard view.subject == create.subject else { return .handleTaken }
        return .created(view.info, evicted: 0)
    }

    private func isStorable(_ create: CreateSession) -> Bool {
        create.subject.count <= Limits.subjectBytes
            && create.fields.count <= Limits.fields
            && SessionLayout.variableBytes(of: create) <= Limits.sessionBytes
    }
}
