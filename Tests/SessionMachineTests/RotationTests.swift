// ROTATE: an id becomes another, and the session goes on.

import Bytes
import Testing

@testable import SessionMachine

@Suite("Rotation")
struct RotationTests {
    private func rotate(
        _ old: Int,
        to new: Int,
        grace: UInt64 = 30_000,
        sealed: String = "sealed",
        assurance: UInt8? = nil
    ) -> Command {
        var rotate = RotateSession(
            handle: handle(old),
            digest: digest(old),
            successor: handle(new),
            successorDigest: digest(new),
            sealedSecret: bytes(sealed),
            grace: Milliseconds(grace)
        )
        rotate.assurance = assurance
        return .rotate(rotate)
    }

    private func machine() -> SessionMachine {
        var machine = SessionMachine.fresh()
        var create = login(1, "alice")
        create.fields = [SessionField(name: bytes("cart"), value: bytes("3 books"))]
        create.assurance = 1
        create.device = bytes("phone")
        _ = machine.apply(.create(create))
        return machine
    }

    private func validation(_ number: Int, of machine: SessionMachine) -> Validation {
        machine.validate(handle(number), digest(number), now: machine.time, purpose: .look)
    }

    private func successor(_ outcome: Outcome) -> SessionHandle128? {
        if case .rotated(let rotated) = outcome { rotated.successor } else { nil }
    }

    @Test("the session goes on under the new id with all that it carried")
    func carries() throws {
        var machine = machine()
        machine.at(60_000)
        guard case .rotated(let rotated) = machine.apply(rotate(1, to: 2, assurance: 2)) else {
            Issue.record("not rotated")
            return
        }
        #expect(rotated.successor == handle(2))
        let view = try #require(machine.session(handle(2)))
        #expect(view.info == rotated.info)
        #expect(view.subject == bytes("alice"))
        #expect(view.device == bytes("phone"))
        #expect(view.field(bytes("cart")) == bytes("3 books"))
        #expect(view.assurance == 2)
        #expect(view.createdAt == .test(0))
        #expect(view.issuedAt == .test(60_000))
        #expect(view.lastTouch == .test(60_000), "to rotate is to use")
        #expect(view.expiresAt == .test(10_000_000), "the absolute end stays")
        #expect(machine.list(bytes("alice")).map(\.handle) == [handle(2)])
        #expect(machine.counters.rotated == 1)
        #expect(machine.checkInvariants() == [])
    }

    @Test("in its time of grace the old id is as good as the new one, and not a moment longer")
    func grace() {
        var machine = machine()
        _ = machine.apply(rotate(1, to: 2))
        machine.at(29_999)
        let inGrace = validation(1, of: machine)
        guard case .valid(let view) = inGrace.status else {
            Issue.record("it is not valid")
            return
        }
        #expect(view.handle == handle(2))
        #expect(inGrace.byOldID == 1)
        #expect(validation(2, of: machine).byOldID == nil)
        machine.at(30_000)
        #expect(machine.status(1) == .revoked)
        #expect(machine.status(2) == .valid)
        #expect(machine.status(1, digest: digest(2)) == .unknown)
    }

    @Test("the leader's clock may find the grace over before the machine's: then time is logged")
    func graceByTheLeadersClock() {
        var machine = machine()
        _ = machine.apply(rotate(1, to: 2))
        func followUp(at offset: UInt64) -> FollowUp {
            machine.validate(handle(1), digest(1), now: .test(offset), purpose: .look).followUp
        }
        #expect(followUp(at: 29_999) == .answer)
        #expect(followUp(at: 30_000) == .logTime)
        // The second link on the way is over first.
        machine.at(1_000)
        _ = machine.apply(rotate(2, to: 3, grace: 5_000))
        #expect(followUp(at: 5_999) == .answer)
        #expect(followUp(at: 6_000) == .logTime)
    }

