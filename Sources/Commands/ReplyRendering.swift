// Outcomes and reads to RESP. Maps and nulls come out in the client's own version of the protocol;
// the writer knows which.

package import HoldfastWire
package import SessionMachine

extension ReplyWriter {
    // MARK: Writes

    /// The reply to a write that was applied.
    package mutating func outcome(_ outcome: Outcome, as reply: WriteReply) {
        switch outcome {
        case .ok:
            if case .stored = reply { integer(1) } else { status("OK") }
        case .notStored:
            if case .stored = reply { integer(0) } else { null() }
        case .integer(let count): integer(Int64(count))
        case .value(let value): optional(value)
        case .created(let info, evicted: _): created(info, as: reply)
        case .renewed(let info): session(info, id: nil)
        case .rotated(let rotated): self.rotated(rotated, as: reply)
        case .version(let version): integer(Int64(clamping: version))
        case .locked(let fence, until: _): integer(Int64(clamping: fence))
        case .lockHeld: integer(0)
        case .conflict(let version):
            error("CONFLICT the session has version \(version); read it and try again")
        case .touched(let count): integer(Int64(count))
        case .revoked(let count): integer(Int64(count))
        case .handleTaken: error("CONFLICT the id is another session's; make a new one")
        case .limitReached: error("LIMIT the subject has as many sessions as it may")
        case .ended(let end): ended(end, as: reply)
        case .unknown: unknown(as: reply)
        case .refused(let refusal): self.refusal(refusal)
        }
    }

    private mutating func created(_ info: SessionInfo, as reply: WriteReply) {
        guard case .created(let id) = reply else { return session(info, id: nil) }
        session(info, id: id)
    }

    private mutating func rotated(_ rotated: Rotated, as reply: WriteReply) {
        guard case .rotated(let rotation) = reply, let id = rotation.id(of: rotated) else {
            return error("ERR the session's new id cannot be read; log in again")
        }
        session(rotated.info, id: id)
    }

    private mutating func session(_ info: SessionInfo, id: SessionID?) {
        map(id == nil ? 6 : 7)
        if let id {
            bulk("id")
            bulk(id.text)
        }
        bulk("handle")
        bulk(SessionHandle(info.handle).text)
        bulk("subject")
        bulk(info.subject)
        bulk("version")
        integer(Int64(clamping: info.version))
        times(created: info.createdAt, idle: info.idleExpiresAt, expires: info.expiresAt)
    }

    private mutating func times(
        created: MachineTime,
        idle: MachineTime?,
        expires: MachineTime
    ) {
        bulk("created-at")
        time(created)
        bulk("idle-expires-at")
        if let idle { time(idle) } else { null() }
        bulk("expires-at")
        time(expires)
    }

    private mutating func time(_ time: MachineTime) {
        integer(Int64(clamping: time.millisecondsSince1970))
    }

    private mutating func ended(_ end: SessionEnd, as reply: WriteReply) {
        let state = end == .expired ? "expired" : "revoked"
        switch reply {
        case .created:
            error("CONFLICT the id was a session's that is \(state); make a new one")
        case .field: null()
        default: ended(state)
        }
    }

    private mutating func unknown(as reply: WriteReply) {
        switch reply {
        case .renewed, .rotated: ended("unknown")
        case .field: null()
        default: integer(0)
        }
    }

    private mutating func refusal(_ refusal: Refusal) {
        switch refusal {
        case .tooLarge:
            error("ERR the key, the value or the session would be over its limit; store less")
        case .rotatedTooOften:
            error("ERR the session has been given too many ids; log in again")
        case .requestReused:
            error("ERR the request id was another request's; use a new one for each")
        case .noLifetime: error("ERR TTL must be above 0")
        case .full:
            error("OOM the shard group holds as many records as it can; end some or add groups")
        }
    }

    // MARK: Reads

