// `SESSION LOCK` and `UNLOCK`. Nobody is kept waiting on a connection: who wants a place in line
// gives its request a number and asks again under it.

import HoldfastWire
import SessionMachine

extension RequestReader {
    /// `SESSION LOCK id ms [REQ r]`
    mutating func lock(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        guard frame.count == 4 || frame.count == 6 else { throw .arity("session|lock") }
        let id = try id(frame, 2)
        let lease = try integer(frame, 3)
        guard 1...RequestBounds.leaseMillisecondsMax ~= lease else {
            throw RequestError(
                "ERR a lock is held for 1 to \(RequestBounds.leaseMillisecondsMax) ms"
            )
        }
        var request: RequestID?
        if frame.count == 6 {
            guard frame.equals(4, "REQ") else { throw .syntax }
            request = try requestID(frame, 5)
        }
        let lock = LockSession(
            handle: SessionHandle128(id.handle),
            digest: secrets.digest(ofSecret: id.secret),
            request: request ?? secrets.mintRequest(),
            lease: Milliseconds(UInt64(lease)),
            waits: request != nil
        )
        return KeyedOperation(slot: id.handle.slot, action: .write(.lock(lock), .field))
    }

    /// `SESSION UNLOCK id fence`
    func unlock(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        guard frame.count == 4 else { throw .arity("session|unlock") }
        let id = try id(frame, 2)
        let fence = try integer(frame, 3)
        guard fence > 0 else { throw RequestError("ERR a fencing number is above 0") }
        let unlock = UnlockSession(
            handle: SessionHandle128(id.handle),
            digest: secrets.digest(ofSecret: id.secret),
            fence: UInt64(fence)
        )
        return KeyedOperation(slot: id.handle.slot, action: .write(.unlock(unlock), .field))
    }

    /// The number after `REQ`.
    func requestID(_ frame: RequestFrame, _ place: Int) throws(RequestError) -> RequestID {
        let number = try integer(frame, place)
        guard number > 0, let request = RequestID(rawValue: UInt64(number)) else {
            throw RequestError("ERR REQ must be above 0")
        }
        return request
    }
}
