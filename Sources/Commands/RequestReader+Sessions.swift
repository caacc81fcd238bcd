// The `SESSION` commands. An id is split here: the handle goes on as 128 bits, the secret only as
// its digest.

package import HoldfastWire
package import SessionMachine

extension RequestReader {
    mutating func session(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        if frame.equals(1, "CREATE") { return try create(frame) }
        if frame.equals(1, "VALIDATE") { return try validate(frame) }
        if frame.equals(1, "RENEW") { return try renew(frame) }
        if frame.equals(1, "ROTATE") { return try rotate(frame) }
        if frame.equals(1, "REVOKE") { return try revoke(frame) }
        if frame.equals(1, "REVOKEALL") { return try revokeAll(frame) }
        if frame.equals(1, "LIST") {
            guard frame.count == 3 else { throw .arity("session|list") }
            let subject = try subject(frame)
            return KeyedOperation(slot: slot(frame, 2), action: .read(.list(subject: subject)))
        }
        if frame.equals(1, "GET") { return try getFields(frame) }
        if frame.equals(1, "SET") { return try setFields(frame) }
        if frame.equals(1, "UNSET") { return try unsetFields(frame) }
        if frame.equals(1, "TAKE") { return try takeField(frame) }
        if frame.equals(1, "LOCK") { return try lock(frame) }
        if frame.equals(1, "UNLOCK") { return try unlock(frame) }
        let name = Self.prefix(frame, 1, 128)
        throw RequestError(
            "ERR unknown subcommand '\(name)'. Try "
                + CommandTable.sessionCommands.joined(separator: ", ") + "."
        )
    }

    /// `SESSION CREATE subject [ID id] [IDLE s] [TTL s] [POLICY name] [IP a] [AGENT ua] [DEVICE d]
    /// [AAL n] [AMR list] [MAX n REJECT|EVICT] [SET f v ...]`
    private mutating func create(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        let subject = try subject(frame)
        let slot = slot(frame, 2)
        var given: SessionID?
        var create = CreateSession(
            handle: SessionHandle128(high: 0, low: 0),
            digest: SecretDigest(0, 0, 0, 0),
            subject: subject[...],
            idle: .seconds(UInt64(bounds.defaultIdleSeconds)),
            lifetime: .seconds(UInt64(bounds.defaultLifetimeSeconds))
        )
        var place = 3
        while place < frame.count {
            guard place + 1 < frame.count else { throw .syntax }
            if frame.equals(place, "ID") {
                given = try id(frame, place + 1)
                guard given?.handle.slot == slot else {
                    throw RequestError("ERR the id was not made for this subject")
                }
            } else if frame.equals(place, "SET") {
                create.fields = try fields(frame, from: place + 1)
                place = frame.count
                break
            } else {
                place += try createOption(frame, place, &create)
            }
            place += 2
        }
        let id = given ?? secrets.mint(slot: slot)
        create.handle = SessionHandle128(id.handle)
        create.digest = secrets.digest(ofSecret: id.secret)
        try checkSize(create)
        return KeyedOperation(slot: slot, action: .write(.create(create), .created(id)))
    }

    /// Reads an option of one value; returns how many words it took beyond two.
    private func createOption(
        _ frame: RequestFrame,
        _ place: Int,
        _ create: inout CreateSession
    ) throws(RequestError) -> Int {
        if frame.equals(place, "IDLE") {
            create.idle = try seconds(frame, place + 1, from: 0)
        } else if frame.equals(place, "TTL") {
            create.lifetime = try seconds(frame, place + 1, from: 1)
        } else if frame.equals(place, "IP") {
            create.ip = try label(frame, place + 1)
        } else if frame.equals(place, "AGENT") {
            create.agent = frame.bytes(place + 1).prefix(RequestBounds.agentBytesMax)
        } else if frame.equals(place, "DEVICE") {
            create.device = try label(frame, place + 1)
        } else if frame.equals(place, "POLICY") {
            create.policy = try label(frame, place + 1)
        } else if frame.equals(place, "AMR") {
            create.methods = try label(frame, place + 1)
        } else if frame.equals(place, "AAL") {
            create.assurance = try assurance(frame, place + 1)
        } else if frame.equals(place, "MAX") {
            create.cap = try cap(frame, place + 1)
            return 1
        } else {
            throw .syntax
        }
        return 0
    }

