import Checkers
import Testing

typealias RegisterOperation = Operation<RegisterCall, RegisterReply>

/// A call of client `process` from `called` to `returned`.
func register(
    _ process: Int,
    _ called: UInt64,
    _ returned: UInt64,
    _ call: RegisterCall,
    _ reply: RegisterReply
) -> RegisterOperation {
    RegisterOperation(
        process: process,
        called: called,
        returned: returned,
        call: call,
        reply: reply
    )
}

func unanswered(_ process: Int, _ called: UInt64, _ call: RegisterCall) -> RegisterOperation {
    RegisterOperation(process: process, called: called, call: call)
}

private func set(_ value: UInt64) -> RegisterCall { .set(RegisterSet(value: value)) }

private func set(_ value: UInt64, life: UInt64) -> RegisterCall {
    .set(RegisterSet(value: value, expiry: .after(life)))
}

private let model = RegisterModel(clocks: ClockBounds(spread: 5))

struct RegisterTests {
    @Test("A sequence of writes and reads is linearizable")
    func sequence() {
        let history = [
            register(0, 0, 1, .get, .value(nil)),
            register(0, 2, 3, set(1), .ok),
            register(1, 4, 5, .get, .value(1)),
            register(1, 6, 7, .delete, .integer(1)),
            register(0, 8, 9, .get, .value(nil)),
        ]
        #expect(model.judge(history) == .sound)
    }

    @Test("A read after an acknowledged write that does not see it is found")
    func staleRead() {
        let history = [
            register(0, 0, 1, set(1), .ok),
            register(0, 2, 3, set(2), .ok),
            register(1, 4, 5, .get, .value(1)),
        ]
        #expect(model.judge(history).isBroken)
        #expect(FloorOracle.judge(history).isBroken)
    }

    @Test("Overlapping writes may take effect in either order, but in one")
    func overlap() {
        var history = [
            register(0, 0, 10, set(1), .ok),
            register(1, 0, 10, set(2), .ok),
            register(2, 11, 12, .get, .value(1)),
        ]
        #expect(model.judge(history) == .sound)
        history.append(register(2, 13, 14, .get, .value(2)))
        #expect(model.judge(history).isBroken)
    }

    @Test("A write without a reply may take effect late, or never, but once")
    func unknown() {
        var history = [
            register(0, 0, 1, set(1), .ok),
            unanswered(1, 2, set(2)),
            register(2, 3, 4, .get, .value(1)),
            register(2, 50, 51, .get, .value(2)),
        ]
        #expect(model.judge(history) == .sound)
        #expect(model.judge(Array(history.dropLast())) == .sound)
        history.append(register(2, 52, 53, .get, .value(1)))
        #expect(model.judge(history).isBroken)
    }

    @Test("A lost write is found by the next conditional one")
    func conditions() {
        let ifAbsent = RegisterCall.set(RegisterSet(value: 2, condition: .ifAbsent))
        let ifPresent = RegisterCall.set(
            RegisterSet(value: 3, condition: .ifPresent, returnsOld: true)
        )
        let first = register(0, 0, 1, set(1), .ok)
        #expect(model.judge([first, register(0, 2, 3, ifAbsent, .notStored)]) == .sound)
        #expect(model.judge([first, register(0, 2, 3, ifAbsent, .ok)]).isBroken)
        #expect(model.judge([first, register(0, 2, 3, ifPresent, .value(1))]) == .sound)
        #expect(model.judge([first, register(0, 2, 3, ifPresent, .value(nil))]).isBroken)
    }

    @Test("A value may be gone once its time may be over, and not before")
    func expiry() {
        let write = register(0, 100, 110, set(1, life: 1_000), .ok)
        // The clocks may be 5 off on either side.
        let early = register(1, 1_000, 1_089, .get, .value(nil))
        let soon = register(1, 1_000, 1_091, .get, .value(nil))
        #expect(model.judge([write, early]).isBroken)
        #expect(model.judge([write, soon]) == .sound)
        let back = register(1, 1_092, 1_095, .get, .value(1))
        #expect(model.judge([write, soon, back]).isBroken)
    }

    @Test("A value that is there long after its time in a quiet system is found")
    func late() {
        let quiet = RegisterModel(clocks: ClockBounds(spread: 5, settled: 2_000, lateBy: 100))
        let write = register(0, 100, 110, set(1, life: 1_000), .ok)
        let read = register(1, 3_000, 3_001, .get, .value(1))
        #expect(model.judge([write, read]) == .sound)
        #expect(quiet.judge([write, read]).isBroken)
    }

    @Test("A write that takes effect late may have been stamped before the end of what it finds")
    func lateStamp() {
        let ifPresent = RegisterCall.set(RegisterSet(value: 2, condition: .ifPresent))
        let history = [
            register(0, 100, 110, set(1, life: 1_000), .ok),
            unanswered(1, 1_000, ifPresent),
            register(2, 2_000, 2_001, .get, .value(1)),
            register(2, 2_002, 2_003, .get, .value(2)),
        ]
        #expect(model.judge(history) == .sound)
    }

    @Test("An expiry that was not set, or set on the wrong value, is found")
    func expire() {
        let write = register(0, 0, 1, set(1), .ok)
        let expire = register(0, 10, 11, .expire(100), .integer(1))
        let persist = register(0, 20, 21, .persist, .integer(1))
        let gone = register(1, 500, 501, .get, .value(nil))
        #expect(model.judge([write, expire, gone]) == .sound)
        #expect(model.judge([write, gone]).isBroken)
        #expect(model.judge([write, expire, persist, gone]).isBroken)
    }

    @Test("The search gives up at its limit instead of guessing")
    func limit() {
        let history =
            (0..<12).map { unanswered($0, 0, set(UInt64($0 + 1))) }
            + [register(20, 5, 6, .get, .value(99))]
        #expect(model.judge(history, stepsMax: 1_000) == .undecided)
    }

    @Test("Reads that go back in time are found without a search")
    func floor() {
        let history = [
            register(0, 0, 9, set(5), .ok),
            register(1, 1, 2, .get, .value(5)),
            register(2, 3, 4, .get, .value(nil)),
        ]
        #expect(FloorOracle.judge(history).isBroken)
        #expect(FloorOracle.judge(Array(history.dropLast())) == .sound)
    }
}
