// The whole machine against `PlainMachine` under long random histories: every outcome, and the
// reads of whatever was touched, after every step. The clock also jumps without a sweep, because
// nobody may notice what the wheel has not yet removed.

import TestKit
import Testing

@testable import SessionMachine

/// A machine and its model under one history. Differences are collected rather than expected one by
/// one: there are millions of comparisons.
private struct Histories {
    var machine = SessionMachine.fresh()
    var model = PlainMachine()
    var source: CommandSource
    var random: SeededRandom
    var differences: [String] = []
    /// What happened, by kind of command and outcome.
    var tally: [String: Int] = [:]
    private var clock: UInt64 = 0
    /// The sessions last seen alive under each handle, and those seen to have ended.
    private var lastAlive: [SessionHandle128: UInt64] = [:]
    private var ended: Set<UInt64> = []

    init(seed: UInt64) {
        source = CommandSource(seed: seed)
        random = SeededRandom(~seed)
        model.advance(to: .test(0))
    }

    mutating func step() {
        moveClock()
        source.clock = clock
        var command = source.next()
        if case .create(var create) = command {
            vary(&create)
            command = .create(create)
        }
        let outcome = machine.apply(command)
        let expected = model.apply(command)
        if outcome != expected {
            differences.append("\(command): \(outcome), not \(expected)")
        }
        tally[Self.label(command, outcome), default: 0] += 1
        check(command)
    }

    /// Other secrets for the same handle, caps so low that they are met, and long lives.
    private mutating func vary(_ create: inout CreateSession) {
        switch random.below(12) {
        case 0: create.digest = digest(99)
        case 1, 2: create.cap = .rejectAbove(1)
        case 3, 4: create.cap = .evictAbove(1)
        // Beyond the floor under a tombstone's life.
        case 5: create.lifetime = Milliseconds(1_500_000)
        default: break
        }
    }

    private mutating func moveClock() {
        switch random.below(100) {
        case 0: clock += UInt64(random.below(900_000))
        case 1..<4: clock += UInt64(random.below(60_000))
        case 4..<25: clock += UInt64(random.below(5_000))
        default: break
        }
        model.advance(to: .test(clock))
        if random.below(2) == 0 {
            machine.at(clock)
        } else {
            machine.time = .test(clock)
        }
    }

    private mutating func check(_ command: Command) {
        switch command {
        case .create(let create): check(create.handle)
        case .touch(let handles): for handle in handles { check(handle) }
        case .renew(let renew): check(renew.handle)
        case .revoke(let revoke): check(revoke.handle)
        case .revokeAll(let all): check(subject: all.subject)
        case .setFields(let set): check(set.handle)
        case .unsetFields(let unset): check(unset.handle)
        case .takeField(let take): check(take.handle)
        case .lock(let lock): check(lock.handle)
        case .unlock(let unlock): check(unlock.handle)
        case .rotate(let rotate):
            check(rotate.handle)
            check(rotate.successor)
        case .set(let set): check(set.key)
        case .delete(let keys): for key in keys { check(key) }
        case .getExpiring(let key, _), .getDeleting(let key), .persist(let key),
            .expire(let key, _, _):
            check(key)
        case .time, .attest: break
        }
        check(handle(random.below(source.names)))
        check(key("key-\(random.below(source.names))"))
        check(subject: bytes("user-\(random.below(3))"))
    }

    /// Everything there is, and the invariants.
    mutating func checkAll() {
        for number in 0..<source.names {
            check(handle(number))
            check(key("key-\(number)"))
        }
        for user in 0..<3 { check(subject: bytes("user-\(user)")) }
        var keys: Set<Key> = []
        var cursor: UInt64 = 0
        repeat {
            let page = machine.scan(from: cursor, count: 3)
            keys.formUnion(page.keys)
            cursor = page.next
        } while cursor != 0
        if keys != Set(model.values.keys) { differences.append("the scan") }
        differences += machine.checkInvariants()
    }

    private mutating func check(_ key: Key) {
        let value = model.values[key]
        let expiry = value.map { $0.deadline.map { .at($0) } ?? .persistent } ?? KeyExpiry.missing
        let agrees =
            machine.get(key) == value?.bytes && machine.exists(key) == (value != nil)
            && machine.length(key) == value?.bytes.count ?? 0
            && machine.type(key) == (value == nil ? .none : .string)
            && machine.expiry(key) == expiry
        if !agrees { differences.append("\(key) reads otherwise") }
    }

    private mutating func check(subject: ArraySlice<UInt8>) {
        let agrees = machine.list(subject).map(\.info) == model.list(subject).map(\.info)
        if !agrees { differences.append("the list of \(subject)") }
    }

