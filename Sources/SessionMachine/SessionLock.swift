// A lock on a session, for what must not be done to it twice at a time.
//
//     free -- LOCK --> held -- UNLOCK, or its lease is over --> free
//                        `---- LOCK by others --> they wait in line
//
// It is a lease, since its holder may die. Each grant has a fencing number, larger than all before:
// who writes under the lock gives it along, and what is written to refuses smaller ones, for a
// holder may sleep through the end of its lease and not know it. When the lock is free the first in
// line has the next turn, for as long as it goes on asking.

import Bytes

/// Asks for the lock of a session, for the first time or again.
package struct LockSession: Equatable, Sendable {
    package var handle: SessionHandle128
    package var digest: SecretDigest
    /// Names who asks: the same one may ask again, and has one place in line.
    package var request: RequestID
    /// How long the lock is held at most; more than zero.
    package var lease: Milliseconds
    /// Whether it wants a place in line where the lock is held.
    package var waits: Bool

    package init(
        handle: SessionHandle128,
        digest: SecretDigest,
        request: RequestID,
        lease: Milliseconds,
        waits: Bool
    ) {
        self.handle = handle
        self.digest = digest
        self.request = request
        self.lease = lease
        self.waits = waits
    }
}

/// Gives a lock back before its lease is over.
package struct UnlockSession: Equatable, Sendable {
    package var handle: SessionHandle128
    package var digest: SecretDigest
    package var fence: UInt64

    package init(handle: SessionHandle128, digest: SecretDigest, fence: UInt64) {
        self.handle = handle
        self.digest = digest
        self.fence = fence
    }
}

/// Who holds a session's lock, and who waits for it.
struct SessionLock: Equatable, Sendable {
    struct Claim: Equatable, Sendable {
        var request: RequestID
        /// Of a holder, the end of the lease. Of one in line, when its place is given up unless it
        /// asks again.
        var until: MachineTime
    }

    /// That of the last grant; 0 before the first.
    var fence: UInt64 = 0
    var holder: Claim?
    /// The next one first.
    var line: [Claim] = []

    /// Lets go of what is over.
    mutating func settle(at time: MachineTime) {
        if let holder, holder.until <= time { self.holder = nil }
        line.removeAll { $0.until <= time }
    }
}

extension SessionMachine {
    mutating func apply(_ lock: LockSession) -> Outcome {
        guard lock.lease > .zero else { return .refused(.noLifetime) }
        return onLiveSession(lock.handle, lock.digest) { $0.lock($1, lock) }
    }

    mutating func apply(_ unlock: UnlockSession) -> Outcome {
        onLiveSession(unlock.handle, unlock.digest) { $0.unlock($1, unlock.fence) }
    }

    private mutating func lock(_ record: RecordID, _ request: LockSession) -> Outcome {
        let view = SessionView(payload: records.payload(record))
        var lock = view.lock
        lock.settle(at: time)
        if let holder = lock.holder, holder.request == request.request {
            return .locked(fence: lock.fence, until: holder.until)
        }
        let place = lock.line.firstIndex { $0.request == request.request }
        if lock.holder == nil, place == 0 || lock.line.isEmpty {
            if place == 0 { lock.line.removeFirst() }
            lock.fence += 1
            let until = time.advanced(by: request.lease)
            lock.holder = SessionLock.Claim(request: request.request, until: until)
            store(lock, in: record, view)
            return .locked(fence: lock.fence, until: until)
        }
        // What the first in line is waiting for, where the lock is free.
        let until = lock.holder?.until ?? lock.line[0].until
        guard request.waits else { return .lockHeld(until: until) }
        let claim = SessionLock.Claim(
            request: request.request,
            until: time.advanced(by: Limits.lockPatience)
        )
        if let place {
            lock.line[place] = claim
        } else {
            guard lock.line.count < Limits.lockLine else { return .lockHeld(until: until) }
            lock.line.append(claim)
        }
        store(lock, in: record, view)
        return .lockHeld(until: until)
    }

    private mutating func unlock(_ record: RecordID, _ fence: UInt64) -> Outcome {
        let view = SessionView(payload: records.payload(record))
        var lock = view.lock
        lock.settle(at: time)
        guard lock.holder != nil, lock.fence == fence else { return .integer(0) }
        lock.holder = nil
        store(lock, in: record, view)
        return .integer(1)
    }

    private mutating func store(_ lock: SessionLock, in record: RecordID, _ view: SessionView) {
        let payload = SessionLayout.payload(of: view, with: lock)
        records.replace(record, with: payload, deadline: view.deadline)
    }
}

// MARK: Bytes

extension SessionLayout {
    /// The bytes of `session` with another lock.
    static func payload(of session: SessionView, with lock: SessionLock) -> [UInt8] {
        let bytes = session.payload
        var writer = ByteWriter(capacity: bytes.count + 40 + 16 * lock.line.count)
        writer.write(bytes[..<session.lockStart])
        write(lock, to: &writer)
        writer.write(bytes[session.predecessorStart...])
        return writer.bytes
    }

    static func write(_ lock: SessionLock, to writer: inout ByteWriter) {
        writer.writeVarint(lock.fence)
        // Most sessions are never locked: one byte.
        guard lock.fence > 0 else { return }
        let claims = (lock.holder.map { [$0] } ?? []) + lock.line
        writer.write((lock.holder == nil ? Presence.absent : .present).rawValue)
        writer.writeCount(claims.count)
        for claim in claims {
            writer.write(claim.request.rawValue)
            writer.writeVarint(claim.until.millisecondsSince1970)
        }
    }

    static func readLock(_ reader: inout ByteReader) throws(DecodeError) -> SessionLock {
        var lock = SessionLock()
        lock.fence = try reader.readVarint()
        guard lock.fence > 0 else { return lock }
        guard lock.fence <= UInt64.max / 2 else { throw .invalid("no such fencing number") }
        let isHeld = try reader.readUInt8()
        guard let held = Presence(rawValue: isHeld) else { throw .unknownTag(isHeld) }
        let count = try reader.readCount(limit: Limits.lockLine + 1)
        for _ in 0..<count {
            guard let request = RequestID(rawValue: try reader.readUInt64()) else {
                throw .invalid("a lock without a holder")
            }
            lock.line.append(SessionLock.Claim(request: request, until: try reader.readTime()))
        }
        if held == .present {
            guard !lock.line.isEmpty else { throw .invalid("a lock without a holder") }
            lock.holder = lock.line.removeFirst()
        }
        guard lock.line.count <= Limits.lockLine else { throw .tooLarge(lock.line.count) }
        return lock
    }
}
