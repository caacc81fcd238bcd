// Bytes to commands, the mirror image of `CommandEncoding.swift`. Every length is checked against
// `Limits` before anything is allocated, and every byte that this build does not know is an error.

package import Bytes

extension Command {
    /// Reads one command off the front; byte strings share the reader's storage.
    package init(from reader: inout ByteReader) throws(DecodeError) {
        let byte = try reader.readUInt8()
        guard let tag = CommandTag(rawValue: byte) else { throw .unknownTag(byte) }
        switch tag {
        case .create: self = .create(try CreateSession(from: &reader))
        case .touch: self = .touch(try reader.readHandles())
        case .renew: self = .renew(try RenewSession(from: &reader))
        case .revoke:
            let handle = try reader.readHandle()
            self = .revoke(RevokeSession(handle: handle, note: try reader.readNote()))
        case .revokeAll: self = .revokeAll(try RevokeSubject(from: &reader))
        case .setFields: self = .setFields(try SetFields(from: &reader))
        case .unsetFields: self = .unsetFields(try UnsetFields(from: &reader))
        case .takeField: self = .takeField(try TakeField(from: &reader))
        case .rotate: self = .rotate(try RotateSession(from: &reader))
        case .lock: self = .lock(try LockSession(from: &reader))
        case .unlock:
            let handle = try reader.readHandle()
            let digest = try reader.readDigest()
            let fence = try reader.readVarint()
            self = .unlock(UnlockSession(handle: handle, digest: digest, fence: fence))
        case .set: self = .set(try SetValue(from: &reader))
        case .getExpiring:
            let key = try reader.readKey()
            self = .getExpiring(key, try reader.readExpiryChange())
        case .getDeleting: self = .getDeleting(try reader.readKey())
        case .delete: self = .delete(try reader.readKeys())
        case .expire:
            let key = try reader.readKey()
            let condition = try reader.readChoice(ExpireCondition.self)
            guard case .to(let time) = try reader.readExpiryChange() else {
                throw .invalid("EXPIRE without a time")
            }
            self = .expire(key, time, condition)
        case .persist: self = .persist(try reader.readKey())
        case .time: self = .time
        case .attest: self = .attest(try Attestation(from: &reader))
        }
    }
}

extension CreateSession {
    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        let handle = try reader.readHandle()
        let digest = try reader.readDigest()
        let subject = try reader.readLengthPrefixed(limit: Limits.subjectBytes)
        let idle = Milliseconds(try reader.readVarint())
        let lifetime = Milliseconds(try reader.readVarint())
        self.init(
            handle: handle,
            digest: digest,
            subject: subject,
            idle: idle,
            lifetime: lifetime
        )
        ip = try reader.readLengthPrefixed(limit: Limits.labelBytes)
        agent = try reader.readLengthPrefixed(limit: Limits.agentBytes)
        device = try reader.readLengthPrefixed(limit: Limits.labelBytes)
        assurance = try reader.readUInt8()
        methods = try reader.readLengthPrefixed(limit: Limits.labelBytes)
        cap = try reader.readCap()
        policy = try reader.readLengthPrefixed(limit: Limits.labelBytes)
        fields = try reader.readFields()
    }
}

extension RenewSession {
    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        let handle = try reader.readHandle()
        let digest = try reader.readDigest()
        let idle = try reader.readOptionalDuration()
        let lifetime = try reader.readOptionalDuration()
        self.init(handle: handle, digest: digest, idle: idle, lifetime: lifetime)
    }
}

extension RevokeSubject {
    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        let subject = try reader.readLengthPrefixed(limit: Limits.subjectBytes)
        let except = try reader.readPresence() == .present ? try reader.readHandle() : nil
        self.init(subject: subject, except: except, note: try reader.readNote())
    }
}

extension SetFields {
    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        let handle = try reader.readHandle()
        let digest = try reader.readDigest()
        let request = try reader.readRequest()
        let version = try reader.readVarint()
        self.init(handle: handle, digest: digest, fields: try reader.readFields())
        self.request = request
        ifVersion = version == 0 ? nil : version
    }
}

extension UnsetFields {
    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        let handle = try reader.readHandle()
        let digest = try reader.readDigest()
        let request = try reader.readRequest()
        self.init(handle: handle, digest: digest, names: try reader.readNames())
        self.request = request
    }
}

extension TakeField {
    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        let handle = try reader.readHandle()
        let digest = try reader.readDigest()
        let request = try reader.readRequest()
        let name = try reader.readLengthPrefixed(limit: Limits.fieldNameBytes)
        self.init(handle: handle, digest: digest, name: name)
        self.request = request
    }
}

extension RotateSession {
    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        let handle = try reader.readHandle()
        let digest = try reader.readDigest()
        let successor = try reader.readHandle()
        let successorDigest = try reader.readDigest()
        let sealedSecret = try reader.readLengthPrefixed(limit: Limits.sealedSecretBytes)
        self.init(
            handle: handle,
            digest: digest,
            successor: successor,
            successorDigest: successorDigest,
            sealedSecret: sealedSecret,
            grace: Milliseconds(try reader.readVarint())
        )
        assurance = try reader.readPresence() == .present ? try reader.readUInt8() : nil
    }
}