    private func cap(_ frame: RequestFrame, _ place: Int) throws(RequestError) -> SubjectCap {
        guard place + 1 < frame.count else { throw .syntax }
        guard let count = UInt32(exactly: try integer(frame, place)), count > 0 else {
            throw RequestError("ERR MAX must be above 0")
        }
        if frame.equals(place + 1, "REJECT") { return .rejectAbove(count) }
        if frame.equals(place + 1, "EVICT") { return .evictAbove(count) }
        throw .syntax
    }

    func fields(
        _ frame: RequestFrame,
        from start: Int
    ) throws(RequestError) -> [SessionField] {
        let words = frame.count - start
        guard words.isMultiple(of: 2) else { throw .syntax }
        guard words / 2 <= RequestBounds.fieldsMax else {
            throw RequestError("ERR a session has at most \(RequestBounds.fieldsMax) fields")
        }
        var fields: [SessionField] = []
        for place in stride(from: start, to: frame.count, by: 2) {
            let name = frame.bytes(place)
            guard name.count <= RequestBounds.fieldNameBytesMax else {
                throw RequestError(
                    "ERR a field name has at most \(RequestBounds.fieldNameBytesMax) bytes"
                )
            }
            guard !fields.contains(where: { $0.name == name[...] }) else {
                throw RequestError("ERR a field is set twice; name each once")
            }
            fields.append(SessionField(name: name[...], value: frame.bytes(place + 1)[...]))
        }
        return fields
    }

    private func checkSize(_ create: CreateSession) throws(RequestError) {
        // The machine counts a few bytes of lengths beside these; 16 per field and label are more.
        var bytes = create.subject.count + create.ip.count + create.agent.count
        bytes += create.device.count + create.methods.count + create.policy.count + 128
        for field in create.fields { bytes += field.name.count + field.value.count + 16 }
        guard bytes <= RequestBounds.sessionBytesMax else {
            throw RequestError(
                "ERR a session has at most \(RequestBounds.sessionBytesMax) bytes with its fields"
            )
        }
    }

    /// `SESSION VALIDATE id [NOTOUCH] [GET f ... | GETALL]`
    private func validate(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        let id = try id(frame, 2)
        var validate = ValidateAction(
            handle: id.handle,
            digest: secrets.digest(ofSecret: id.secret),
            purpose: .use,
            fields: .none,
            reply: .status
        )
        var place = 3
        while place < frame.count {
            if frame.equals(place, "NOTOUCH") {
                validate.purpose = .look
            } else if frame.equals(place, "GETALL") {
                validate.fields = .all
            } else if frame.equals(place, "GET"), place + 1 < frame.count {
                validate.fields = .named(try fieldNames(frame, from: place + 1))
                break
            } else {
                throw .syntax
            }
            place += 1
        }
        return KeyedOperation(slot: id.handle.slot, action: .validate(validate))
    }

    /// `SESSION RENEW id [IDLE s] [TTL s]`
    private func renew(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        let id = try id(frame, 2)
        var renew = RenewSession(
            handle: SessionHandle128(id.handle),
            digest: secrets.digest(ofSecret: id.secret),
            idle: nil,
            lifetime: nil
        )
        for place in stride(from: 3, to: frame.count, by: 2) {
            guard place + 1 < frame.count else { throw .syntax }
            if frame.equals(place, "IDLE") {
                renew.idle = try seconds(frame, place + 1, from: 0)
            } else if frame.equals(place, "TTL") {
                renew.lifetime = try seconds(frame, place + 1, from: 1)
            } else {
                throw .syntax
            }
        }
        return KeyedOperation(slot: id.handle.slot, action: .write(.renew(renew), .renewed))
    }

