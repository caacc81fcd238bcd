// A session, and what is left of it when it has ended, as bytes. One allocation per session;
// numbers at fixed places, then byte strings preceded by their lengths.
//
//      0  kind             1      both
//      1  assurance level  1      tombstone: how it ended
//      2  handle          16      both, at the same place
//     18  digest          32      both, at the same place
//     50  createdAt        8      tombstone: endedAt, then reason and actor
//     58  lastTouch        8
//     66  idle             8      zero: no idle timeout
//     74  expiresAt        8      the absolute deadline
//     82  version          8
//     90  sequence         8      order of creation in the group, never reused
//     98  subject | ip | agent | device | methods | policy | number of fields | name | value | ...

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
    static let strings = 98

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
        return isWellFormed(payload[strings...], strings: 6, thenFields: .present)
    }

    /// Whether foreign bytes are a tombstone.
    static func isWellFormedTombstone(_ payload: [UInt8]) -> Bool {
        guard payload.count > note, SessionEnd(rawValue: payload[end]) != nil else { return false }
        return isWellFormed(payload[note...], strings: 2, thenFields: .absent)
    }

    private static func isWellFormed(
        _ bytes: ArraySlice<UInt8>,
        strings: Int,
        thenFields fields: Presence
    ) -> Bool {
        var reader = ByteReader(bytes)
        do throws(DecodeError) {
            for _ in 0..<strings { _ = try reader.readLengthPrefixed(limit: bytes.count) }
            if fields == .present {
                let count = try reader.readCount(limit: Limits.fields)
                for _ in 0..<count * 2 { _ = try reader.readLengthPrefixed(limit: bytes.count) }
            }
            try reader.expectEnd()
            return true
        } catch {
            return false
        }
    }
}
