// The ends of sessions: logout, revoke-all, the cap on sessions of one subject, expiry.
//
// A session's end is final. Its record becomes a tombstone under the same handle, and no command
// turns a tombstone back into a session: as long as it stands, every command on the handle meets it
// first. A tombstone of a revocation or a rotation stands until the absolute deadline that the
// session had, when its holder could no longer have used it anyway.

extension SessionMachine {
    mutating func apply(_ revoke: RevokeSession) -> Outcome {
        guard isStorable(revoke.note) else { return .refused(.tooLarge) }
        // Whoever logs out by an old id means the session.
        guard let record = settledHeir(of: revoke.handle) else { return .revoked(0) }
        self.revoke(record, revoke.note)
        return .revoked(1)
    }

    mutating func apply(_ revoke: RevokeSubject) -> Outcome {
        guard isStorable(revoke.note) else { return .refused(.tooLarge) }
        let kept = revoke.except.flatMap { settledHeir(of: $0) }
        var revoked = 0
        for record in settledSessions(of: revoke.subject, hash: hash(revoke.subject)) {
            guard record != kept else { continue }
            self.revoke(record, revoke.note)
            revoked += 1
        }
        return .revoked(revoked)
    }

    /// Ends every session, for a group that is restored: how many there were.
    package mutating func revokeAllSessions(_ note: RevocationNote) -> Int {
        precondition(isStorable(note))
        var revoked = 0
        for slot in 0..<records.slots {
            let record = RecordID(slot)
            guard !records.payload(record).isEmpty, records.kind(record) == .session else {
                continue
            }
            guard !isOver(record) else {
                settle(record)
                continue
            }
            revoke(record, note)
            revoked += 1
        }
        return revoked
    }

    /// Applies the subject's cap: how many sessions were evicted, or nil where the login is
    /// refused.
    mutating func makeRoom(for create: CreateSession, subjectHash: UInt32) -> Int? {
        let limit: Int
        let mayEvict: Bool
        switch create.cap {
        case .unlimited: (limit, mayEvict) = (Limits.sessionsPerSubject, false)
        case .rejectAbove(let cap): (limit, mayEvict) = (Int(cap), false)
        case .evictAbove(let cap): (limit, mayEvict) = (Int(cap), true)
        }
        let effective = min(limit, Limits.sessionsPerSubject)
        guard effective > 0 else { return nil }
        let listed = subjects.sessions(of: create.subject, hash: subjectHash, in: records)
        // The list may hold sessions that are over: it can only be too long, never too short.
        guard listed.count >= effective else { return 0 }
        let live = settledSessions(of: create.subject, hash: subjectHash)
        let excess = live.count - effective + 1
        guard excess > 0 else { return 0 }
        guard mayEvict else { return nil }
        let note = RevocationNote(reason: Array("session limit".utf8)[...])
        for record in live.prefix(excess) { revoke(record, note) }
        counters.evicted &+= UInt64(excess)
        return excess
    }

    /// How a session's record becomes a tombstone.
    enum Ending {
        case expired
        case revoked(RevocationNote)
        case rotated(SuccessorLink)
    }

    /// Turns a session's record into a tombstone, or removes it where the tombstone's time is over
    /// too.
    mutating func end(_ record: RecordID, _ ending: Ending) {
        let payload = records.payload(record)
        let view = SessionView(payload: payload)
        let subject = view.subject
        subjects.remove(record, subject: subject, hash: hash(subject), in: records)
        tombstones += 1
        let endedAt: MachineTime
        let deadline: MachineTime
        switch ending {
        case .expired:
            endedAt = view.deadline
            deadline = endedAt.advanced(by: Limits.expiredGrace)
        case .revoked, .rotated:
            endedAt = time
            deadline = max(view.expiresAt, time.advanced(by: Limits.tombstoneFloor))
        }
        guard deadline > time else { return removeTombstone(record) }
        let tombstone = SessionLayout.tombstone(of: payload, ending, at: endedAt)
        records.replace(record, with: tombstone, deadline: deadline)
    }

    mutating func removeTombstone(_ record: RecordID) {
        let handle = SessionLayout.handle(of: records.payload(record))
        sessions.remove(record, hash: hash(handle))
        records.remove(record)
        tombstones -= 1
    }

    private mutating func revoke(_ record: RecordID, _ note: RevocationNote) {
        counters.revoked &+= 1
        end(record, .revoked(note))
    }

    /// The subject's live sessions in the order of their ids; those that are over are ended first.
    private mutating func settledSessions(
        of subject: ArraySlice<UInt8>,
        hash: UInt32
    ) -> [RecordID] {
        var live: [RecordID] = []
        for record in subjects.sessions(of: subject, hash: hash, in: records) {
            if isOver(record) {
                settle(record)
            } else {
                live.append(record)
            }
        }
        return live
    }

    private func isStorable(_ note: RevocationNote) -> Bool {
        note.reason.count <= Limits.reasonBytes && note.actor.count <= Limits.reasonBytes
    }
}