    private mutating func check(_ handle: SessionHandle128) {
        let agrees =
            switch model.entries[handle] {
            case nil: isUnknown(handle, digest(1)) && machine.session(handle) == nil
            case .session(let session): isAlive(handle, session)
            case .tombstone(let tombstone): isOver(handle, tombstone)
            }
        if !agrees { differences.append("\(handle) reads otherwise") }
        // Without the model: a session that was seen to have ended is never seen alive.
        if let alive = machine.session(handle)?.sequence {
            if ended.contains(alive) { differences.append("session \(alive) came back") }
            lastAlive[handle] = alive
        } else if let gone = lastAlive[handle] {
            ended.insert(gone)
        }
    }

    private func isUnknown(_ handle: SessionHandle128, _ digest: SecretDigest) -> Bool {
        let answer = machine.validate(handle, digest, now: machine.time, purpose: .look)
        if case .unknown = answer.status { return true }
        return false
    }

    private func isAlive(_ handle: SessionHandle128, _ session: PlainMachine.Session) -> Bool {
        let secret = session.create.digest
        let answer = machine.validate(handle, secret, now: machine.time, purpose: .look)
        guard case .valid(let view) = answer.status else { return false }
        return view.info == session.info && view.lastTouch == session.lastTouch
            && view.fields == session.create.fields && view.ip == session.create.ip
            && view.assurance == session.create.assurance && answer.followUp == .answer
            && machine.session(handle)?.info == session.info && isUnknown(handle, digest(77))
    }

    private func isOver(_ handle: SessionHandle128, _ tombstone: PlainMachine.Tombstone) -> Bool {
        let secret = tombstone.digest
        let answer = machine.validate(handle, secret, now: machine.time, purpose: .look)
        if let heir = model.heir(of: handle, inGrace: true), let session = model.session(heir) {
            guard case .valid(let view) = answer.status else { return false }
            let level = answer.byOldID.map { min($0, view.assurance) }
            return level == model.assurance(of: handle) && view.info == session.info
        }
        guard machine.session(handle) == nil, isUnknown(handle, digest(77)) else { return false }
        switch answer.status {
        case .expired: return tombstone.end == .expired
        case .revoked(let view):
            return tombstone.end != .expired && view.end == tombstone.end
                && view.note == tombstone.note
        case .valid, .unknown: return false
        }
    }

    private static func label(_ command: Command, _ outcome: Outcome) -> String {
        let name =
            switch command {
            case .create: "create"
            case .touch: "touch"
            case .renew: "renew"
            case .revoke: "revoke"
            case .revokeAll: "revokeAll"
            case .setFields: "setFields"
            case .unsetFields: "unsetFields"
            case .takeField: "takeField"
            case .rotate: "rotate"
            case .lock: "lock"
            case .unlock: "unlock"
            case .set: "set"
            case .getExpiring: "getExpiring"
            case .getDeleting: "getDeleting"
            case .delete: "delete"
            case .expire: "expire"
            case .persist: "persist"
            case .time: "time"
            case .attest: "attest"
            }
        let word =
            switch outcome {
            case .ok, .renewed, .version, .rotated, .locked: "done"
            case .lockHeld: "held"
            case .conflict: "conflict"
            case .created(_, let evicted): evicted == 0 ? "done" : "evicting"
            case .integer(let count), .touched(let count), .revoked(let count):
                count > 0 ? "done" : "nothing"
            case .value(let value): value == nil ? "nothing" : "done"
            case .notStored: "nothing"
            case .handleTaken: "taken"
            case .limitReached: "limit"
            case .ended(.expired): "expired"
            case .ended(.revoked): "revoked"
            case .ended(.rotated): "rotated"
            case .unknown: "unknown"
            case .refused: "refused"
            }
        return "\(name) \(word)"
    }
}

@Suite("Model")
struct ModelTests {
    /// How often each of these must have happened in one history of 4,500 commands.
    private static let floors: [(label: String, count: Int)] = [
        ("create done", 30), ("create evicting", 3), ("create limit", 2), ("create taken", 2),
        ("create expired", 2), ("create revoked", 10), ("create refused", 30),
        ("touch done", 8), ("touch nothing", 15), ("renew done", 3), ("renew unknown", 10),
        ("renew revoked", 5), ("revoke done", 8), ("revoke nothing", 30), ("revokeAll done", 1),
        ("set done", 80), ("set nothing", 30), ("getExpiring done", 15),
        ("lock done", 6), ("lock revoked", 10), ("lock unknown", 15), ("unlock revoked", 8),
        ("rotate done", 6), ("rotate taken", 6), ("rotate rotated", 3), ("renew rotated", 1),
        ("setFields done", 6), ("setFields revoked", 15), ("setFields unknown", 30),
        ("unsetFields revoked", 10), ("takeField revoked", 5), ("takeField unknown", 10),
        ("getExpiring nothing", 20), ("getDeleting done", 15), ("delete done", 25),
        ("expire done", 8), ("expire nothing", 30), ("persist done", 4), ("time done", 60),
    ]

