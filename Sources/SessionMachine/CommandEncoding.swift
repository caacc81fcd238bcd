// Commands to bytes: a tag, then the fields in order. Numbers are varints, byte strings are
// preceded by their length, handles and digests are fixed words. `CommandDecoding.swift` is the
// mirror image.

package import Bytes

/// The first byte of each command. Part of the log format: never renumbered.
enum CommandTag: UInt8 {
    case create = 1
    case touch = 2
    case renew = 3
    case revoke = 4
    case revokeAll = 5
    case setFields = 6
    case unsetFields = 7
    case takeField = 8
    case rotate = 9
    case lock = 10
    case unlock = 11
    case set = 32
    case getExpiring = 33
    case getDeleting = 34
    case delete = 35
    case expire = 36
    case persist = 37
    case time = 64
    case attest = 65
}

extension Command {
    /// Appends this command's bytes.
    package func encode(into writer: inout ByteWriter) {
        writer.write(tag.rawValue)
        switch self {
        case .create(let create): create.encode(into: &writer)
        case .touch(let handles):
            writer.writeCount(handles.count)
            for handle in handles { writer.write(handle) }
        case .renew(let renew): renew.encode(into: &writer)
        case .revoke(let revoke):
            writer.write(revoke.handle)
            writer.write(revoke.note)
        case .revokeAll(let revoke): revoke.encode(into: &writer)
        case .setFields(let set): set.encode(into: &writer)
        case .unsetFields(let unset): unset.encode(into: &writer)
        case .takeField(let take): take.encode(into: &writer)
        case .rotate(let rotate): rotate.encode(into: &writer)
        case .lock(let lock): lock.encode(into: &writer)
        case .unlock(let unlock):
            writer.write(unlock.handle)
            writer.write(unlock.digest)
            writer.writeVarint(unlock.fence)
        case .set(let set): set.encode(into: &writer)
        case .getExpiring(let key, let change):
            writer.writeLengthPrefixed(key.bytes)
            writer.write(change)
        case .getDeleting(let key): writer.writeLengthPrefixed(key.bytes)
        case .delete(let keys):
            writer.writeCount(keys.count)
            for key in keys { writer.writeLengthPrefixed(key.bytes) }
        case .expire(let key, let time, let condition):
            writer.writeLengthPrefixed(key.bytes)
            writer.write(condition.rawValue)
            writer.write(ExpiryChange.to(time))
        case .persist(let key): writer.writeLengthPrefixed(key.bytes)
        case .time: break
        case .attest(let attestation): attestation.encode(into: &writer)
        }
    }

    private var tag: CommandTag {
        switch self {
        case .create: .create
        case .touch: .touch
        case .renew: .renew
        case .revoke: .revoke
        case .revokeAll: .revokeAll
        case .setFields: .setFields
        case .unsetFields: .unsetFields
        case .takeField: .takeField
        case .rotate: .rotate
        case .lock: .lock
        case .unlock: .unlock
        case .set: .set
        case .getExpiring: .getExpiring
        case .getDeleting: .getDeleting
        case .delete: .delete
        case .expire: .expire
        case .persist: .persist
        case .time: .time
        case .attest: .attest
        }
    }
}

extension CreateSession {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(handle)
        writer.write(digest)
        writer.writeLengthPrefixed(subject)
        writer.writeVarint(idle.count)
        writer.writeVarint(lifetime.count)
        writer.writeLengthPrefixed(ip)
        writer.writeLengthPrefixed(agent)
        writer.writeLengthPrefixed(device)
        writer.write(assurance)
        writer.writeLengthPrefixed(methods)
        switch cap {
        case .unlimited: writer.write(UInt8(0))
        case .rejectAbove(let limit):
            writer.write(UInt8(1))
            writer.writeVarint(UInt64(limit))
        case .evictAbove(let limit):
            writer.write(UInt8(2))
            writer.writeVarint(UInt64(limit))
        }
        writer.writeLengthPrefixed(policy)
        writer.write(fields)
    }
}

extension SetFields {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(handle)
        writer.write(digest)
        writer.write(request)
        // No session has version 0.
        writer.writeVarint(ifVersion ?? 0)
        writer.write(fields)
    }
}

extension UnsetFields {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(handle)
        writer.write(digest)
        writer.write(request)
        writer.writeCount(names.count)
        for name in names { writer.writeLengthPrefixed(name) }
    }
}

extension TakeField {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(handle)
        writer.write(digest)
        writer.write(request)
        writer.writeLengthPrefixed(name)
    }
}

extension RenewSession {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(handle)
        writer.write(digest)
        writer.write(idle)
        writer.write(lifetime)
    }
}

extension RevokeSubject {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.writeLengthPrefixed(subject)
        if let except {
            writer.write(UInt8(1))
            writer.write(except)
        } else {
            writer.write(UInt8(0))
        }
        writer.write(note)
    }
}

extension RotateSession {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(handle)
        writer.write(digest)
        writer.write(successor)
        writer.write(successorDigest)
        writer.writeLengthPrefixed(sealedSecret)
        writer.writeVarint(grace.count)
        writer.write((assurance == nil ? Presence.absent : .present).rawValue)
        if let assurance { writer.write(assurance) }
    }
}

extension LockSession {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(handle)
        writer.write(digest)
        writer.write(request)
        writer.writeVarint(lease.count)
        writer.write(UInt8(waits ? 1 : 0))
    }
}

extension SetValue {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(condition.rawValue)
        writer.write(reply.rawValue)
        writer.write(expiry)
        writer.writeLengthPrefixed(key.bytes)
        writer.writeLengthPrefixed(value)
    }
}

/// The byte before an expiry change.
enum ExpiryTag: UInt8 {
    case clear = 0
    case keep = 1
    case at = 2
    case after = 3
}

extension ByteWriter {
    mutating func write(_ handle: SessionHandle128) {
        write(handle.high)
        write(handle.low)
    }

    mutating func write(_ digest: SecretDigest) {
        write(digest.word0)
        write(digest.word1)
        write(digest.word2)
        write(digest.word3)
    }

    fileprivate mutating func write(_ request: RequestID?) { write(request?.rawValue ?? 0) }

    fileprivate mutating func write(_ fields: [SessionField]) {
        writeCount(fields.count)
        for field in fields {
            writeLengthPrefixed(field.name)
            writeLengthPrefixed(field.value)
        }
    }

    fileprivate mutating func write(_ note: RevocationNote) {
        writeLengthPrefixed(note.reason)
        writeLengthPrefixed(note.actor)
    }

    fileprivate mutating func write(_ duration: Milliseconds?) {
        guard let duration else { return write(UInt8(0)) }
        write(UInt8(1))
        writeVarint(duration.count)
    }

    fileprivate mutating func write(_ change: ExpiryChange) {
        switch change {
        case .clear: write(ExpiryTag.clear.rawValue)
        case .keep: write(ExpiryTag.keep.rawValue)
        case .to(.at(let deadline)):
            write(ExpiryTag.at.rawValue)
            writeVarint(deadline.millisecondsSince1970)
        case .to(.after(let duration)):
            write(ExpiryTag.after.rawValue)
            writeVarint(duration.count)
        }
    }
}
