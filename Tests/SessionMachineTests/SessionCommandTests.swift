import Testing

@testable import SessionMachine

@Suite("Sessions")
struct SessionCommandTests {
    private var machine = SessionMachine.fresh()

    private mutating func apply(_ command: Command) -> Outcome {
        let outcome = machine.apply(command)
        #expect(machine.fullCheck == [])
        return outcome
    }

    private func view(_ number: Int) -> SessionView? {
        let validation = machine.validate(
            handle(number),
            digest(number),
            now: machine.time,
            purpose: .look
        )
        guard case .valid(let view) = validation.status else { return nil }
        return view
    }

    @Test("a login can be validated, and shows what it was given")
    mutating func create() throws {
        var create = login(1, "alice")
        create.fields = [
            SessionField(name: bytes("role"), value: bytes("admin")),
            SessionField(name: bytes("empty"), value: []),
        ]
        create.ip = bytes("10.0.0.1")
        create.agent = bytes("curl")
        create.device = bytes("laptop")
        create.assurance = 2
        create.methods = bytes("pwd,otp")
        create.policy = bytes("default")
        guard case .created(let info, evicted: 0) = apply(.create(create)) else {
            Issue.record("not created")
            return
        }
        #expect(info.createdAt == .test(0))
        #expect(info.expiresAt == .test(10_000_000))
        // 1,000 s idle and its granularity of 60 s.
        #expect(info.idleExpiresAt == .test(1_060_000))
        let view = try #require(self.view(1))
        #expect(view.info == info)
        #expect(view.handle == handle(1))
        #expect(view.subject == bytes("alice"))
        #expect(view.version == 1)
        #expect(view.assurance == 2)
        #expect(view.ip == create.ip)
        #expect(view.agent == create.agent)
        #expect(view.device == create.device)
        #expect(view.methods == create.methods)
        #expect(view.policy == create.policy)
        #expect(view.fields == create.fields)
        #expect(view.field(bytes("role")) == bytes("admin"))
        #expect(view.field(bytes("empty")) == [])
        #expect(view.field(bytes("none")) == nil)
    }

    @Test("a retried login has the outcome of the first and no second effect")
    mutating func idempotentCreate() {
        let first = apply(.create(login(1, "alice", cap: .evictAbove(1))))
        machine.at(50)
        #expect(apply(.create(login(1, "alice", cap: .evictAbove(1)))) == first)
        #expect(machine.counters.created == 1)
        #expect(machine.gauges.sessions == 1)
        #expect(machine.list(bytes("alice")).count == 1)
    }

    @Test("a handle in use is not given to another secret or another subject")
    mutating func handleTaken() {
        _ = apply(.create(login(1, "alice")))
        var otherSecret = login(1, "alice")
        otherSecret.digest = digest(2)
        #expect(apply(.create(otherSecret)) == .handleTaken)
        #expect(apply(.create(login(1, "bob"))) == .handleTaken)
        #expect(view(1)?.subject == bytes("alice"))
    }

    @Test("a login without a lifetime, or too large, is refused")
    mutating func refused() {
        #expect(apply(.create(login(1, "alice", lifetime: 0))) == .refused(.noLifetime))
        var large = login(1, "alice")
        let value = [UInt8](repeating: 0, count: Limits.sessionBytes)
        large.fields = [SessionField(name: bytes("f"), value: value[...])]
        #expect(apply(.create(large)) == .refused(.tooLarge))
        #expect(machine.gauges.sessions == 0)
    }

    @Test("a wrong secret is told nothing, whatever became of the session")
    mutating func wrongSecret() {
        _ = apply(.create(login(1, "alice")))
        #expect(machine.status(1, digest: digest(2)) == .unknown)
        _ = apply(.revoke(RevokeSession(handle: handle(1))))
        #expect(machine.status(1, digest: digest(2)) == .unknown)
        #expect(machine.status(1) == .revoked)
    }

    @Test("an idle session is expired from its deadline for 60 s, then unknown")
    mutating func idleExpiry() {
        for isSwept in [false, true] {
            machine = .fresh()
            _ = apply(.create(login(1, "alice")))
            let deadline: UInt64 = 1_060_000
            let steps: [(UInt64, StatusWord)] = [
                (deadline - 1, .valid), (deadline, .expired), (deadline + 59_999, .expired),
                (deadline + 60_000, .unknown),
            ]
            for (offset, status) in steps {
                if isSwept { machine.at(offset) } else { machine.time = .test(offset) }
                #expect(machine.status(1) == status)
                #expect(machine.fullCheck == [])
            }
            #expect(machine.list(bytes("alice")).isEmpty)
            if isSwept {
                #expect(machine.gauges.tombstones == 0)
                #expect(machine.gauges.subjects == 0)
                #expect(machine.records.count == 0)
            }
        }
    }

