import TestKit
import Testing

@testable import SessionMachine

@Suite("Redis face")
struct ValueCommandTests {
    private var machine = SessionMachine.fresh()

    private mutating func set(
        _ name: String,
        _ value: String,
        _ expiry: ExpiryChange = .clear,
        _ condition: SetCondition = .always,
        _ reply: SetReply = .status
    ) -> Outcome {
        let outcome = machine.apply(
            .set(
                SetValue(
                    key: key(name),
                    value: bytes(value),
                    expiry: expiry,
                    condition: condition,
                    reply: reply
                )
            )
        )
        #expect(machine.fullCheck == [])
        return outcome
    }

    private func after(_ milliseconds: UInt64) -> ExpiryChange {
        .to(.after(Milliseconds(milliseconds)))
    }

    @Test("SET stores, and GET reads it back")
    mutating func setAndGet() {
        #expect(machine.get(key("a")) == nil)
        #expect(set("a", "1") == .ok)
        #expect(machine.get(key("a")) == bytes("1"))
        #expect(set("a", "") == .ok)
        #expect(machine.get(key("a")) == [])
        #expect(machine.length(key("a")) == 0)
        #expect(machine.exists(key("a")))
        #expect(machine.type(key("a")) == .string)
        #expect(machine.type(key("b")) == .none)
        #expect(machine.valueCount == 1)
    }

    @Test("SET NX stores only what is absent, SET XX only what is present")
    mutating func conditions() {
        #expect(set("a", "1", .clear, .ifPresent) == .notStored)
        #expect(set("a", "1", .clear, .ifAbsent) == .ok)
        #expect(set("a", "2", .clear, .ifAbsent) == .notStored)
        #expect(machine.get(key("a")) == bytes("1"))
        #expect(set("a", "3", .clear, .ifPresent) == .ok)
        #expect(machine.get(key("a")) == bytes("3"))
    }

    @Test("SET GET answers the old value whether or not it stores")
    mutating func oldValue() {
        #expect(set("a", "1", .clear, .ifPresent, .oldValue) == .value(nil))
        #expect(machine.get(key("a")) == nil)
        #expect(set("a", "1", .clear, .always, .oldValue) == .value(nil))
        #expect(set("a", "2", .clear, .always, .oldValue) == .value(bytes("1")))
        #expect(set("a", "3", .clear, .ifAbsent, .oldValue) == .value(bytes("2")))
        #expect(machine.get(key("a")) == bytes("2"))
    }

    @Test("SET drops the expiry, KEEPTTL keeps it")
    mutating func keepTTL() {
        _ = set("a", "1", after(500))
        #expect(machine.expiry(key("a")) == .at(.test(500)))
        _ = set("a", "2", .keep)
        #expect(machine.expiry(key("a")) == .at(.test(500)))
        _ = set("a", "3")
        #expect(machine.expiry(key("a")) == .persistent)
        _ = set("b", "1", .keep)
        #expect(machine.expiry(key("b")) == .persistent)
        #expect(machine.expiry(key("c")) == .missing)
    }

    @Test("a value ends exactly at its deadline, swept or not")
    mutating func deadline() {
        _ = set("a", "1", after(500))
        machine.at(499)
        #expect(machine.get(key("a")) == bytes("1"))
        // The clock alone, without the sweep.
        machine.time = .test(500)
        #expect(machine.get(key("a")) == nil)
        #expect(machine.valueCount == 1)
        machine.at(500)
        #expect(machine.valueCount == 0)
        #expect(machine.counters.valuesExpired == 1)
        #expect(machine.fullCheck == [])
    }

    @Test("what is over and not swept counts as absent for every write")
    mutating func overIsAbsent() {
        let writes: [(Command, Outcome)] = [
            (.set(SetValue(key: key("a"), value: [], condition: .ifPresent)), .notStored),
            (.getExpiring(key("a"), .clear), .value(nil)),
            (.getDeleting(key("a")), .value(nil)),
            (.delete([key("a")]), .integer(0)),
            (.expire(key("a"), .after(.seconds(9)), .always), .integer(0)),
            (.persist(key("a")), .integer(0)),
        ]
        for (command, outcome) in writes {
            machine = .fresh()
            _ = set("a", "1", after(500))
            machine.time = .test(500)
            #expect(machine.apply(command) == outcome)
            #expect(machine.valueCount == 0)
            #expect(machine.fullCheck == [])
        }
    }

    @Test("a deadline in the past deletes: SET, GETEX and EXPIRE alike")
    mutating func pastDeadline() {
        let past = ExpiryTime.at(.test(0))
        _ = set("a", "1")
        #expect(set("a", "2", .to(past)) == .ok)
        #expect(machine.valueCount == 0)
        _ = set("a", "1")
        #expect(machine.apply(.getExpiring(key("a"), .to(past))) == .value(bytes("1")))
        #expect(machine.valueCount == 0)
        _ = set("a", "1")
        #expect(machine.apply(.expire(key("a"), .after(.zero), .always)) == .integer(1))
        #expect(machine.valueCount == 0)
        #expect(machine.fullCheck == [])
    }

    @Test("GETEX reads, and changes the expiry only if told")
    mutating func getExpiring() {
        _ = set("a", "1", after(500))
        #expect(machine.apply(.getExpiring(key("a"), .keep)) == .value(bytes("1")))
        #expect(machine.expiry(key("a")) == .at(.test(500)))
        #expect(machine.apply(.getExpiring(key("a"), after(900))) == .value(bytes("1")))
        #expect(machine.expiry(key("a")) == .at(.test(900)))
        #expect(machine.apply(.getExpiring(key("a"), .clear)) == .value(bytes("1")))
        #expect(machine.expiry(key("a")) == .persistent)
        #expect(machine.apply(.getExpiring(key("b"), .clear)) == .value(nil))
    }

