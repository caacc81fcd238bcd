// LOCK and UNLOCK of a session.

import Bytes
import Testing

@testable import SessionMachine

@Suite("Locks of sessions")
struct LockTests {
    private var machine: SessionMachine

    init() {
        machine = SessionMachine.fresh()
        _ = machine.apply(.create(login(1, "alice")))
    }

    private mutating func lock(
        _ request: UInt64,
        lease: UInt64 = 10_000,
        waits: Bool = true
    ) -> Outcome {
        machine.apply(
            .lock(
                LockSession(
                    handle: handle(1),
                    digest: digest(1),
                    request: RequestID(rawValue: request) ?? .one,
                    lease: Milliseconds(lease),
                    waits: waits
                )
            )
        )
    }

    private mutating func unlock(_ fence: UInt64) -> Outcome {
        machine.apply(
            .unlock(UnlockSession(handle: handle(1), digest: digest(1), fence: fence))
        )
    }

    @Test("one holds it, others are told until when, and each grant has a larger number")
    mutating func grants() {
        #expect(lock(1) == .locked(fence: 1, until: .test(10_000)))
        #expect(lock(2, waits: false) == .lockHeld(until: .test(10_000)))
        #expect(lock(1) == .locked(fence: 1, until: .test(10_000)), "asked again")
        #expect(unlock(7) == .integer(0))
        #expect(unlock(1) == .integer(1))
        #expect(unlock(1) == .integer(0))
        #expect(lock(2) == .locked(fence: 2, until: .test(10_000)))
        #expect(machine.checkInvariants() == [])
    }

    @Test("a lease ends by itself, and its number is worth nothing then")
    mutating func lease() {
        _ = lock(1)
        machine.at(9_999)
        #expect(lock(2, waits: false) == .lockHeld(until: .test(10_000)))
        machine.at(10_000)
        #expect(unlock(1) == .integer(0))
        #expect(lock(2) == .locked(fence: 2, until: .test(20_000)))
        #expect(unlock(1) == .integer(0))
    }

    @Test("who waits has its turn in order, for as long as it goes on asking")
    mutating func order() {
        _ = lock(1)
        #expect(lock(2) == .lockHeld(until: .test(10_000)))
        #expect(lock(3) == .lockHeld(until: .test(10_000)))
        _ = unlock(1)
        // The third may not overtake, nor may a fourth.
        #expect(lock(3) == .lockHeld(until: .test(5_000)))
        #expect(lock(4, waits: false) == .lockHeld(until: .test(5_000)))
        #expect(lock(2) == .locked(fence: 2, until: .test(10_000)))
        machine.at(4_000)
        #expect(lock(3) == .lockHeld(until: .test(10_000)))
        _ = unlock(2)
        machine.at(8_999)
        #expect(lock(4) == .lockHeld(until: .test(9_000)))
        machine.at(9_000)
        #expect(lock(4) == .locked(fence: 3, until: .test(19_000)), "the third asks no more")
    }

    @Test("the line is bounded")
    mutating func bounded() {
        _ = lock(1_000)
        for request in 1...UInt64(Limits.lockLine) + 5 { _ = lock(request) }
        #expect(machine.session(handle(1))?.lock.line.count == Limits.lockLine)
        _ = unlock(1)
        machine.at(6_000)
        #expect(lock(2_000) == .locked(fence: 2, until: .test(16_000)))
        #expect(machine.session(handle(1))?.lock.line == [])
    }

    @Test("a lock is part of the session: a snapshot has it, and so has the rotated session")
    mutating func carried() throws {
        _ = lock(1)
        _ = lock(2)
        machine = try SessionMachine(snapshot: machine.encodedSnapshot())
        #expect(lock(1) == .locked(fence: 1, until: .test(10_000)))
        let field = SessionField(name: bytes("a"), value: bytes("1"))
        let set = SetFields(handle: handle(1), digest: digest(1), fields: [field])
        #expect(machine.apply(.setFields(set)) == .version(2))
        #expect(lock(3, waits: false) == .lockHeld(until: .test(10_000)))
        let rotate = RotateSession(
            handle: handle(1),
            digest: digest(1),
            successor: handle(2),
            successorDigest: digest(2),
            sealedSecret: [],
            grace: Milliseconds(1_000)
        )
        _ = machine.apply(.rotate(rotate))
        #expect(machine.session(handle(2))?.lock.fence == 1)
        #expect(unlock(1) == .integer(1), "by the old id, in its grace")
        machine.at(1_000)
        #expect(lock(2) == .ended(.rotated))
        #expect(machine.checkInvariants() == [])
    }

    @Test("a session that ends takes its lock along, and a lock without a time is refused")
    mutating func ends() {
        #expect(lock(1, lease: 0) == .refused(.noLifetime))
        _ = lock(1)
        _ = machine.apply(.revoke(RevokeSession(handle: handle(1))))
        #expect(lock(1) == .ended(.revoked))
        #expect(unlock(1) == .ended(.revoked))
    }

    @Test("bytes that are no lock are refused")
    func hostile() throws {
        func read(_ body: (inout ByteWriter) -> Void) throws -> SessionLock {
            var writer = ByteWriter()
            body(&writer)
            var reader = ByteReader(writer.bytes)
            let lock = try SessionLayout.readLock(&reader)
            try reader.expectEnd()
            return lock
        }
        let held = SessionLock(
            fence: 3,
            holder: SessionLock.Claim(request: .one, until: .test(1)),
            line: [SessionLock.Claim(request: .one, until: .test(2))]
        )
        #expect(try read { SessionLayout.write(held, to: &$0) } == held)
        #expect(throws: DecodeError.self) {
            try read {
                $0.writeVarint(1)
                $0.write(UInt8(1))
                $0.writeCount(0)
            }
        }
        #expect(throws: DecodeError.self) { try read { $0.writeVarint(.max) } }
        #expect(throws: DecodeError.self) {
            try read {
                $0.writeVarint(1)
                $0.write(UInt8(0))
                $0.writeCount(1)
                $0.write(UInt64(0))
                $0.writeVarint(5)
            }
        }
    }
}