    @Test("touching moves the idle deadline, and cannot pass the absolute one")
    mutating func touch() {
        _ = apply(.create(login(1, "alice")))
        var now: UInt64 = 0
        while now < 10_000_000 - 500_000 {
            now += 500_000
            machine.at(now)
            #expect(apply(.touch([handle(1), handle(2)])) == .touched(1))
            let idle = now + 1_060_000
            #expect(view(1)?.idleExpiresAt == .test(idle))
            #expect(machine.nextDeadline.map { $0 <= .test(min(idle, 10_000_000)) } == true)
        }
        machine.at(9_999_999)
        #expect(machine.status(1) == .valid)
        machine.at(10_000_000)
        #expect(machine.status(1) == .expired)
        #expect(apply(.touch([handle(1)])) == .touched(0))
        #expect(machine.status(1) == .expired)
    }

    @Test("a session without idle timeout lives to its absolute deadline")
    mutating func noIdle() {
        _ = apply(.create(login(1, "alice", idle: 0)))
        #expect(view(1)?.idleExpiresAt == nil)
        machine.at(9_999_999)
        #expect(machine.status(1) == .valid)
        machine.at(10_000_000)
        #expect(machine.status(1) == .expired)
    }

    @Test("renewal moves both deadlines as told, for the right secret only")
    mutating func renew() {
        _ = apply(.create(login(1, "alice")))
        machine.at(500_000)
        let wrong = RenewSession(handle: handle(1), digest: digest(2), idle: nil, lifetime: nil)
        #expect(apply(.renew(wrong)) == .unknown)
        #expect(view(1)?.lastTouch == .test(0))
        var renew = RenewSession(handle: handle(1), digest: digest(1), idle: nil, lifetime: nil)
        guard case .renewed(let kept) = apply(.renew(renew)) else {
            Issue.record("not renewed")
            return
        }
        #expect(kept.idleExpiresAt == .test(1_560_000))
        #expect(kept.expiresAt == .test(10_000_000))
        renew.idle = .zero
        renew.lifetime = Milliseconds(1_000)
        guard case .renewed(let changed) = apply(.renew(renew)) else {
            Issue.record("not renewed")
            return
        }
        #expect(changed.idleExpiresAt == nil)
        #expect(changed.expiresAt == .test(501_000))
        renew.lifetime = .zero
        #expect(apply(.renew(renew)) == .refused(.noLifetime))
        machine.at(501_000)
        #expect(apply(.renew(renew)) == .ended(.expired))
        renew.handle = handle(9)
        #expect(apply(.renew(renew)) == .unknown)
    }

    @Test("a revoked session says why, until its absolute deadline, then nothing")
    mutating func revoke() {
        _ = apply(.create(login(1, "alice")))
        machine.at(7)
        let note = RevocationNote(reason: bytes("logout"), actor: bytes("alice"))
        #expect(apply(.revoke(RevokeSession(handle: handle(1), note: note))) == .revoked(1))
        #expect(apply(.revoke(RevokeSession(handle: handle(1)))) == .revoked(0))
        #expect(apply(.revoke(RevokeSession(handle: handle(2)))) == .revoked(0))
        machine.at(9_999_999)
        let validation = machine.validate(
            handle(1),
            digest(1),
            now: machine.time,
            purpose: .use
        )
        guard case .revoked(let tombstone) = validation.status else {
            Issue.record("not revoked")
            return
        }
        #expect(validation.followUp == .answer)
        #expect(tombstone.note == note)
        #expect(tombstone.endedAt == .test(7))
        #expect(tombstone.handle == handle(1))
        #expect(machine.list(bytes("alice")).isEmpty)
        machine.at(10_000_000)
        #expect(machine.status(1) == .unknown)
        #expect(machine.gauges.tombstones == 0)
    }

    @Test("nothing brings a revoked session back: create, touch, renew, a second revoke")
    mutating func revokedStaysRevoked() {
        _ = apply(.create(login(1, "alice")))
        _ = apply(.revoke(RevokeSession(handle: handle(1))))
        #expect(apply(.create(login(1, "alice"))) == .ended(.revoked))
        #expect(apply(.create(login(1, "bob"))) == .ended(.revoked))
        var other = login(1, "alice")
        other.digest = digest(2)
        #expect(apply(.create(other)) == .handleTaken)
        #expect(apply(.touch([handle(1)])) == .touched(0))
        let renew = RenewSession(handle: handle(1), digest: digest(1), idle: nil, lifetime: nil)
        #expect(apply(.renew(renew)) == .ended(.revoked))
        #expect(machine.status(1) == .revoked)
    }

    @Test("a short session's revocation outlives it by the tombstone floor")
    mutating func tombstoneFloor() {
        _ = apply(.create(login(1, "alice", lifetime: 1_000)))
        _ = apply(.revoke(RevokeSession(handle: handle(1))))
        machine.at(Limits.tombstoneFloor.count - 1)
        #expect(apply(.create(login(1, "alice", lifetime: 1_000))) == .ended(.revoked))
        machine.at(Limits.tombstoneFloor.count)
        #expect(machine.status(1) == .unknown)
    }

