// A session, and what is left of it when it has ended, as bytes. One allocation per session;
// numbers at fixed places, then byte strings preceded by their lengths.
//
//      0  kind             1      both
//      1  assurance level  1      tombstone: how it ended
//      2  handle          16      both, at the same place
//     18  digest          32      both, at the same place
//     50  createdAt        8      tombstone: endedAt, then reason and actor, then, of a rotated
//                                 session, own sequence 8 | successor 16 | its sequence 8 |
//                                 end of the grace 8 | assurance level 1 | predecessor |
//                                 the successor's sealed secret
//     58  lastTouch        8
//     66  idle             8      zero: no idle timeout
//     74  expiresAt        8      the absolute deadline
//     82  version          8
//     90  sequence         8      the order in which ids were given out in the group, never reused
//     98  issuedAt         8      when this id was given out: at login, or at the last rotation
//    106  rotations        4      how often
//    110  subject | ip | agent | device | methods | policy | number of fields | name | value | ...
//         | number of remembered requests | id | answer | ... | lock | predecessor
//
// A predecessor is 0, or 1 and the handle of the id before.

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
    static let rotations = 106
    static let strings = 110

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
        writer.write(UInt32(0))
        writer.writeLengthPrefixed(create.subject)
        writer.writeLengthPrefixed(create.ip)
        writer.writeLengthPrefixed(create.agent)
        writer.writeLengthPrefixed(create.device)
        writer.writeLengthPrefixed(create.methods)
        writer.writeLengthPrefixed(create.policy)
        write(create.fields, to: &writer)
        writer.writeCount(0)
        write(SessionLock(), to: &writer)
        write(nil as SessionHandle128?, to: &writer)
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
        write(change.fields, to: &writer)
        writer.writeCount(change.requests.count)
        for request in change.requests { write(request, to: &writer) }
        writer.write(session.payload[session.lockStart...])
        return writer.bytes
    }

    private static func write(_ fields: [SessionField], to writer: inout ByteWriter) {
        writer.writeCount(fields.count)
        for field in fields {
            writer.writeLengthPrefixed(field.name)
            writer.writeLengthPrefixed(field.value)
        }
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
        writer.write(session.rotations + 1)
        writer.write(old[strings..<session.predecessorStart])
        write(session.handle, to: &writer)
        return writer.bytes
    }

    static func tombstone(
        of session: [UInt8],
        _ ending: SessionMachine.Ending,
        at now: MachineTime
    ) -> [UInt8] {
        var note = RevocationNote()
        var end = SessionEnd.expired
        var link: SuccessorLink?
        switch ending {
        case .expired: break
        case .revoked(let given): (end, note) = (.revoked, given)
        case .rotated(let given): (end, link) = (.rotated, given)
        }
        var writer = ByteWriter(capacity: 130 + note.reason.count + note.actor.count)
        writer.write(RecordKind.tombstone.rawValue)
        writer.write(end.rawValue)
        writer.write(session[handle..<createdAt])
        writer.write(now.millisecondsSince1970)
        writer.writeLengthPrefixed(note.reason)
        writer.writeLengthPrefixed(note.actor)
        if let link { write(link, to: &writer) }
        return writer.bytes
    }

    /// The last part of a rotated session's tombstone.
    static func write(_ link: SuccessorLink, to writer: inout ByteWriter) {
        writer.write(link.ownSequence)
        writer.write(link.handle)
        writer.write(link.sequence)
        writer.write(link.graceEndsAt.millisecondsSince1970)
        writer.write(link.assurance)
        write(link.predecessor, to: &writer)
        writer.writeLengthPrefixed(link.sealedSecret)
    }

    private static func write(_ predecessor: SessionHandle128?, to writer: inout ByteWriter) {
        writer.write((predecessor == nil ? Presence.absent : .present).rawValue)
        if let predecessor { writer.write(predecessor) }
    }

    static func readPredecessor(
        _ reader: inout ByteReader
    ) throws(DecodeError) -> SessionHandle128? {
        let byte = try reader.readUInt8()
        switch Presence(rawValue: byte) {
        case .absent: return nil
        case .present: return try reader.readHandle()
        case nil: throw .unknownTag(byte)
        }
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
        let assurance = try reader.readUInt8()
        let predecessor = try readPredecessor(&reader)
        return SuccessorLink(
            ownSequence: ownSequence,
            handle: handle,
            sequence: sequence,
            graceEndsAt: MachineTime(millisecondsSince1970: graceEndsAt),
            assurance: assurance,
            predecessor: predecessor,
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
            _ = try readLock(&reader)
            _ = try readPredecessor(&reader)
            try reader.expectEnd()
            let view = SessionView(payload: payload)
            // Both count: half of all numbers is out of reach of honest bytes.
            return 1...UInt64.max / 2 ~= view.version && view.rotations <= Limits.rotations
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