    @Test("GETDEL reads and deletes")
    mutating func getDeleting() {
        _ = set("a", "1")
        #expect(machine.apply(.getDeleting(key("a"))) == .value(bytes("1")))
        #expect(machine.apply(.getDeleting(key("a"))) == .value(nil))
    }

    @Test("DEL counts what it removed, a key named twice once")
    mutating func delete() {
        _ = set("a", "1")
        _ = set("b", "1")
        let keys = ["a", "b", "a", "c"].map { key($0) }
        #expect(machine.apply(.delete(keys)) == .integer(2))
        #expect(machine.valueCount == 0)
        #expect(machine.apply(.delete([])) == .integer(0))
    }

    @Test("PERSIST answers 1 only where there was an expiry")
    mutating func persist() {
        _ = set("a", "1", after(500))
        #expect(machine.apply(.persist(key("a"))) == .integer(1))
        #expect(machine.apply(.persist(key("a"))) == .integer(0))
        #expect(machine.apply(.persist(key("b"))) == .integer(0))
        machine.at(1_000)
        #expect(machine.get(key("a")) == bytes("1"))
    }

    /// Rows: what the key has; columns: the new deadline against 500. 1 means that EXPIRE took
    /// effect.
    @Test(
        "EXPIRE takes effect as in Redis 7.0",
        arguments: [
            (ExpireCondition.always, 1, [1, 1, 1]),
            (.ifPersistent, 1, [0, 0, 0]),
            (.ifExpiring, 0, [1, 1, 1]),
            (.ifLater, 0, [0, 0, 1]),
            (.ifEarlier, 1, [1, 0, 0]),
            (.ifExpiringAndEarlier, 0, [1, 0, 0]),
        ]
    )
    mutating func expire(condition: ExpireCondition, onPersistent: Int, onExpiring: [Int]) {
        _ = set("p", "1")
        let first = Command.expire(key("p"), .after(Milliseconds(500)), condition)
        #expect(machine.apply(first) == .integer(onPersistent))
        for (index, deadline) in [UInt64(499), 500, 501].enumerated() {
            _ = set("e", "1", after(500))
            let command = Command.expire(key("e"), .after(Milliseconds(deadline)), condition)
            #expect(machine.apply(command) == .integer(onExpiring[index]))
            let expected = onExpiring[index] == 1 ? deadline : 500
            #expect(machine.expiry(key("e")) == .at(.test(expected)))
        }
        #expect(machine.apply(.expire(key("x"), .after(.zero), condition)) == .integer(0))
        #expect(machine.fullCheck == [])
    }

    @Test("TTL, PTTL, EXPIRETIME and PEXPIRETIME round as Redis does")
    func replies() {
        let expiry = KeyExpiry.at(.test(1_500))
        #expect(expiry.millisecondsLeft(at: .test(0)) == 1_500)
        #expect(expiry.secondsLeft(at: .test(0)) == 2)
        #expect(expiry.secondsLeft(at: .test(1)) == 1)
        #expect(expiry.secondsLeft(at: .test(9_000)) == 0)
        #expect(expiry.milliseconds == 1_700_000_001_500)
        #expect(expiry.seconds == 1_700_000_002)
        #expect(KeyExpiry.persistent.secondsLeft(at: .test(0)) == -1)
        #expect(KeyExpiry.missing.millisecondsLeft(at: .test(0)) == -2)
        #expect(KeyExpiry.at(.latest).seconds > 0)
    }

    @Test("keys and values over their limits are refused")
    mutating func limits() {
        let long = [UInt8](repeating: 1, count: Limits.keyBytes + 1)
        let tooLong = Command.set(SetValue(key: Key(long), value: []))
        #expect(machine.apply(tooLong) == .refused(.tooLarge))
        let fits = Command.set(SetValue(key: Key(Array(long.dropLast())), value: []))
        #expect(machine.apply(fits) == .ok)
        #expect(machine.get(Key(Array(long.dropLast()))) == [])
        #expect(machine.get(Key(long)) == nil)
    }

    @Test("deadlines at the end of time saturate")
    mutating func endOfTime() {
        _ = set("a", "1", after(UInt64.max))
        #expect(machine.expiry(key("a")) == .at(.latest))
        machine.beginEntry(at: .latest, commandCount: 1)
        #expect(machine.get(key("a")) == nil)
        #expect(machine.fullCheck == [])
    }

    @Test("random commands answer as a dictionary of values and deadlines does")
    mutating func model() {
        var model: [String: (value: [UInt8], deadline: UInt64?)] = [:]
        var random = SeededRandom(8)
        var now: UInt64 = 0
        for step in 0..<20_000 {
            now += UInt64(random.below(3) == 0 ? random.below(40) : 0)
            machine.at(now)
            let name = "key-\(random.below(30))"
            if let deadline = model[name]?.deadline, deadline <= now { model[name] = nil }
            switch random.below(4) {
            case 0, 1:
                let value = random.bytes(random.below(20))
                let ttl = random.below(2) == 0 ? nil : UInt64(1 + random.below(300))
                let expiry = ttl.map { after($0) } ?? .clear
                _ = machine.apply(
                    .set(SetValue(key: key(name), value: value[...], expiry: expiry))
                )
                model[name] = (value, ttl.map { now + $0 })
            case 2:
                let removed = model.removeValue(forKey: name) == nil ? 0 : 1
                #expect(machine.apply(.delete([key(name)])) == .integer(removed))
            default:
                #expect(machine.get(key(name)).map(Array.init) == model[name]?.value)
            }
            if step % 100 == 0 { #expect(machine.fullCheck == []) }
        }
    }
}
