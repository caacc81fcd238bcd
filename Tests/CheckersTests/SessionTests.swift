import Checkers
import Testing

private func create(
    _ session: Int,
    idle: UInt64 = 0,
    life: UInt64 = 10_000,
    cap: SessionCreate.Cap = .none
) -> SessionCall {
    .create(SessionCreate(session: session, idle: idle, life: life, cap: cap))
}

private func created(_ birth: UInt64, evicted: Int = 0) -> SessionReply {
    .created(birth: birth, evicted: evicted)
}

struct SessionTests {
    @Test("A login, its uses and its logout are a history")
    func life() {
        #expect(
            isSound([
                attempt(0, .validate(1, isUse: true), .unknown),
                attempt(10, create(1), created(7)),
                attempt(20, .validate(1, isUse: true), .valid),
                attempt(30, .list, .list([1])),
                attempt(40, .revoke(1), .count(1)),
                attempt(50, .validate(1, isUse: true), .revoked),
                attempt(60, .revoke(1), .count(0)),
                attempt(70, create(1), .revoked),
                attempt(80, .list, .list([])),
            ])
        )
    }

    @Test("A session that is valid after an acknowledged revocation is found")
    func revoked() {
        let history = [
            attempt(10, create(1), created(7)),
            attempt(20, .revoke(1), .count(1)),
            attempt(30, .validate(1, isUse: false), .valid),
        ]
        #expect(sessionModel.verdict(on: history).isBroken)
        #expect(sessionOracle.judge(history).isBroken)
    }

    @Test("A session that is valid after a revocation of all is found")
    func revokedAll() {
        let start = [
            attempt(10, create(1), created(7)), attempt(11, create(2), created(8)),
            attempt(20, .revokeAll(except: 2), .count(1)),
        ]
        #expect(isSound(start + [attempt(30, .validate(2, isUse: false), .valid)]))
        let history = start + [attempt(30, .validate(1, isUse: false), .valid)]
        #expect(sessionModel.verdict(on: history).isBroken)
        #expect(sessionOracle.judge(history).isBroken)
    }

    @Test("A session that ends early is found")
    func early() {
        let start = [
            attempt(0, create(1, idle: 1_600), created(7)),
            attempt(1_000, .validate(1, isUse: true), .valid),
        ]
        let late = start + [attempt(2_600, .validate(1, isUse: true), .expired)]
        #expect(isSound(late))
        let early = start + [attempt(2_500, .validate(1, isUse: true), .expired)]
        #expect(sessionModel.verdict(on: early).isBroken)
        #expect(sessionOracle.judge(early).isBroken)
    }

    @Test("The life of a session counts from the first login, answered or not")
    func firstLogin() {
        #expect(
            isSound([
                attempt(0, create(1, life: 1_000), nil),
                attempt(800, create(1, life: 1_000), created(7)),
                attempt(1_010, .validate(1, isUse: true), .expired),
            ])
        )
    }

    @Test("A session that ends later than the granularity allows is found")
    func late() {
        let start = attempt(0, create(1, idle: 1_600), created(7))
        // 1,600 + 100 of granularity, and 5 for the clocks on either side.
        #expect(isSound([start, attempt(1_711, .validate(1, isUse: true), .expired)]))
        #expect(isSound([start, attempt(1_709, .validate(1, isUse: true), .valid)]))
        #expect(
            sessionModel.verdict(on: [start, attempt(1_712, .validate(1, isUse: true), .valid)])
                .isBroken
        )
    }

    @Test("A use that is told of an end may have been logged before it, and not after")
    func loggedAndRefused() {
        let start = attempt(10, create(1, idle: 1_600, life: 100_000), created(7))
        // The use is logged, the session revoked, and only then the use is answered.
        let end = attempt(2_200, .revoke(1), .count(1))
        func refused(_ called: UInt64, isUse: Bool = true) -> SessionModel.Attempt {
            SessionModel.Attempt(
                process: 1,
                called: called,
                returned: 2_300,
                call: .validate(1, isUse: isUse),
                reply: .revoked
            )
        }
        #expect(isSound([start, end, refused(1_000)]))
        #expect(sessionModel.verdict(on: [start, end]).isBroken)
        #expect(sessionModel.verdict(on: [start, end, refused(1_000, isUse: false)]).isBroken)
        let tooLate = [start, end, refused(2_000)]
        #expect(sessionModel.verdict(on: tooLate).isBroken, "it was over when it was asked")
        let shorter = attempt(10, create(1, idle: 1_600, life: 2_250), created(7))
        var expired = refused(1_000)
        expired.reply = .expired
        let look = attempt(2_200, .validate(1, isUse: false), .valid)
        #expect(isSound([shorter, look, expired]))
        #expect(sessionModel.judge([shorter, look, expired]).isBroken, "a use of one moment")
        let back = attempt(2_400, .validate(1, isUse: true), .valid)
        #expect(sessionModel.verdict(on: [start, end, refused(1_000), back]).isBroken)
    }

    @Test("A look does not prolong, and the absolute end holds whatever the use")
    func ends() {
        let start = attempt(0, create(1, idle: 1_600, life: 2_000), created(7))
        let look = attempt(1_000, .validate(1, isUse: false), .valid)
        let use = attempt(1_000, .validate(1, isUse: true), .valid)
        let late = attempt(1_900, .validate(1, isUse: true), .valid)
        #expect(sessionModel.verdict(on: [start, look, late]).isBroken)
        #expect(isSound([start, use, late]))
        let over = attempt(2_020, .validate(1, isUse: true), .valid)
        #expect(sessionModel.verdict(on: [start, use, late, over]).isBroken)
    }

    @Test("A login that took effect twice is found")
    func twice() {
        let start = [attempt(0, create(1), nil), attempt(10, create(1), created(7))]
        #expect(isSound(start + [attempt(20, create(1), created(7))]))
        let history = start + [attempt(20, create(1), created(8))]
        #expect(sessionModel.verdict(on: history).isBroken)
        #expect(sessionOracle.judge(history).isBroken)
    }

    @Test("A session that came back after its end is found")
    func back() {
        let history = [
            attempt(0, create(1, life: 100), created(7)),
            attempt(200, .validate(1, isUse: true), .expired),
            attempt(300, .validate(1, isUse: true), .valid),
        ]
        #expect(sessionModel.verdict(on: history).isBroken)
        #expect(sessionOracle.judge(history).isBroken)
        let forgotten = [
            attempt(0, create(1, life: 100), created(7)),
            attempt(300, .validate(1, isUse: true), .unknown),
        ]
        #expect(sessionModel.verdict(on: forgotten).isBroken)
    }

    @Test("A session that was forgotten may be made anew by its login, and not before")
    func secondLife() {
        func history(
            first: SessionReply? = created(7),
            secondAt time: UInt64
        ) -> [SessionModel.Attempt] {
            [
                attempt(0, create(1, life: 100), first),
                attempt(200, .validate(1, isUse: true), .expired),
                attempt(time, create(1, life: 100), created(9)),
                attempt(time + 10, .validate(1, isUse: true), .valid),
            ]
        }
        #expect(sessionOracle.judge(history(secondAt: 70_000)) == .sound)
        #expect(sessionOracle.judge(history(secondAt: 300)).isBroken)
        #expect(sessionOracle.judge(history(first: nil, secondAt: 70_000)) == .sound)
        #expect(sessionOracle.judge(history(first: nil, secondAt: 300)).isBroken)
        let again = attempt(70_200, .validate(1, isUse: true), .expired)
        let late = attempt(70_300, .validate(1, isUse: true), .valid)
        #expect(sessionOracle.judge(history(secondAt: 70_000) + [again, late]).isBroken)
    }

    @Test("The cap counts live sessions, evicts the oldest, and rejects at the limit")
    func cap() {
        let start = [attempt(0, create(1), created(7)), attempt(10, create(2), created(8))]
        let evicted =
            start + [
                attempt(20, create(3, cap: .evictAbove(2)), created(9, evicted: 1))
            ]
        #expect(isSound(evicted + [attempt(30, .list, .list([2, 3]))]))
        #expect(sessionModel.verdict(on: evicted + [attempt(30, .list, .list([1, 3]))]).isBroken)
        let more = start + [attempt(20, create(3, cap: .evictAbove(2)), created(9, evicted: 2))]
        #expect(sessionModel.verdict(on: more).isBroken)
        #expect(isSound(start + [attempt(20, create(3, cap: .rejectAbove(2)), .limitReached)]))
        let over = start + [attempt(20, create(3, cap: .rejectAbove(2)), created(9))]
        #expect(sessionModel.verdict(on: over).isBroken)
    }

    @Test("A renewal sets both ends anew")
    func renew() {
        let start = [
            attempt(0, create(1, idle: 1_600, life: 2_000), created(7)),
            attempt(1_000, .renew(1, idle: 3_200, life: 5_000), .renewed),
        ]
        #expect(isSound(start + [attempt(4_300, .validate(1, isUse: true), .valid)]))
        let early = start + [attempt(3_000, .validate(1, isUse: true), .expired)]
        #expect(sessionModel.verdict(on: early).isBroken)
    }

    @Test("A list that shows an ended session, or hides a live one, is found")
    func list() {
        let start = [
            attempt(0, create(1, life: 100), created(7)), attempt(1, create(2), created(8)),
        ]
        #expect(isSound(start + [attempt(150, .list, .list([1, 2]))]))
        #expect(isSound(start + [attempt(150, .list, .list([2]))]))
        #expect(sessionModel.verdict(on: start + [attempt(50, .list, .list([2]))]).isBroken)
        #expect(sessionModel.verdict(on: start + [attempt(60_000, .list, .list([1, 2]))]).isBroken)
    }
}
