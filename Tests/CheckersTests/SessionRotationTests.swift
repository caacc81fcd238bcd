import Checkers
import Testing

private func isBroken(_ history: [SessionModel.Attempt]) -> Bool {
    sessionModel.verdict(on: history).isBroken
}

/// Session 1, and with `rotates` its rotation to 2 at 20 with a grace of 1,000.
private func start(rotates: Bool = true) -> [SessionModel.Attempt] {
    let create = SessionCreate(session: 1, idle: 0, life: 10_000)
    let login = attempt(10, .create(create), .created(birth: 7, evicted: 0))
    let rotation = attempt(20, .rotate(1, to: 2, grace: 1_000), .rotated(2))
    return rotates ? [login, rotation] : [login]
}

struct SessionRotationTests {
    private func validate(
        _ id: Int,
        _ time: UInt64,
        _ reply: SessionReply
    ) -> SessionModel.Attempt {
        attempt(time, .validate(id, isUse: true), reply)
    }

    @Test("The old id goes on for its grace, and not after")
    func grace() {
        #expect(isSound(start() + [validate(1, 900, .valid), validate(2, 900, .valid)]))
        #expect(isSound(start() + [validate(1, 1_100, .revoked), validate(2, 1_100, .valid)]))
        #expect(isBroken(start() + [validate(1, 900, .revoked)]))
        #expect(isBroken(start() + [validate(1, 1_100, .valid)]))
        #expect(isBroken(start() + [validate(2, 900, .unknown)]))
        #expect(isBroken(start() + [attempt(900, .list, .list([1, 2]))]))
        #expect(isSound(start() + [attempt(900, .list, .list([2]))]))
    }

    @Test("Who rotates again in the grace gets the same successor, and afterwards a retry alone")
    func again() {
        func rotate(_ time: UInt64, to next: Int, _ reply: SessionReply) -> SessionModel.Attempt {
            attempt(time, .rotate(1, to: next, grace: 1_000), reply)
        }
        #expect(isSound(start() + [rotate(900, to: 3, .rotated(2))]))
        #expect(isBroken(start() + [rotate(900, to: 3, .rotated(3))]))
        #expect(isSound(start() + [rotate(1_100, to: 3, .revoked)]))
        #expect(isBroken(start() + [rotate(1_100, to: 3, .rotated(2))]))
        #expect(isSound(start() + [rotate(1_100, to: 2, .rotated(2))]))
        let lost = attempt(20, .rotate(1, to: 2, grace: 1_000), nil)
        #expect(isSound(start(rotates: false) + [lost, rotate(900, to: 3, .rotated(2))]))
        #expect(isSound(start(rotates: false) + [lost, rotate(900, to: 3, .rotated(3))]))
    }

    @Test("A logout by an old id ends the session, in its grace or after")
    func logout() {
        for time in [500, 5_000] as [UInt64] {
            let end = start() + [attempt(time, .revoke(1), .count(1))]
            #expect(isSound(end + [validate(2, time + 10, .revoked)]))
            #expect(isBroken(end + [validate(2, time + 10, .valid)]))
            #expect(isBroken(start() + [attempt(time, .revoke(1), .count(0))]))
        }
    }

    @Test("All but the session of an old id are ended")
    func others() {
        let create = SessionCreate(session: 5, idle: 0, life: 10_000)
        let both = start() + [attempt(30, .create(create), .created(birth: 9, evicted: 0))]
        let all = both + [attempt(40, .revokeAll(except: 1), .count(1))]
        #expect(isSound(all + [validate(2, 50, .valid), validate(5, 50, .revoked)]))
        #expect(isSound(all + [validate(1, 50, .valid)]))
        #expect(isBroken(all + [validate(2, 50, .revoked)]))
    }

    @Test("A rotation does not put the absolute end off")
    func absoluteEnd() {
        let late = attempt(9_000, .rotate(2, to: 3, grace: 0), .rotated(3))
        #expect(isSound(start() + [late, validate(3, 10_030, .expired)]))
        #expect(isBroken(start() + [late, validate(3, 10_030, .valid)]))
    }
}

struct SessionFieldTests {
    private func set(
        _ time: UInt64,
        request: UInt64,
        ifVersion: UInt64? = nil,
        _ reply: SessionReply?
    ) -> SessionModel.Attempt {
        attempt(time, .set(1, request: request, ifVersion: ifVersion), reply)
    }

    private func take(
        _ time: UInt64,
        request: UInt64,
        _ reply: SessionReply?
    ) -> SessionModel.Attempt {
        attempt(time, .take(1, request: request), reply)
    }

    @Test("Each request is done once, and a version is changed once")
    func once() {
        let first = start(rotates: false) + [set(30, request: 1, .version(2))]
        #expect(isSound(first + [set(40, request: 1, .version(2))]))
        #expect(isBroken(first + [set(40, request: 1, .version(3))]))
        #expect(isSound(first + [set(40, request: 2, ifVersion: 1, .conflict(2))]))
        #expect(isBroken(first + [set(40, request: 2, ifVersion: 1, .version(3))]))
        #expect(isBroken(first + [set(40, request: 2, .version(2))]))
    }

    @Test("What is taken is taken once, and told again to who asked")
    func taken() {
        let first = start(rotates: false) + [set(30, request: 1, .version(2))]
        let taken = first + [take(40, request: 2, .field(1))]
        #expect(isSound(taken + [take(50, request: 3, .field(nil))]))
        #expect(isSound(taken + [take(50, request: 2, .field(1))]))
        #expect(isBroken(taken + [take(50, request: 3, .field(1))]))
        #expect(isBroken(taken + [take(50, request: 2, .field(nil))]))
        let lost = first + [take(40, request: 2, nil)]
        #expect(isSound(lost + [take(50, request: 3, .field(nil))]))
        #expect(isSound(lost + [take(50, request: 3, .field(1))]))
    }

    @Test("A write that was taken after the session's end is found")
    func late() {
        let end = start(rotates: false) + [attempt(30, .revoke(1), .count(1))]
        #expect(isSound(end + [set(40, request: 1, .revoked)]))
        let written = end + [set(40, request: 1, .version(2))]
        #expect(isBroken(written))
        #expect(sessionOracle.judge(written).isBroken)
    }

    @Test("A session's field and version go on under its new id")
    func rotated() {
        let history =
            start(rotates: false) + [
                set(12, request: 1, .version(2)),
                attempt(20, .rotate(1, to: 2, grace: 1_000), .rotated(2)),
            ]
        #expect(isSound(history + [attempt(30, .take(2, request: 2), .field(1))]))
        #expect(isSound(history + [take(30, request: 2, .field(1))]))
        #expect(isSound(history + [attempt(30, .take(2, request: 1), .version(2))]))
        #expect(isBroken(history + [attempt(30, .take(2, request: 2), .field(nil))]))
        let other = attempt(30, .set(2, request: 3, ifVersion: nil), .version(2))
        #expect(isBroken(history + [other]))
    }
}