    @Test("who rotates an id again is given the same successor")
    func again() {
        var machine = machine()
        #expect(successor(machine.apply(rotate(1, to: 2, sealed: "first"))) == handle(2))
        machine.at(29_999)
        guard case .rotated(let other) = machine.apply(rotate(1, to: 3, sealed: "other")) else {
            Issue.record("not rotated")
            return
        }
        #expect(other.successor == handle(2))
        #expect(other.sealedSecret == bytes("first"))
        #expect(machine.session(handle(3)) == nil)
        machine.at(30_000)
        #expect(machine.apply(rotate(1, to: 3)) == .ended(.rotated))
        #expect(successor(machine.apply(rotate(1, to: 2))) == handle(2), "a retry")
        #expect(machine.counters.rotated == 1)
    }

    @Test("commands by the old id reach the session while the grace lasts")
    func commandsByTheOldID() {
        var machine = machine()
        _ = machine.apply(rotate(1, to: 2))
        let field = SessionField(name: bytes("cart"), value: bytes("4 books"))
        let set = SetFields(handle: handle(1), digest: digest(1), fields: [field])
        #expect(machine.apply(.setFields(set)) == .version(2))
        machine.at(20_000)
        #expect(machine.apply(.touch([handle(1)])) == .touched(1))
        #expect(machine.session(handle(2))?.lastTouch == .test(20_000))
        machine.at(30_000)
        #expect(machine.apply(.setFields(set)) == .ended(.rotated))
        #expect(machine.apply(.touch([handle(1)])) == .touched(0))
    }

    @Test("a logout by an old id ends the session, however often it was rotated since")
    func logout() {
        for isLate in [false, true] {
            var machine = machine()
            for number in 1...20 {
                _ = machine.apply(rotate(number, to: number + 1))
            }
            if isLate { machine.at(600_000) }
            #expect(machine.apply(.revoke(RevokeSession(handle: handle(1)))) == .revoked(1))
            #expect(machine.list(bytes("alice")).isEmpty)
            #expect(machine.status(1) == .revoked)
            #expect(machine.status(21) == .revoked)
            #expect(machine.apply(rotate(1, to: 2)) == .ended(.rotated))
        }
    }

    @Test("all others are ended, and the session of an old id goes on")
    func others() {
        var machine = machine()
        _ = machine.apply(.create(login(7, "alice")))
        _ = machine.apply(rotate(1, to: 2))
        let all = RevokeSubject(subject: bytes("alice"), except: handle(1))
        #expect(machine.apply(.revokeAll(all)) == .revoked(1))
        #expect(machine.list(bytes("alice")).map(\.handle) == [handle(2)])
    }

    @Test("a rotation takes no other session's handle, and an old id is never made anew")
    func handles() {
        var machine = machine()
        _ = machine.apply(.create(login(7, "bob")))
        #expect(machine.apply(rotate(1, to: 7)) == .handleTaken)
        #expect(machine.apply(rotate(1, to: 1)) == .handleTaken)
        _ = machine.apply(rotate(1, to: 2))
        #expect(machine.apply(.create(login(1, "alice"))) == .ended(.rotated))
        #expect(machine.apply(rotate(3, to: 4)) == .unknown)
    }

    /// The successor has ended and was forgotten; somebody else's session has its handle now.
    @Test("an old id never leads to another session of its successor's handle")
    func stranger() {
        var machine = machine()
        let renew = RenewSession(
            handle: handle(1),
            digest: digest(1),
            idle: Milliseconds(16_000),
            lifetime: nil
        )
        _ = machine.apply(.renew(renew))
        _ = machine.apply(rotate(1, to: 2, grace: 600_000))
        machine.at(100_000)
        #expect(machine.status(2) == .unknown)
        _ = machine.apply(.create(login(2, "mallory")))
        #expect(machine.status(2) == .valid)
        #expect(machine.status(1) == .revoked)
        #expect(machine.apply(.revoke(RevokeSession(handle: handle(1)))) == .revoked(0))
        #expect(machine.status(2) == .valid)
    }

    @Test("a retry shows the successor's secret, and not only its handle, which anybody may know")
    func forgedRetry() {
        var machine = machine()
        _ = machine.apply(rotate(1, to: 2, grace: 0))
        var forged = RotateSession(
            handle: handle(1),
            digest: digest(1),
            successor: handle(2),
            successorDigest: digest(9),
            sealedSecret: [],
            grace: .zero
        )
        #expect(machine.apply(.rotate(forged)) == .handleTaken)
        forged.successorDigest = digest(2)
        #expect(successor(machine.apply(.rotate(forged))) == handle(2))
    }

