// `SESSION ROTATE`. The new secret is sealed here under a key that follows from the old one, so
// that whoever shows the old id once more, in its time of grace, can be told the same successor
// again, and nobody else can, whatever is read on a disk.

import HoldfastWire
import SessionMachine

extension RequestReader {
    /// `SESSION ROTATE id [ID new] [GRACE s] [AAL n]`
    mutating func rotate(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        let old = try id(frame, 2)
        var given: SessionID?
        var grace = RequestBounds.defaultGraceSeconds
        var assurance: UInt8?
        for place in stride(from: 3, to: frame.count, by: 2) {
            guard place + 1 < frame.count else { throw .syntax }
            if frame.equals(place, "ID") {
                given = try id(frame, place + 1)
                guard given?.handle.slot == old.handle.slot else {
                    throw RequestError(
                        "ERR the new id is of another slot; mint it for the session's subject"
                    )
                }
            } else if frame.equals(place, "GRACE") {
                grace = try integer(frame, place + 1)
                guard 0...RequestBounds.graceSecondsMax ~= grace else {
                    throw RequestError(
                        "ERR GRACE must be 0 to \(RequestBounds.graceSecondsMax) seconds"
                    )
                }
            } else if frame.equals(place, "AAL") {
                assurance = try self.assurance(frame, place + 1)
            } else {
                throw .syntax
            }
        }
        let new = given ?? secrets.mint(slot: old.handle.slot)
        var rotate = RotateSession(
            handle: SessionHandle128(old.handle),
            digest: secrets.digest(ofSecret: old.secret),
            successor: SessionHandle128(new.handle),
            successorDigest: secrets.digest(ofSecret: new.secret),
            sealedSecret: secrets.seal(new, for: old)[...],
            grace: .seconds(UInt64(grace))
        )
        rotate.assurance = assurance
        let reply = RotationReply(old: old, new: new, secrets: secrets)
        return KeyedOperation(
            slot: old.handle.slot,
            action: .write(.rotate(rotate), .rotated(reply))
        )
    }
}

/// What it takes to tell a client of its session's new id.
package struct RotationReply: Sendable {
    private let old: SessionID
    private let new: SessionID
    private let secrets: any SessionSecrets

    init(old: SessionID, new: SessionID, secrets: any SessionSecrets) {
        self.old = old
        self.new = new
        self.secrets = secrets
    }

    /// The successor's id; nil where its secret cannot be opened, which is damage.
    func id(of rotated: Rotated) -> SessionID? {
        let handle = SessionHandle(rotated.successor)
        if handle == new.handle { return new }
        return secrets.open(Array(rotated.sealedSecret), of: handle, for: old)
    }
}
