// The reads. None changes the state, and none decides by any clock but machine time.
//
// A validate also takes the leader's clock, `now`, which may be ahead of machine time while the
// group is idle. It never decides a status; it only tells the caller what has to be logged before
// the answer may leave (`FollowUp`).

extension SessionMachine {
    /// What a session id is worth.
    ///
    /// A digest that differs from the stored one is answered `unknown`: who does not know the
    /// secret is not told that the handle exists.
    package func validate(
        _ handle: SessionHandle128,
        _ digest: SecretDigest,
        now: MachineTime,
        purpose: ValidatePurpose
    ) -> Validation {
        guard let record = session(handle, hash: hash(handle)) else { return .unknown }
        let payload = records.payload(record)
        guard SessionLayout.digest(of: payload) == digest else { return .unknown }
        switch records.kind(record) {
        case .value: return .unknown
        case .tombstone:
            guard !isOver(record) else { return .unknown }
            let tombstone = TombstoneView(payload: payload)
            switch tombstone.end {
            case .expired: return Validation(status: .expired, followUp: .answer)
            case .revoked: return Validation(status: .revoked(tombstone), followUp: .answer)
            case .rotated: return validate(successorOf: tombstone, now, purpose)
            }
        case .session: return validate(record, now, purpose)
        }
    }

    private func validate(
        _ session: RecordID,
        _ now: MachineTime,
        _ purpose: ValidatePurpose
    ) -> Validation {
        let view = SessionView(payload: records.payload(session))
        guard isOver(session) else {
            return Validation(status: .valid(view), followUp: followUp(view, now, purpose))
        }
        let isGraceOver = view.deadline.advanced(by: Limits.expiredGrace) <= time
        return isGraceOver ? .unknown : Validation(status: .expired, followUp: .answer)
    }

    /// In the time of grace an old id is as good as the new one. Afterwards it is one that was
    /// revoked.
    private func validate(
        successorOf tombstone: TombstoneView,
        _ now: MachineTime,
        _ purpose: ValidatePurpose
    ) -> Validation {
        let ended = Validation(status: .revoked(tombstone), followUp: .answer)
        guard let link = tombstone.link, link.graceEndsAt > time,
            let session = successor(of: link), !isOver(session.record)
        else { return ended }
        var validation = validate(session.record, now, purpose)
        if session.graceEndsAt <= now { validation.followUp = .logTime }
        validation.byOldID = session.assurance
        return validation
    }

    /// A live session by its handle, for those who may see it without its secret; nil otherwise.
    package func session(_ handle: SessionHandle128) -> SessionView? {
        guard let record = session(handle, hash: hash(handle)), !isOver(record),
            records.kind(record) == .session
        else { return nil }
        return SessionView(payload: records.payload(record))
    }

    /// The subject's live sessions, in the order in which their ids were given out.
    package func list(_ subject: ArraySlice<UInt8>) -> [SessionView] {
        subjects.sessions(of: subject, hash: hash(subject), in: records)
            .filter { !isOver($0) }
            .map { SessionView(payload: records.payload($0)) }
    }

    /// The value of `key`, sharing the record's storage; nil where there is none.
    package func get(_ key: Key) -> ArraySlice<UInt8>? {
        liveValue(key).map { ValueLayout.value(of: records.payload($0)) }
    }

    package func exists(_ key: Key) -> Bool { liveValue(key) != nil }

    /// STRLEN: bytes of the value, 0 where there is none.
    package func length(_ key: Key) -> Int { get(key)?.count ?? 0 }

    /// TYPE: plain values are all strings.
    package func type(_ key: Key) -> ValueType { liveValue(key) == nil ? .none : .string }

    /// What EXPIRETIME, PEXPIRETIME, TTL and PTTL are computed from.
    package func expiry(_ key: Key) -> KeyExpiry {
        guard let record = liveValue(key) else { return .missing }
        guard let deadline = records.deadline(record) else { return .persistent }
        return .at(deadline)
    }

    /// DBSIZE: plain values, as in Redis those included that are over and not yet removed.
    package var valueCount: Int { values.count }

    private func liveValue(_ key: Key) -> RecordID? {
        guard let record = value(key, hash: hash(key.bytes)), !isOver(record) else { return nil }
        return record
    }

    private func followUp(
        _ view: SessionView,
        _ now: MachineTime,
        _ purpose: ValidatePurpose
    ) -> FollowUp {
        // A leader's clock may be behind the log's time; the log's is the one that ends sessions.
        let now = max(now, time)
        guard view.deadline > now else { return .logTime }
        guard purpose == .use, let idle = view.idle else { return .answer }
        let isDue = TouchRule.isTouchDue(lastTouch: view.lastTouch, idle: idle, now: now)
        return isDue ? .logTouch : .answer
    }
}

/// What a validate is for.
package enum ValidatePurpose: Equatable, Sendable {
    /// A request of the session's holder: keeps the session from idling out.
    case use
    /// A look that must not prolong it (NOTOUCH).
    case look
}

/// What a session id is worth, and what to log before saying so.
package struct Validation: Sendable {
    package var status: SessionStatus
    package var followUp: FollowUp
    /// Set where the id that was shown has a successor, which the holder should be given: the level
    /// that the old id gives at most.
    package var byOldID: UInt8?

    static let unknown = Validation(status: .unknown, followUp: .answer)
}

package enum SessionStatus: Sendable {
    case valid(SessionView)
    /// Ended by one of its deadlines, up to `Limits.expiredGrace` ago.
    case expired
    case revoked(TombstoneView)
    case unknown
}

/// What the leader does with a validation.
package enum FollowUp: Equatable, Sendable {
    /// Answer now.
    case answer
    /// Log a touch of this session, then answer.
    case logTouch
    /// By the leader's clock the session is over, by machine time it is not: log the time and ask
    /// again.
    case logTime
}

package enum ValueType: Equatable, Sendable {
    case none
    case string
}

/// A key's deadline.
package enum KeyExpiry: Equatable, Sendable {
    case missing
    case persistent
    case at(MachineTime)

    /// PTTL: milliseconds left, at least 0; -1 without expiry, -2 without key. `now` is the
    /// leader's clock.
    package func millisecondsLeft(at now: MachineTime) -> Int64 {
        switch self {
        case .missing: -2
        case .persistent: -1
        case .at(let deadline): Int64(clamping: deadline.duration(since: now).count)
        }
    }

    /// TTL: rounded to the nearest second, as Redis does.
    package func secondsLeft(at now: MachineTime) -> Int64 {
        let milliseconds = millisecondsLeft(at: now)
        return milliseconds < 0 ? milliseconds : roundedSeconds(UInt64(milliseconds))
    }

    /// PEXPIRETIME: milliseconds since 1970, or -1, or -2.
    package var milliseconds: Int64 {
        switch self {
        case .missing: -2
        case .persistent: -1
        case .at(let deadline): Int64(clamping: deadline.millisecondsSince1970)
        }
    }

    /// EXPIRETIME: seconds since 1970 rounded to the nearest, or -1, or -2.
    package var seconds: Int64 {
        milliseconds < 0 ? milliseconds : roundedSeconds(UInt64(milliseconds))
    }

    private func roundedSeconds(_ milliseconds: UInt64) -> Int64 {
        // At most Int64.max + 500: no overflow in 64 unsigned bits.
        Int64(clamping: (milliseconds + 500) / 1_000)
    }
}
