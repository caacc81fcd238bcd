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

    struct Session {
        var create: CreateSession
        var createdAt: MachineTime
        var lastTouch: MachineTime
        var expiresAt: MachineTime
        var idle: UInt64
        /// Order of creation.
        var order: Int
        var version: UInt64 = 1
        /// The last sixteen requests with an id, and their outcomes.
        var remembered: [(id: RequestID, outcome: Outcome)] = []
        var fence: UInt64 = 0
        var holder: (id: RequestID, until: MachineTime)?
        var line: [(id: RequestID, until: MachineTime)] = []

        var granularity: UInt64 { max(1, min(idle / 16, 60_000)) }

        var idleExpiresAt: MachineTime? {
            idle == 0 ? nil : lastTouch.advanced(by: Milliseconds(idle + granularity))
        }

        var deadline: MachineTime { min(idleExpiresAt ?? .latest, expiresAt) }

        var info: SessionInfo {
            SessionInfo(
                handle: create.handle,
                subject: create.subject,
                version: version,
                createdAt: createdAt,
                idleExpiresAt: idleExpiresAt,
                expiresAt: expiresAt
            )
        }
    }

    /// An ended session.
    struct Tombstone {
        var end: SessionEnd
        var digest: SecretDigest
        var until: MachineTime
        var note = RevocationNote()
        var link: Link?
    }

    /// Where a rotated session goes on.
    struct Link {
        /// The orders of the session that was, and of its successor.
        var own: Int
        var next: Int
        var handle: SessionHandle128
        var graceEndsAt: MachineTime
        var assurance: UInt8
        var sealed: ArraySlice<UInt8>
    }

    enum Entry {
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
        case .rotate(let rotate): return apply(rotate)
        case .lock(let lock):
            guard lock.lease > .zero else { return .refused(.noLifetime) }
            return onLive(lock.handle, lock.digest) { $0.lock(lock, $1) }
        case .unlock(let unlock):
            return onLive(unlock.handle, unlock.digest) { $0.unlock(unlock.fence, $1) }
        case .touch(let handles): return .touched(handles.count { touch($0) })
        case .renew(let renew): return apply(renew)
        case .revoke(let revoke):
            let heir = heir(of: revoke.handle, inGrace: false)
            return .revoked(heir.map { end($0, revoke.note) } == true ? 1 : 0)
        case .revokeAll(let all):
            let kept = all.except.flatMap { heir(of: $0, inGrace: false) }
            let handles = list(all.subject).map(\.create.handle).filter { $0 != kept }
            return .revoked(handles.count { end($0, all.note) })
        case .setFields(let set):
            return change(set.handle, set.digest, set.request) { $0.set(set) }
        case .unsetFields(let unset):
            return change(unset.handle, unset.digest, unset.request) { $0.unset(unset) }
        case .takeField(let take):
            return change(take.handle, take.digest, take.request) { $0.take(take) }
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
        guard let handle = heir(of: handle, inGrace: true), var session = session(handle) else {
            return false
        }
        session.lastTouch = time
        entries[handle] = .session(session)
        return true
    }

    private mutating func apply(_ renew: RenewSession) -> Outcome {
        let outcome = onLive(renew.handle, renew.digest) { session, time in
            guard renew.lifetime != .zero else { return .refused(.noLifetime) }
            session.lastTouch = time
            session.idle = renew.idle?.count ?? session.idle
            session.expiresAt = renew.lifetime.map(time.advanced(by:)) ?? session.expiresAt
            return .renewed(session.info)
        }
        if case .renewed(let info) = outcome { prolong(to: info) }
        return outcome
    }

    /// All ids that lead to the session are remembered for as long as it may live.
    private mutating func prolong(to info: SessionInfo) {
        for (handle, entry) in entries {
            guard case .tombstone(var tombstone) = entry, tombstone.until < info.expiresAt,
                heir(of: handle, inGrace: false) == info.handle
            else { continue }
            tombstone.until = info.expiresAt
            entries[handle] = .tombstone(tombstone)
        }
    }

    /// The level that a handle gives, which in the grace is no more than the old id gave.
    func assurance(of handle: SessionHandle128) -> UInt8? {
        var handle = handle
        var lowest = UInt8.max
        while case .tombstone(let tombstone)? = entries[handle], let link = tombstone.link {
            lowest = min(lowest, link.assurance)
            handle = link.handle
        }
        return session(handle).map { min(lowest, $0.create.assurance) }
    }

    /// Changes the session that the handle may be used for.
    private mutating func onLive(
        _ handle: SessionHandle128,
        _ digest: SecretDigest,
        _ body: (inout Session, MachineTime) -> Outcome
    ) -> Outcome {
        guard let entry = entries[handle], self.digest(of: entry) == digest else {
            return .unknown
        }
        if let heir = heir(of: handle, inGrace: true), var session = session(heir) {
            let outcome = body(&session, time)
            entries[heir] = .session(session)
            return outcome
        }
        guard case .tombstone(let tombstone) = entry else { return .unknown }
        return .ended(tombstone.end)
    }

    private func digest(of entry: Entry) -> SecretDigest {
        switch entry {
        case .session(let session): session.create.digest
        case .tombstone(let tombstone): tombstone.digest
        }
    }

    /// The handle of the live session that `handle` stands for: its own, or that of a successor.
    func heir(of handle: SessionHandle128, inGrace: Bool) -> SessionHandle128? {
        var handle = handle
        var wanted: Int?
        while let entry = entries[handle] {
            switch entry {
            case .session(let session):
                return wanted == nil || session.order == wanted ? handle : nil
            case .tombstone(let tombstone):
                guard let link = tombstone.link, wanted == nil || link.own == wanted,
                    !inGrace || link.graceEndsAt > time
                else { return nil }
                handle = link.handle
                wanted = link.next
            }
        }
        return nil
    }

    private mutating func apply(_ rotate: RotateSession) -> Outcome {
        guard let entry = entries[rotate.handle], digest(of: entry) == rotate.digest else {
            return .unknown
        }
        switch entry {
        case .session(var session):
            guard entries[rotate.successor] == nil else { return .handleTaken }
            created += 1
            let link = Link(
                own: session.order,
                next: created,
                handle: rotate.successor,
                graceEndsAt: time.advanced(by: min(rotate.grace, .seconds(600))),
                assurance: session.create.assurance,
                sealed: rotate.grace == .zero ? [] : rotate.sealedSecret
            )
            let until = max(session.expiresAt, time.advanced(by: .seconds(600)))
            entries[rotate.handle] = .tombstone(
                Tombstone(end: .rotated, digest: rotate.digest, until: until, link: link)
            )
            session.create.handle = rotate.successor
            session.create.digest = rotate.successorDigest
            session.create.assurance = rotate.assurance ?? session.create.assurance
            session.lastTouch = time
            session.order = created
            entries[rotate.successor] = .session(session)
            return rotated(session, link)
        case .tombstone(let tombstone):
            guard let link = tombstone.link else { return .ended(tombstone.end) }
            guard matches(link), let next = entries[link.handle] else { return .ended(.rotated) }
            let isNamed = link.handle == rotate.successor
            let isRetry = isNamed && digest(of: next) == rotate.successorDigest
            if isNamed, !isRetry { return .handleTaken }
            guard isRetry || link.graceEndsAt > time,
                let heir = heir(of: link.handle, inGrace: true), let session = session(heir)
            else { return .ended(.rotated) }
            let isLevel = rotate.assurance == nil && session.create.assurance <= link.assurance
            return isRetry || isLevel ? rotated(session, link) : .ended(.rotated)
        }
    }

    /// Whether the link still leads to what it was made for.
    private func matches(_ link: Link) -> Bool {
        switch entries[link.handle] {
        case nil: false
        case .session(let session): session.order == link.next
        case .tombstone(let tombstone): tombstone.link?.own == link.next
        }
    }

    private func rotated(_ session: Session, _ link: Link) -> Outcome {
        .rotated(
            Rotated(info: session.info, successor: link.handle, sealedSecret: link.sealed)
        )
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

// MARK: Fields

extension PlainMachine {
    private mutating func change(
        _ handle: SessionHandle128,
        _ digest: SecretDigest,
        _ request: RequestID?,
        _ body: (inout Session) -> Outcome
    ) -> Outcome {
        onLive(handle, digest) { session, _ in
            if let known = session.remembered.first(where: { $0.id == request }) {
                return known.outcome
            }
            let outcome = body(&session)
            if case .conflict = outcome { return outcome }
            if let request {
                session.remembered.append((request, outcome))
                session.remembered = session.remembered.suffix(16)
            }
            return outcome
        }
    }
}

extension PlainMachine.Session {
    fileprivate mutating func set(_ set: SetFields) -> Outcome {
        if let wanted = set.ifVersion, wanted != version { return .conflict(version) }
        for field in set.fields {
            if let place = create.fields.firstIndex(where: { $0.name == field.name }) {
                create.fields[place] = field
            } else {
                create.fields.append(field)
            }
        }
        version += 1
        return .version(version)
    }

    fileprivate mutating func unset(_ unset: UnsetFields) -> Outcome {
        let before = create.fields.count
        create.fields.removeAll { unset.names.contains($0.name) }
        let removed = before - create.fields.count
        if removed > 0 { version += 1 }
        return .integer(removed)
    }

    private mutating func forgetClaims(_ time: MachineTime) {
        if let held = holder, held.until <= time { holder = nil }
        line = line.filter { $0.until > time }
    }

    fileprivate mutating func lock(_ lock: LockSession, _ time: MachineTime) -> Outcome {
        forgetClaims(time)
        if let held = holder {
            if held.id == lock.request { return .locked(fence: fence, until: held.until) }
            if lock.waits { stand(lock.request, time) }
            return .lockHeld(until: held.until)
        }
        if let first = line.first, first.id != lock.request {
            if lock.waits { stand(lock.request, time) }
            return .lockHeld(until: first.until)
        }
        line = Array(line.dropFirst())
        fence += 1
        let until = time.advanced(by: lock.lease)
        holder = (lock.request, until)
        return .locked(fence: fence, until: until)
    }

    private mutating func stand(_ request: RequestID, _ time: MachineTime) {
        let until = time.advanced(by: .seconds(5))
        if let place = line.firstIndex(where: { $0.id == request }) {
            line[place].until = until
        } else if line.count < 64 {
            line.append((request, until))
        }
    }

    fileprivate mutating func unlock(_ number: UInt64, _ time: MachineTime) -> Outcome {
        forgetClaims(time)
        guard holder != nil, fence == number else { return .integer(0) }
        holder = nil
        return .integer(1)
    }

    fileprivate mutating func take(_ take: TakeField) -> Outcome {
        guard let place = create.fields.firstIndex(where: { $0.name == take.name }) else {
            return .value(nil)
        }
        version += 1
        return .value(create.fields.remove(at: place).value)
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
