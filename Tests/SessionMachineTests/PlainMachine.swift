// The machine's contract once more, as plainly as it can be said: dictionaries by name, and at each
// tick of the clock everything that is over goes. No hashes, no wheel, no bytes. What it answers is
// what the machine must answer.

@testable import SessionMachine

/// A model of `SessionMachine`: the same commands, the same outcomes, the same reads.
struct PlainMachine {
    struct Value: Equatable {
        var bytes: ArraySlice<UInt8>
        var deadline: MachineTime?
    }

    struct Session: Equatable {
        var create: CreateSession
        var createdAt: MachineTime
        var lastTouch: MachineTime
        var expiresAt: MachineTime
        var idle: UInt64
        /// Order of creation.
        var order: Int

        var granularity: UInt64 { max(1, min(idle / 16, 60_000)) }

        var idleExpiresAt: MachineTime? {
            idle == 0 ? nil : lastTouch.advanced(by: Milliseconds(idle + granularity))
        }

        var deadline: MachineTime { min(idleExpiresAt ?? .latest, expiresAt) }

        var info: SessionInfo {
            SessionInfo(
                handle: create.handle,
                subject: create.subject,
                version: 1,
                createdAt: createdAt,
                idleExpiresAt: idleExpiresAt,
                expiresAt: expiresAt
            )
        }
    }

    /// An ended session.
    struct Tombstone: Equatable {
        var end: SessionEnd
        var digest: SecretDigest
        var until: MachineTime
        var note = RevocationNote()
    }

    enum Entry: Equatable {
        case session(Session)
        case tombstone(Tombstone)
    }

    private(set) var time = MachineTime.zero
    private(set) var values: [Key: Value] = [:]
    private(set) var entries: [SessionHandle128: Entry] = [:]
    private var created = 0

    /// Moves the clock and ends what is over.
    mutating func advance(to time: MachineTime) {
        self.time = max(self.time, time)
        tidy()
    }

    private mutating func tidy() {
        values = values.filter { $0.value.deadline.map { $0 > time } ?? true }
        for (handle, entry) in entries {
            guard case .session(let session) = entry, session.deadline <= time else { continue }
            let until = session.deadline.advanced(by: .seconds(60))
            let digest = session.create.digest
            entries[handle] = .tombstone(Tombstone(end: .expired, digest: digest, until: until))
        }
        entries = entries.filter { entry in
            guard case .tombstone(let tombstone) = entry.value else { return true }
            return tombstone.until > time
        }
    }

    mutating func apply(_ command: Command) -> Outcome {
        let outcome = carryOut(command)
        tidy()
        return outcome
    }

    private mutating func carryOut(_ command: Command) -> Outcome {
        switch command {
        case .create(let create): return apply(create)
        case .touch(let handles): return .touched(handles.count { touch($0) })
        case .renew(let renew): return apply(renew)
        case .revoke(let revoke):
            return .revoked(end(revoke.handle, revoke.note) ? 1 : 0)
        case .revokeAll(let all):
            let handles = list(all.subject).map(\.create.handle).filter { $0 != all.except }
            return .revoked(handles.count { end($0, all.note) })
        case .set(let set): return apply(set)
        case .getExpiring(let key, let change):
            let old = values[key]
            let new = deadline(change, of: old)
            values[key]?.deadline = new
            return .value(old?.bytes)
        case .getDeleting(let key): return .value(values.removeValue(forKey: key)?.bytes)
        case .delete(let keys):
            return .integer(keys.count { values.removeValue(forKey: $0) != nil })
        case .expire(let key, let expiry, let condition):
            return .integer(expire(key, deadline(.to(expiry), of: nil), condition) ? 1 : 0)
        case .persist(let key):
            guard values[key]?.deadline != nil else { return .integer(0) }
            values[key]?.deadline = nil
            return .integer(1)
        case .time, .attest: return .ok
        }
    }
}

// MARK: Sessions

extension PlainMachine {
    func session(_ handle: SessionHandle128) -> Session? {
        guard case .session(let session) = entries[handle] else { return nil }
        return session
    }