    /// `SESSION REVOKE id|handle [REASON r] [BY actor]`
    private func revoke(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        let handle: SessionHandle
        if let bare = frame.withBytes(2, { SessionHandle($0) }) {
            handle = bare
        } else {
            handle = try id(frame, 2).handle
        }
        var revoke = RevokeSession(handle: SessionHandle128(handle))
        var other: SessionHandle128?
        try revocationOptions(frame, &revoke.note, except: &other, takesExcept: false)
        return KeyedOperation(slot: handle.slot, action: .write(.revoke(revoke), .revoked))
    }

    /// `SESSION REVOKEALL subject [EXCEPT id|handle] [REASON r] [BY actor]`
    private func revokeAll(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        var revoke = RevokeSubject(subject: try subject(frame)[...])
        try revocationOptions(frame, &revoke.note, except: &revoke.except, takesExcept: true)
        return KeyedOperation(slot: slot(frame, 2), action: .write(.revokeAll(revoke), .revoked))
    }

    private func revocationOptions(
        _ frame: RequestFrame,
        _ note: inout RevocationNote,
        except: inout SessionHandle128?,
        takesExcept: Bool
    ) throws(RequestError) {
        for place in stride(from: 3, to: frame.count, by: 2) {
            guard place + 1 < frame.count else { throw .syntax }
            if frame.equals(place, "REASON") {
                note.reason = try label(frame, place + 1)
            } else if frame.equals(place, "BY") {
                note.actor = try label(frame, place + 1)
            } else if takesExcept, frame.equals(place, "EXCEPT") {
                if let handle = frame.withBytes(place + 1, { SessionHandle($0) }) {
                    except = SessionHandle128(handle)
                } else {
                    except = SessionHandle128(try id(frame, place + 1).handle)
                }
            } else {
                throw .syntax
            }
        }
    }

    // MARK: Words

    private func subject(_ frame: RequestFrame) throws(RequestError) -> [UInt8] {
        let subject = frame.bytes(2)
        guard 1...RequestBounds.subjectBytesMax ~= subject.count else {
            throw RequestError(
                "ERR a subject has 1 to \(RequestBounds.subjectBytesMax) bytes"
            )
        }
        return subject
    }

    func assurance(_ frame: RequestFrame, _ place: Int) throws(RequestError) -> UInt8 {
        guard let level = UInt8(exactly: try integer(frame, place)), 1...3 ~= level else {
            throw RequestError("ERR AAL must be 1, 2 or 3")
        }
        return level
    }

    func id(_ frame: RequestFrame, _ place: Int) throws(RequestError) -> SessionID {
        guard let id = frame.withBytes(place, { SessionID(parsing: $0) }) else {
            throw RequestError("ERR not a session id")
        }
        return id
    }

    private func label(
        _ frame: RequestFrame,
        _ place: Int
    ) throws(RequestError) -> ArraySlice<UInt8> {
        guard frame.byteCount(place) <= RequestBounds.labelBytesMax else {
            throw RequestError(
                "ERR \(frame.string(place - 1)) has at most \(RequestBounds.labelBytesMax) bytes"
            )
        }
        return frame.bytes(place)[...]
    }

    private func seconds(
        _ frame: RequestFrame,
        _ place: Int,
        from lowest: Int64
    ) throws(RequestError) -> Milliseconds {
        let seconds = try integer(frame, place)
        guard lowest...RequestBounds.secondsMax ~= seconds else {
            throw RequestError(
                "ERR \(Self.prefix(frame, place - 1, 16)) must be \(lowest) to "
                    + "\(RequestBounds.secondsMax) seconds"
            )
        }
        return .seconds(UInt64(seconds))
    }
}

extension SessionHandle128 {
    package init(_ handle: SessionHandle) { self.init(high: handle.high, low: handle.low) }
}

extension SessionHandle {
    package init(_ handle: SessionHandle128) { self.init(high: handle.high, low: handle.low) }
}
