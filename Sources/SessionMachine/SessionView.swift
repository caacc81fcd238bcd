// What a reader sees of a session: a window on the record's own bytes. Taking one costs a
// reference; each property is read where it lies, so a validate that wants one field does not pay
// for the others.

import Bytes

/// A live session as of the machine time of the read.
package struct SessionView: Sendable {
    let payload: [UInt8]

    package var handle: SessionHandle128 { SessionLayout.handle(of: payload) }
    /// NIST 800-63B authenticator assurance level as given at login.
    package var assurance: UInt8 { payload[SessionLayout.assurance] }
    package var createdAt: MachineTime { time(at: SessionLayout.createdAt) }
    /// The last logged use; a later use may not have been logged (`TouchRule`).
    package var lastTouch: MachineTime { time(at: SessionLayout.lastTouch) }
    /// When its id was given out.
    package var issuedAt: MachineTime { time(at: SessionLayout.issuedAt) }
    /// How often its id was exchanged.
    var rotations: UInt32 {
        let word = payload.word(at: SessionLayout.rotations - 4)
        return UInt32(truncatingIfNeeded: word >> 32)
    }
    /// Counts changes of the fields, from 1.
    package var version: UInt64 { payload.word(at: SessionLayout.version) }
    /// The absolute deadline.
    package var expiresAt: MachineTime { time(at: SessionLayout.expiresAt) }

    /// The idle timeout; nil for none.
    package var idle: Milliseconds? {
        let count = payload.word(at: SessionLayout.idle)
        return count == 0 ? nil : Milliseconds(count)
    }

    /// When the session ends without further use; nil where it has no idle timeout.
    package var idleExpiresAt: MachineTime? {
        idle.map { TouchRule.deadline(lastTouch: lastTouch, idle: $0) }
    }

    /// When the session ends as things stand: the earlier of the two deadlines.
    package var deadline: MachineTime {
        guard let idleExpiresAt else { return expiresAt }
        return min(idleExpiresAt, expiresAt)
    }

    package var subject: ArraySlice<UInt8> { string(0) }
    package var ip: ArraySlice<UInt8> { string(1) }
    package var agent: ArraySlice<UInt8> { string(2) }
    package var device: ArraySlice<UInt8> { string(3) }
    package var methods: ArraySlice<UInt8> { string(4) }
    package var policy: ArraySlice<UInt8> { string(5) }

    /// All fields, in the order in which they were first set.
    package var fields: [SessionField] {
        var reader = reader(after: 6)
        var fields: [SessionField] = []
        for _ in 0..<count(&reader) {
            let name = next(&reader)
            fields.append(SessionField(name: name, value: next(&reader)))
        }
        return fields
    }

    /// Where the fields begin.
    var fieldsStart: Int { payload.count - reader(after: 6).remaining }

    /// Bytes of all strings before the fields, without their lengths.
    var labelBytes: Int {
        var reader = reader(after: 0)
        return (0..<6).reduce(0) { sum, _ in sum + next(&reader).count }
    }

    /// What counts against `Limits.sessionBytes`.
    var bytes: Int {
        let change = FieldChange(self)
        return labelBytes + change.fieldBytes + change.rememberedBytes
    }

    /// The requests whose answers are remembered, oldest first.
    var requests: [RememberedRequest] {
        var reader = readerAfterFields()
        return (try? SessionLayout.readRequests(&reader)) ?? []
    }

    /// Where the lock begins.
    var lockStart: Int {
        var reader = readerAfterFields()
        _ = try? SessionLayout.readRequests(&reader)
        return payload.count - reader.remaining
    }

    var lock: SessionLock {
        var reader = ByteReader(payload[lockStart...])
        return (try? SessionLayout.readLock(&reader)) ?? SessionLock()
    }

    /// Where the predecessor stands: the last part.
    var predecessorStart: Int {
        var reader = ByteReader(payload[lockStart...])
        _ = try? SessionLayout.readLock(&reader)
        return payload.count - reader.remaining
    }

    /// The handle of the id that this one took the place of.
    var predecessor: SessionHandle128? {
        var reader = ByteReader(payload[predecessorStart...])
        return (try? SessionLayout.readPredecessor(&reader)) ?? nil
    }

    /// One field's value, or nil.
    package func field(_ name: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var reader = reader(after: 6)
        for _ in 0..<count(&reader) {
            let found = next(&reader) == name
            let value = next(&reader)
            if found { return value }
        }
        return nil
    }

    package var info: SessionInfo {
        SessionInfo(
            handle: handle,
            subject: subject,
            version: version,
            createdAt: createdAt,
            idleExpiresAt: idleExpiresAt,
            expiresAt: expiresAt
        )
    }

    var digest: SecretDigest { SessionLayout.digest(of: payload) }
    var sequence: UInt64 { payload.word(at: SessionLayout.sequence) }

    private func time(at offset: Int) -> MachineTime {
        MachineTime(millisecondsSince1970: payload.word(at: offset))
    }

    private func string(_ index: Int) -> ArraySlice<UInt8> {
        var reader = reader(after: index)
        return next(&reader)
    }

    private func reader(after strings: Int) -> ByteReader {
        var reader = ByteReader(payload[SessionLayout.strings...])
        for _ in 0..<strings { _ = next(&reader) }
        return reader
    }

    private func readerAfterFields() -> ByteReader {
        var reader = reader(after: 6)
        for _ in 0..<count(&reader) * 2 { _ = next(&reader) }
        return reader
    }

    // A stored record is well formed: it was built by `SessionLayout`, or checked by it when a
    // snapshot was read. An impossible failure reads as empty.

    private func next(_ reader: inout ByteReader) -> ArraySlice<UInt8> {
        (try? reader.readLengthPrefixed(limit: payload.count)) ?? []
    }

    private func count(_ reader: inout ByteReader) -> Int {
        (try? reader.readCount(limit: Limits.fields)) ?? 0
    }
}

/// What is left of a session that has ended.
package struct TombstoneView: Sendable {
    let payload: [UInt8]

    /// Where it goes on; nil for one that does not.
    var link: SuccessorLink? {
        guard end == .rotated else { return nil }
        var reader = ByteReader(payload[SessionLayout.note...])
        _ = try? reader.readLengthPrefixed(limit: payload.count)
        _ = try? reader.readLengthPrefixed(limit: payload.count)
        return try? SessionLayout.readLink(&reader)
    }

    package var handle: SessionHandle128 { SessionLayout.handle(of: payload) }
    package var end: SessionEnd {
        SessionEnd(rawValue: payload[SessionLayout.end]) ?? .revoked
    }
    package var endedAt: MachineTime {
        MachineTime(millisecondsSince1970: payload.word(at: SessionLayout.endedAt))
    }
    /// Why and by whom it was revoked; both empty for one that expired.
    package var note: RevocationNote {
        var reader = ByteReader(payload[SessionLayout.note...])
        let reason = (try? reader.readLengthPrefixed(limit: payload.count)) ?? []
        let actor = (try? reader.readLengthPrefixed(limit: payload.count)) ?? []
        return RevocationNote(reason: reason, actor: actor)
    }

    var digest: SecretDigest { SessionLayout.digest(of: payload) }
}