    /// The subject's live sessions, oldest first.
    func list(_ subject: ArraySlice<UInt8>) -> [Session] {
        entries.keys.compactMap { session($0) }
            .filter { $0.create.subject == subject }
            .sorted { $0.order < $1.order }
    }

    private mutating func apply(_ create: CreateSession) -> Outcome {
        guard create.lifetime > .zero else { return .refused(.noLifetime) }
        switch entries[create.handle] {
        case .tombstone(let tombstone):
            return tombstone.digest == create.digest ? .ended(tombstone.end) : .handleTaken
        case .session(let session):
            let isSame =
                session.create.digest == create.digest && session.create.subject == create.subject
            return isSame ? .created(session.info, evicted: 0) : .handleTaken
        case nil: break
        }
        let live = list(create.subject)
        var evicted = 0
        switch create.cap {
        case .unlimited: break
        case .rejectAbove(let cap): if live.count >= cap { return .limitReached }
        case .evictAbove(let cap):
            evicted = max(0, live.count - Int(cap) + 1)
            let note = RevocationNote(reason: bytes("session limit"))
            for session in live.prefix(evicted) { _ = end(session.create.handle, note) }
        }
        created += 1
        let session = Session(
            create: create,
            createdAt: time,
            lastTouch: time,
            expiresAt: time.advanced(by: create.lifetime),
            idle: create.idle.count,
            order: created
        )
        entries[create.handle] = .session(session)
        return .created(session.info, evicted: evicted)
    }

    private mutating func touch(_ handle: SessionHandle128) -> Bool {
        guard var session = session(handle) else { return false }
        session.lastTouch = time
        entries[handle] = .session(session)
        return true
    }

    private mutating func apply(_ renew: RenewSession) -> Outcome {
        switch entries[renew.handle] {
        case nil: return .unknown
        case .tombstone(let tombstone):
            return tombstone.digest == renew.digest ? .ended(tombstone.end) : .unknown
        case .session(var session):
            guard session.create.digest == renew.digest else { return .unknown }
            guard renew.lifetime != .zero else { return .refused(.noLifetime) }
            session.lastTouch = time
            session.idle = renew.idle?.count ?? session.idle
            session.expiresAt = renew.lifetime.map(time.advanced(by:)) ?? session.expiresAt
            entries[renew.handle] = .session(session)
            return .renewed(session.info)
        }
    }

    private mutating func end(_ handle: SessionHandle128, _ note: RevocationNote) -> Bool {
        guard let session = session(handle) else { return false }
        let until = max(session.expiresAt, time.advanced(by: .seconds(600)))
        let digest = session.create.digest
        let tombstone = Tombstone(end: .revoked, digest: digest, until: until, note: note)
        entries[handle] = .tombstone(tombstone)
        return true
    }
}

// MARK: Values

extension PlainMachine {
    private func deadline(_ change: ExpiryChange, of old: Value?) -> MachineTime? {
        switch change {
        case .clear: nil
        case .keep: old?.deadline
        case .to(.at(let deadline)): deadline
        case .to(.after(let duration)): time.advanced(by: duration)
        }
    }

    private mutating func apply(_ set: SetValue) -> Outcome {
        let old = values[set.key]
        let isStored =
            switch set.condition {
            case .always: true
            case .ifAbsent: old == nil
            case .ifPresent: old != nil
            }
        if isStored {
            values[set.key] = Value(bytes: set.value, deadline: deadline(set.expiry, of: old))
        }
        switch set.reply {
        case .oldValue: return .value(old?.bytes)
        case .status: return isStored ? .ok : .notStored
        }
    }

    private mutating func expire(
        _ key: Key,
        _ deadline: MachineTime?,
        _ condition: ExpireCondition
    ) -> Bool {
        guard let old = values[key] else { return false }
        // No expiry is infinitely late.
        let new = deadline?.millisecondsSince1970 ?? .max
        let current = old.deadline?.millisecondsSince1970 ?? .max
        let allowed =
            switch condition {
            case .always: true
            case .ifPersistent: old.deadline == nil
            case .ifExpiring: old.deadline != nil
            case .ifLater: new > current
            case .ifEarlier: new < current
            case .ifExpiringAndEarlier: old.deadline != nil && new < current
            }
        if allowed { values[key]?.deadline = deadline }
        return allowed
    }
}
