// A session, and what is left of it when it has ended, as bytes. One allocation per session;
// numbers at fixed places, then byte strings preceded by their lengths.
//
//      0  kind             1      both
//      1  assurance level  1      tombstone: how it ended
//      2  handle          16      both, at the same place
//     18  digest          32      both, at the same place
//     50  createdAt        8      tombstone: endedAt, then reason and actor, then, of a rotated
//                                 session, own sequence 8 | successor 16 | its sequence 8 |
//                                 end of the grace 8 | the successor's sealed secret
//     58  lastTouch        8
//     66  idle             8      zero: no idle timeout
//     74  expiresAt        8      the absolute deadline
//     82  version          8
//     90  sequence         8      order of creation in the group, never reused
//     98  issuedAt         8      when this id was given out: at login, or at the last rotation
//    106  subject | ip | agent | device | methods | policy | number of fields | name | value | ...
//         | number of remembered requests | id | answer | ...

import Bytes

enum SessionLayout {
    static let assurance = 1
    static let handle = 2
    static let digest = 18
    static let createdAt = 50
    static let lastTouch = 58
    static let idle = 66
    static let expiresAt = 74
    static let version = 82
    static let sequence = 90
    static let issuedAt = 98
    static let strings = 106

    static let end = 1
    static let endedAt = 50
    static let note = 58

    static func payload(of create: CreateSession, at now: MachineTime, sequence: UInt64) -> [UInt8]
    {
        var writer = ByteWriter(capacity: strings + variableBytes(of: create) + 16)
        writer.write(RecordKind.session.rawValue)
        writer.write(create.assurance)
        writer.write(create.handle)
        writer.write(create.digest)
        writer.write(now.millisecondsSince1970)
        writer.write(now.millisecondsSince1970)
        writer.write(create.idle.count)
        writer.write(now.advanced(by: create.lifetime).millisecondsSince1970)
        writer.write(UInt64(1))
        writer.write(sequence)
        writer.write(now.millisecondsSince1970)
        writer.writeLengthPrefixed(create.subject)
        writer.writeLengthPrefixed(create.ip)
        writer.writeLengthPrefixed(create.agent)
        writer.writeLengthPrefixed(create.device)
        writer.writeLengthPrefixed(create.methods)
        writer.writeLengthPrefixed(create.policy)
        writer.writeCount(create.fields.count)
        for field in create.fields {
            writer.writeLengthPrefixed(field.name)
            writer.writeLengthPrefixed(field.value)
        }
        writer.writeCount(0)
        return writer.bytes
    }

    /// The bytes of `session` with other fields.
    static func payload(of session: SessionView, with change: FieldChange) -> [UInt8] {
        let bytes = change.fieldBytes + change.rememberedBytes
        let labels = session.payload[..<session.fieldsStart]
        var writer = ByteWriter(capacity: labels.count + bytes + 8 * change.fields.count + 80)
        writer.write(labels[..<version])
        writer.write(change.version)
        writer.write(labels[sequence...])
        writer.writeCount(change.fields.count)
        for field in change.fields {
            writer.writeLengthPrefixed(field.name)
            writer.writeLengthPrefixed(field.value)
        }
        writer.writeCount(change.requests.count)
        for request in change.requests { write(request, to: &writer) }
        return writer.bytes
    }

    /// The bytes of the session that goes on where `session` is rotated.
    static func successor(
        of session: SessionView,
        by rotate: RotateSession,
        _ now: MachineTime,
        _ sequence: UInt64
    ) -> [UInt8] {
        let old = session.payload
        var writer = ByteWriter(capacity: old.count)
        writer.write(RecordKind.session.rawValue)
        writer.write(rotate.assurance ?? session.assurance)
        writer.write(rotate.successor)
        writer.write(rotate.successorDigest)
        writer.write(old[createdAt..<lastTouch])
        writer.write(now.millisecondsSince1970)
        writer.write(old[idle..<Self.sequence])
        writer.write(sequence)
        writer.write(now.millisecondsSince1970)
        writer.write(old[strings...])
        return writer.bytes
    }