    @Test("revoking all of a subject's sessions spares the one excepted and other subjects")
    mutating func revokeAll() {
        for number in 1...4 { _ = apply(.create(login(number, "alice"))) }
        _ = apply(.create(login(5, "bob")))
        let others = RevokeSubject(subject: bytes("alice"), except: handle(2))
        #expect(apply(.revokeAll(others)) == .revoked(3))
        #expect(machine.list(bytes("alice")).map(\.handle) == [handle(2)])
        #expect(apply(.revokeAll(RevokeSubject(subject: bytes("alice")))) == .revoked(1))
        #expect(apply(.revokeAll(RevokeSubject(subject: bytes("alice")))) == .revoked(0))
        #expect(machine.status(5) == .valid)
        #expect(machine.gauges.subjects == 1)
    }

    @Test("a list is in order of creation and holds the live ones only")
    mutating func list() {
        for number in [3, 1, 2] { _ = apply(.create(login(number, "alice"))) }
        #expect(machine.list(bytes("alice")).map(\.handle) == [3, 1, 2].map(handle))
        _ = apply(.revoke(RevokeSession(handle: handle(1))))
        #expect(machine.list(bytes("alice")).map(\.handle) == [3, 2].map(handle))
        #expect(machine.session(handle(3))?.subject == bytes("alice"))
        #expect(machine.session(handle(1)) == nil)
        #expect(machine.list(bytes("nobody")).isEmpty)
    }

    @Test("a subject never has more live sessions than its cap", arguments: [1, 2, 5])
    mutating func rejectCap(limit: Int) {
        let cap = SubjectCap.rejectAbove(UInt32(limit))
        for number in 0..<limit {
            guard case .created = apply(.create(login(number, "alice", cap: cap))) else {
                Issue.record("refused too early")
                return
            }
        }
        #expect(apply(.create(login(90, "alice", cap: cap))) == .limitReached)
        #expect(machine.status(90) == .unknown)
        // A retry of one that is in is not a new session.
        guard case .created = apply(.create(login(0, "alice", cap: cap))) else {
            Issue.record("a retry was refused")
            return
        }
        // Sessions past their deadline do not count, swept or not.
        machine.time = .test(1_060_000)
        guard case .created = apply(.create(login(91, "alice", cap: cap))) else {
            Issue.record("refused because of sessions that are over")
            return
        }
        #expect(machine.list(bytes("alice")).count == 1)
    }

    @Test("with eviction the oldest give way, and stay revoked")
    mutating func evictCap() {
        for number in 0..<10 {
            let outcome = apply(.create(login(number, "alice", cap: .evictAbove(3))))
            guard case .created(_, let evicted) = outcome else {
                Issue.record("not created")
                return
            }
            #expect(evicted == (number < 3 ? 0 : 1))
        }
        #expect(machine.list(bytes("alice")).map(\.handle) == [7, 8, 9].map(handle))
        #expect(machine.status(6) == .revoked)
        #expect(machine.counters.evicted == 7)
        // A lower cap than before evicts several at once.
        let outcome = apply(.create(login(20, "alice", cap: .evictAbove(1))))
        guard case .created(_, evicted: 3) = outcome else {
            Issue.record("expected three evictions")
            return
        }
        #expect(machine.list(bytes("alice")).map(\.handle) == [handle(20)])
        #expect(apply(.create(login(21, "alice", cap: .evictAbove(0)))) == .limitReached)
    }

    @Test("a subject without a cap stops at the module's limit")
    mutating func hardCap() {
        for number in 0..<Limits.sessionsPerSubject {
            _ = machine.apply(.create(login(number, "alice")))
        }
        #expect(apply(.create(login(90_000, "alice"))) == .limitReached)
        #expect(apply(.revokeAll(RevokeSubject(subject: bytes("alice")))) == .revoked(4_096))
    }

    @Test("a restore can end all sessions: none is left, what was over is over, and values stay")
    mutating func endOfAll() {
        for number in 1...20 { _ = apply(.create(login(number, "user-\(number % 3)"))) }
        _ = apply(.create(login(21, "user-1", lifetime: 5_000)))
        _ = apply(.revoke(RevokeSession(handle: handle(4))))
        _ = apply(.set(SetValue(key: key("k"), value: bytes("v"))))
        // Session 21 is over, and not every timer has run.
        machine.time = machine.time.advanced(by: Milliseconds(6_000))
        let note = RevocationNote(reason: bytes("restore"))
        #expect(machine.revokeAllSessions(note) == 19)
        #expect((1...20).allSatisfy { machine.status($0) == .revoked })
        #expect(machine.status(21) == .expired)
        #expect(machine.gauges.sessions == 0)
        #expect(machine.get(key("k")) == bytes("v"))
        #expect(machine.list(bytes("user-1")).isEmpty)
        #expect(machine.revokeAllSessions(note) == 0)
    }

    @Test("sessions and plain values do not see each other")
    mutating func namespaces() {
        _ = apply(.create(login(1, "alice")))
        #expect(machine.valueCount == 0)
        #expect(machine.scan(from: 0, count: 100) == ScanPage(keys: [], next: 0))
        _ = apply(.set(SetValue(key: key("alice"), value: [])))
        #expect(machine.list(bytes("alice")).count == 1)
    }
}