    /// The reply to a read, from the state as it is now.
    package mutating func read(
        _ read: ReadAction,
        from machine: borrowing SessionMachine,
        now: MachineTime
    ) {
        switch read {
        case .get(let key): optional(machine.get(key))
        case .getMany(let keys):
            let values = keys.map { machine.get($0) }
            let bytes = values.reduce(0) { $0 + ($1?.count ?? 0) }
            guard bytes <= RequestBounds.replyBytesMax else {
                return error("ERR \(RequestBounds.tooLargeReply)")
            }
            array(values.count)
            for value in values { optional(value) }
        case .exists(let keys):
            var count: Int64 = 0
            for key in keys where machine.exists(key) { count += 1 }
            integer(count)
        case .length(let key): integer(Int64(machine.length(key)))
        case .type(let key):
            if machine.exists(key) { status("string") } else { status("none") }
        case .timeToLive(let key, let unit):
            let expiry = machine.expiry(key)
            switch unit {
            case .seconds: integer(expiry.secondsLeft(at: now))
            case .milliseconds: integer(expiry.millisecondsLeft(at: now))
            }
        case .list(let subject): list(machine.list(subject[...]))
        case .count: integer(Int64(machine.valueCount))
        case .scan(let scan): page(machine.scan(from: scan.position, count: scan.count), scan)
        }
    }

    private mutating func optional(_ value: ArraySlice<UInt8>?) {
        if let value { bulk(value) } else { null() }
    }

    /// One group's page: its own next position, and keys.
    private mutating func page(_ page: ScanPage, _ scan: ScanAction) {
        let keys = page.keys.filter { key in
            scan.isTypeMatched && scan.pattern?.matches(key.bytes) ?? true
        }
        array(2)
        bulk(String(page.next))
        array(keys.count)
        for key in keys { bulk(key.bytes) }
    }

    private mutating func list(_ sessions: [SessionView]) {
        array(sessions.count)
        for session in sessions {
            map(11)
            bulk("handle")
            bulk(SessionHandle(session.handle).text)
            bulk("version")
            integer(Int64(clamping: session.version))
            times(
                created: session.createdAt,
                idle: session.idleExpiresAt,
                expires: session.expiresAt
            )
            bulk("issued-at")
            time(session.issuedAt)
            bulk("last-used-at")
            time(session.lastTouch)
            text("ip", session.ip)
            text("agent", session.agent)
            text("device", session.device)
            bulk("aal")
            integer(Int64(session.assurance))
        }
    }

    private mutating func text(_ name: String, _ value: ArraySlice<UInt8>) {
        bulk(name)
        bulk(value)
    }

    // MARK: Validate

    /// The reply to a validate, once whatever it must log is logged.
    package mutating func validation(_ validation: Validation, for action: ValidateAction) {
        switch action.reply {
        case .status: status(of: validation, action.fields)
        case .fields:
            guard case .valid(let session) = validation.status,
                let fields = selected(session, action.fields)
            else { return null() }
            self.fields(fields)
        }
    }

    private mutating func status(of validation: Validation, _ selection: FieldSelection) {
        switch validation.status {
        case .valid(let session): valid(session, selection, byOldID: validation.byOldID)
        case .expired: ended("expired")
        case .unknown: ended("unknown")
        case .revoked(let tombstone):
            map(4)
            bulk("status")
            bulk("revoked")
            bulk("revoked-at")
            time(tombstone.endedAt)
            if tombstone.end == .rotated {
                bulk("reason")
                bulk("rotated")
            } else {
                text("reason", tombstone.note.reason)
            }
            text("by", tombstone.note.actor)
        }
    }

    private mutating func ended(_ status: String) {
        map(1)
        bulk("status")
        bulk(status)
    }

    private mutating func valid(
        _ session: SessionView,
        _ selection: FieldSelection,
        byOldID: UInt8?
    ) {
        let fields = selected(session, selection)
        map(9 + (fields == nil ? 0 : 1) + (byOldID == nil ? 0 : 1))
        bulk("status")
        bulk("valid")
        text("subject", session.subject)
        bulk("handle")
        bulk(SessionHandle(session.handle).text)
        bulk("version")
        integer(Int64(clamping: session.version))
        times(
            created: session.createdAt,
            idle: session.idleExpiresAt,
            expires: session.expiresAt
        )
        bulk("issued-at")
        time(session.issuedAt)
        bulk("aal")
        integer(Int64(min(session.assurance, byOldID ?? .max)))
        if byOldID != nil {
            bulk("rotate")
            integer(1)
        }
        guard let fields else { return }
        bulk("fields")
        self.fields(fields)
    }

    private mutating func fields(_ fields: [SessionField]) {
        map(fields.count)
        for field in fields {
            bulk(field.name)
            bulk(field.value)
        }
    }

    private func selected(
        _ session: SessionView,
        _ selection: FieldSelection
    ) -> [SessionField]? {
        switch selection {
        case .none: nil
        case .all: session.fields
        case .named(let names): session.fields.filter { names.contains(Array($0.name)) }
        }
    }
}