    static func tombstone(
        of session: [UInt8],
        end: SessionEnd,
        at now: MachineTime,
        note: RevocationNote
    ) -> [UInt8] {
        var writer = ByteWriter(capacity: 60 + note.reason.count + note.actor.count)
        writer.write(RecordKind.tombstone.rawValue)
        writer.write(end.rawValue)
        writer.write(session[handle..<createdAt])
        writer.write(now.millisecondsSince1970)
        writer.writeLengthPrefixed(note.reason)
        writer.writeLengthPrefixed(note.actor)
        return writer.bytes
    }

    /// The last part of a rotated session's tombstone.
    static func append(_ link: SuccessorLink, to tombstone: inout [UInt8]) {
        var writer = ByteWriter(capacity: 48 + link.sealedSecret.count)
        writer.write(link.ownSequence)
        writer.write(link.handle)
        writer.write(link.sequence)
        writer.write(link.graceEndsAt.millisecondsSince1970)
        writer.writeLengthPrefixed(link.sealedSecret)
        tombstone += writer.bytes
    }

    static func readLink(_ reader: inout ByteReader) throws(DecodeError) -> SuccessorLink {
        let ownSequence = try reader.readUInt64()
        let handle = try reader.readHandle()
        let sequence = try reader.readUInt64()
        let graceEndsAt = try reader.readUInt64()
        guard graceEndsAt <= MachineTime.latest.millisecondsSince1970 else {
            throw .invalid("a time after the end of time")
        }
        guard ownSequence < sequence else { throw .invalid("a successor before its time") }
        return SuccessorLink(
            ownSequence: ownSequence,
            handle: handle,
            sequence: sequence,
            graceEndsAt: MachineTime(millisecondsSince1970: graceEndsAt),
            sealedSecret: try reader.readLengthPrefixed(limit: Limits.sealedSecretBytes)
        )
    }

    /// Bytes of all strings of a login, without their lengths.
    static func variableBytes(of create: CreateSession) -> Int {
        var sum = create.subject.count + create.ip.count + create.agent.count
        sum += create.device.count + create.methods.count + create.policy.count
        for field in create.fields { sum += field.name.count + field.value.count }
        return sum
    }

    @inline(__always)
    static func hasHandle(_ payload: [UInt8], _ wanted: SessionHandle128) -> Bool {
        payload.word(at: handle) == wanted.high && payload.word(at: handle + 8) == wanted.low
    }

    @inline(__always)
    static func handle(of payload: [UInt8]) -> SessionHandle128 {
        SessionHandle128(high: payload.word(at: handle), low: payload.word(at: handle + 8))
    }

    @inline(__always)
    static func digest(of payload: [UInt8]) -> SecretDigest {
        SecretDigest(
            payload.word(at: digest),
            payload.word(at: digest + 8),
            payload.word(at: digest + 16),
            payload.word(at: digest + 24)
        )
    }

    /// Whether foreign bytes are a session record.
    static func isWellFormedSession(_ payload: [UInt8]) -> Bool {
        guard payload.count > strings else { return false }
        var reader = ByteReader(payload[strings...])
        do throws(DecodeError) {
            try skipStrings(6, &reader)
            let count = try reader.readCount(limit: Limits.fields)
            try skipStrings(count * 2, &reader)
            _ = try readRequests(&reader)
            try reader.expectEnd()
            return true
        } catch {
            return false
        }
    }

    /// Whether foreign bytes are a tombstone.
    static func isWellFormedTombstone(_ payload: [UInt8]) -> Bool {
        guard payload.count > note, let end = SessionEnd(rawValue: payload[end]) else {
            return false
        }
        var reader = ByteReader(payload[note...])
        do throws(DecodeError) {
            try skipStrings(2, &reader)
            if end == .rotated { _ = try readLink(&reader) }
            try reader.expectEnd()
            return true
        } catch {
            return false
        }
    }

    private static func skipStrings(
        _ count: Int,
        _ reader: inout ByteReader
    ) throws(DecodeError) {
        for _ in 0..<count { _ = try reader.readLengthPrefixed(limit: reader.remaining) }
    }
}