extension LockSession {
    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        let handle = try reader.readHandle()
        let digest = try reader.readDigest()
        guard let request = try reader.readRequest() else {
            throw .invalid("a lock that nobody asks for")
        }
        let lease = Milliseconds(try reader.readVarint())
        self.init(
            handle: handle,
            digest: digest,
            request: request,
            lease: lease,
            waits: try reader.readChoice(Presence.self) == .present
        )
    }
}

extension SetValue {
    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        let condition = try reader.readChoice(SetCondition.self)
        let reply = try reader.readChoice(SetReply.self)
        let expiry = try reader.readExpiryChange()
        let key = try reader.readKey()
        let value = try reader.readLengthPrefixed(limit: Limits.valueBytes)
        self.init(key: key, value: value, expiry: expiry, condition: condition, reply: reply)
    }
}

/// The byte before an optional value.
enum Presence: UInt8 {
    case absent = 0
    case present = 1
}

extension ByteReader {
    mutating func readHandle() throws(DecodeError) -> SessionHandle128 {
        let high = try readUInt64()
        return SessionHandle128(high: high, low: try readUInt64())
    }

    mutating func readDigest() throws(DecodeError) -> SecretDigest {
        let word0 = try readUInt64()
        let word1 = try readUInt64()
        let word2 = try readUInt64()
        return SecretDigest(word0, word1, word2, try readUInt64())
    }

    /// A point in time as a varint; values that `MachineTime` cannot hold are refused.
    mutating func readTime() throws(DecodeError) -> MachineTime {
        let raw = try readVarint()
        guard raw <= MachineTime.latest.millisecondsSince1970 else {
            throw .invalid("a time after the end of time")
        }
        return MachineTime(millisecondsSince1970: raw)
    }

    fileprivate mutating func readPresence() throws(DecodeError) -> Presence {
        try readChoice(Presence.self)
    }

    fileprivate mutating func readChoice<Choice: RawRepresentable<UInt8>>(
        _ type: Choice.Type
    ) throws(DecodeError) -> Choice {
        let byte = try readUInt8()
        guard let choice = Choice(rawValue: byte) else { throw .unknownTag(byte) }
        return choice
    }

    fileprivate mutating func readKey() throws(DecodeError) -> Key {
        Key(try readLengthPrefixed(limit: Limits.keyBytes))
    }

    fileprivate mutating func readKeys() throws(DecodeError) -> [Key] {
        let count = try readCount(limit: Limits.keysPerDelete)
        // Each key takes at least its length byte.
        guard count <= remaining else { throw .truncated }
        var keys: [Key] = []
        keys.reserveCapacity(count)
        for _ in 0..<count { keys.append(try readKey()) }
        return keys
    }

    fileprivate mutating func readHandles() throws(DecodeError) -> [SessionHandle128] {
        let count = try readCount(limit: Limits.handlesPerTouch)
        guard count * 16 <= remaining else { throw .truncated }
        var handles: [SessionHandle128] = []
        handles.reserveCapacity(count)
        for _ in 0..<count { handles.append(try readHandle()) }
        return handles
    }

    fileprivate mutating func readFields() throws(DecodeError) -> [SessionField] {
        let count = try readCount(limit: Limits.fields)
        guard count * 2 <= remaining else { throw .truncated }
        var fields: [SessionField] = []
        fields.reserveCapacity(count)
        for _ in 0..<count {
            let name = try readLengthPrefixed(limit: Limits.fieldNameBytes)
            let value = try readLengthPrefixed(limit: Limits.sessionBytes)
            fields.append(SessionField(name: name, value: value))
        }
        return fields
    }

    fileprivate mutating func readNames() throws(DecodeError) -> [ArraySlice<UInt8>] {
        let count = try readCount(limit: Limits.fields)
        guard count <= remaining else { throw .truncated }
        var names: [ArraySlice<UInt8>] = []
        names.reserveCapacity(count)
        for _ in 0..<count {
            names.append(try readLengthPrefixed(limit: Limits.fieldNameBytes))
        }
        return names
    }

    fileprivate mutating func readRequest() throws(DecodeError) -> RequestID? {
        RequestID(rawValue: try readUInt64())
    }

    fileprivate mutating func readNote() throws(DecodeError) -> RevocationNote {
        let reason = try readLengthPrefixed(limit: Limits.reasonBytes)
        return RevocationNote(
            reason: reason,
            actor: try readLengthPrefixed(limit: Limits.reasonBytes)
        )
    }

    fileprivate mutating func readOptionalDuration() throws(DecodeError) -> Milliseconds? {
        try readPresence() == .present ? Milliseconds(try readVarint()) : nil
    }

    fileprivate mutating func readCap() throws(DecodeError) -> SubjectCap {
        let byte = try readUInt8()
        guard byte != 0 else { return .unlimited }
        guard let limit = UInt32(exactly: try readVarint()) else {
            throw .invalid("a cap over 32 bits")
        }
        switch byte {
        case 1: return .rejectAbove(limit)
        case 2: return .evictAbove(limit)
        default: throw .unknownTag(byte)
        }
    }

    fileprivate mutating func readExpiryChange() throws(DecodeError) -> ExpiryChange {
        switch try readChoice(ExpiryTag.self) {
        case .clear: return .clear
        case .keep: return .keep
        case .at: return .to(.at(try readTime()))
        case .after: return .to(.after(Milliseconds(try readVarint())))
        }
    }
}