    @Test("every command answers and leaves what the plain model says", arguments: 0..<40)
    func histories(seed: UInt64) {
        var histories = Histories(seed: seed)
        for step in 0..<4_500 {
            histories.step()
            if step % 100 == 99 { histories.checkAll() }
            guard histories.differences.isEmpty else { break }
        }
        #expect(histories.differences == [])
        for floor in Self.floors {
            let count = histories.tally[floor.label, default: 0]
            #expect(count >= floor.count, "\(floor.label)")
        }
        #expect(histories.machine.counters.commands == 4_500)
        #expect(histories.machine.counters.sessionsExpired >= 10)
        #expect(histories.machine.counters.valuesExpired >= 15)
    }

    /// A leader that validates as the protocol says: logs what it is told to log, then answers.
    private struct Leader {
        var machine = SessionMachine.fresh()
        var logged = 0

        /// Whether the session is alive at `clock`.
        mutating func use(_ number: Int, at clock: UInt64) -> Bool {
            let now = MachineTime.test(clock)
            let secret = digest(number)
            let first = machine.validate(handle(number), secret, now: now, purpose: .use)
            if first.followUp == .answer { return isValid(first) }
            logged += 1
            machine.beginEntry(at: now, commandCount: 1)
            let command: Command =
                first.followUp == .logTouch ? .touch([handle(number)]) : .time
            _ = machine.apply(command)
            let second = machine.validate(handle(number), secret, now: now, purpose: .use)
            #expect(second.followUp == .answer)
            return isValid(second)
        }

        private func isValid(_ validation: Validation) -> Bool {
            if case .valid = validation.status { return true }
            return false
        }
    }

    @Test("a session ends within one granularity after use + idle", arguments: 0..<40)
    func idleWindow(seed: UInt64) {
        var random = SeededRandom(seed)
        var leader = Leader()
        var clock: UInt64 = 0
        var ends = 0
        var uses = 0
        for number in 0..<30 {
            let idle = UInt64(1 + random.below(2_000_000)) >> UInt64(random.below(20)) + 1
            let granularity = TouchRule.granularity(idle: Milliseconds(idle)).count
            let lifetime = idle * UInt64(1 + random.below(20))
            leader.machine.at(clock)
            _ = leader.machine.apply(
                .create(login(number, "user", idle: idle, lifetime: lifetime))
            )
            let expiresAt = clock + lifetime
            var lastUse = clock
            for _ in 0..<200 {
                // Mostly well within the idle time, now and then around its end.
                let gap = random.below(6) == 0 ? idle + granularity : idle / 4
                clock += random.next() % (gap + 2)
                if random.below(20) == 0 { clock = max(clock, lastUse + idle + granularity - 1) }
                let isAlive = leader.use(number, at: clock)
                uses += 1
                guard isAlive else {
                    #expect(clock >= min(lastUse + idle, expiresAt))
                    ends += 1
                    break
                }
                #expect(clock < min(lastUse + idle + granularity, expiresAt))
                lastUse = clock
            }
            #expect(leader.use(number, at: expiresAt + 1) == false)
            clock = max(clock, expiresAt + 1)
        }
        #expect(ends >= 20)
        #expect(leader.logged < uses * 9 / 10)
    }

    @Test("a use is logged from one granularity after the last that was, not before")
    func touchRule() {
        let cases: [(idle: UInt64, granularity: UInt64)] = [
            (1, 1), (16, 1), (32, 2), (800_000, 50_000), (960_000, 60_000), (.max, 60_000),
        ]
        for (count, granularity) in cases {
            let idle = Milliseconds(count)
            #expect(TouchRule.granularity(idle: idle) == Milliseconds(granularity))
            let start = MachineTime.test(0)
            for (later, isDue) in [(granularity - 1, false), (granularity, true)] {
                let now = MachineTime.test(later)
                #expect(TouchRule.isTouchDue(lastTouch: start, idle: idle, now: now) == isDue)
            }
            // A leader whose clock stands behind the log has nothing to add to it.
            #expect(!TouchRule.isTouchDue(lastTouch: start, idle: idle, now: .zero))
        }
        #expect(TouchRule.deadline(lastTouch: .test(0), idle: Milliseconds(.max)) == .latest)
    }
}