    @Test("an old id gives no more than it gave before, and raises nothing")
    func level() {
        var machine = machine()
        _ = machine.apply(rotate(1, to: 2, assurance: 2))
        guard case .valid(let view) = validation(1, of: machine).status else {
            Issue.record("it is in its grace")
            return
        }
        #expect(view.assurance == 2)
        #expect(validation(1, of: machine).byOldID == 1)
        #expect(machine.apply(rotate(1, to: 3)) == .ended(.rotated), "not the raised one's secret")
        #expect(successor(machine.apply(rotate(1, to: 2, assurance: 2))) == handle(2), "a retry")
        _ = machine.apply(rotate(2, to: 4))
        #expect(machine.apply(rotate(2, to: 5, assurance: 3)) == .ended(.rotated))
        #expect(machine.session(handle(4))?.assurance == 2)
        #expect(validation(1, of: machine).byOldID == 1, "through two links")
        #expect(validation(2, of: machine).byOldID == 2)
    }

    @Test("a session that is renewed for longer is still found by its first id")
    func renewed() {
        var machine = machine()
        let short = RenewSession(
            handle: handle(1),
            digest: digest(1),
            idle: .zero,
            lifetime: Milliseconds(1_000_000)
        )
        _ = machine.apply(.renew(short))
        for number in 1...3 { _ = machine.apply(rotate(number, to: number + 1)) }
        machine.at(900_000)
        let long = RenewSession(
            handle: handle(4),
            digest: digest(4),
            idle: nil,
            lifetime: Milliseconds(5_000_000)
        )
        _ = machine.apply(.renew(long))
        #expect(machine.checkInvariants() == [])
        machine.at(5_800_000)
        #expect(machine.status(4) == .valid)
        #expect(machine.status(1) == .revoked)
        #expect(machine.apply(.revoke(RevokeSession(handle: handle(1)))) == .revoked(1))
        #expect(machine.status(4) == .revoked)
    }

    @Test("a session is not rotated without end")
    func bounded() {
        var machine = machine()
        let count = Int(Limits.rotations)
        for number in 1...count { _ = machine.apply(rotate(number, to: number + 1, grace: 0)) }
        #expect(machine.counters.rotated == UInt64(count))
        let last = rotate(count + 1, to: count + 2)
        #expect(machine.apply(last) == .refused(.rotatedTooOften))
        #expect(machine.apply(.revoke(RevokeSession(handle: handle(1)))) == .revoked(1))
    }

    @Test("without a grace no secret is kept, and none lasts longer than a tombstone")
    func bounds() {
        var machine = machine()
        guard case .rotated(let first) = machine.apply(rotate(1, to: 2, grace: 0)),
            case .rotated(let again) = machine.apply(rotate(1, to: 2, grace: 0))
        else {
            Issue.record("not rotated")
            return
        }
        #expect(first.sealedSecret == [])
        #expect(again.sealedSecret == [])
        _ = machine.apply(rotate(2, to: 3, grace: .max))
        machine.at(599_999)
        #expect(machine.status(2) == .valid)
        machine.at(600_000)
        #expect(machine.status(2) == .revoked)
    }

    @Test("what rotations leave is in a snapshot")
    func snapshot() throws {
        var machine = machine()
        for number in 1...3 { _ = machine.apply(rotate(number, to: number + 1)) }
        let restored = try SessionMachine(snapshot: machine.encodedSnapshot())
        #expect(restored.digest == machine.digest)
        #expect(restored.status(1) == .valid)
        machine = restored
        #expect(successor(machine.apply(rotate(1, to: 9))) == handle(2))
        #expect(machine.checkInvariants() == [])
    }

    @Test("a link that leads back in time is refused in a snapshot")
    func linkBack() {
        var writer = ByteWriter()
        for word in [9, 1, 2, 9, 0] as [UInt64] { writer.write(word) }
        writer.write(UInt8(0))
        writer.write(UInt8(0))
        writer.writeLengthPrefixed([])
        var reader = ByteReader(writer.bytes)
        #expect(throws: DecodeError.invalid("a successor before its time")) {
            try SessionLayout.readLink(&reader)
        }
    }
}
