// The wheel against a plain dictionary of deadlines, from many seeds, and by hand at its edges.
//
// What the machine relies on: nothing comes out early, everything comes out, work that a spent
// budget left over comes out later and in the same order on every replica, and `earliestDeadline`
// is never later than the truth (a leader sleeps until then).

import TestKit
import Testing

@testable import SessionMachine

/// A wheel and the dictionary that says what it must hold.
private struct ModeledWheel {
    var wheel: TimerWheel
    var deadlines: [UInt32: MachineTime] = [:]
    var now: MachineTime
    private(set) var expired = 0
    private(set) var carriedOver = 0
    /// The last advance had budget to spare.
    private var isSettled = true

    init(slots: Int, start: UInt64) {
        now = MachineTime(millisecondsSince1970: start)
        wheel = TimerWheel(startingAt: now)
        for _ in 0..<slots { wheel.addSlot() }
    }

    mutating func schedule(_ timer: UInt32, at deadline: MachineTime) {
        wheel.schedule(timer, at: deadline)
        deadlines[timer] = deadline
    }

    mutating func cancel(_ timer: UInt32) {
        wheel.cancel(timer)
        deadlines[timer] = nil
    }

    /// Moves the clock and takes out what is due; the timers in the order in which they came.
    mutating func advance(by step: UInt64, budget allowed: Int) -> [UInt32] {
        now = now.advanced(by: Milliseconds(step))
        var budget = allowed
        var out: [UInt32] = []
        while let timer = wheel.due(at: now, budget: &budget) {
            out.append(timer)
            guard let deadline = deadlines[timer] else {
                Issue.record("timer \(timer) is due and was never scheduled")
                break
            }
            #expect(deadline <= now)
            cancel(timer)
        }
        expired += out.count
        #expect(budget >= 0)
        #expect(out.count <= allowed)
        let late = deadlines.values.contains { $0 <= now }
        // Only an empty purse excuses what is late.
        if late { #expect(budget == 0) }
        if late { carriedOver += 1 }
        isSettled = budget > 0
        return out
    }

    func check() {
        #expect(wheel.count == deadlines.count)
        let earliest = deadlines.values.min()
        guard let earliest else {
            #expect(wheel.earliestDeadline == nil)
            return
        }
        guard let told = wheel.earliestDeadline else {
            Issue.record("timers wait, and no deadline is told")
            return
        }
        #expect(told <= max(earliest, wheel.current))
        // Or a leader that asks again at the time it was told would turn on the spot.
        if isSettled, earliest > now { #expect(told > now) }
    }
}

@Suite("Timer wheel")
struct TimerWheelTests {
    /// Lengths of time from nothing to centuries, all about equally likely.
    private static func span(_ random: inout SeededRandom) -> UInt64 {
        random.next() >> UInt64(20 + random.below(44))
    }

    private static func budget(_ random: inout SeededRandom) -> Int {
        [0, 1, 3, 20, Int.max][random.below(5)]
    }

    private static func step(_ modeled: inout ModeledWheel, _ random: inout SeededRandom)
        -> [UInt32]
    {
        let timer = UInt32(random.below(modeled.wheel.slots))
        switch random.below(10) {
        case 0, 1, 2, 3:
            modeled.schedule(timer, at: modeled.now.advanced(by: Milliseconds(span(&random))))
        case 4:
            let past = modeled.now.millisecondsSince1970 - min(span(&random), 1_000)
            modeled.schedule(timer, at: MachineTime(millisecondsSince1970: past))
        case 5:
            // Shared deadlines, on a boundary of some level.
            let edge = (modeled.now.millisecondsSince1970 | 63) + 1
            modeled.schedule(timer, at: MachineTime(millisecondsSince1970: edge))
        case 6: modeled.cancel(timer)
        case 7: return modeled.advance(by: span(&random) >> 20, budget: budget(&random))
        case 8: return modeled.advance(by: UInt64(random.below(70)), budget: budget(&random))
        default: return modeled.advance(by: 0, budget: budget(&random))
        }
        return []
    }

    @Test("random histories agree with a dictionary, and with themselves", arguments: 0..<60)
    func model(seed: UInt64) {
        var random = SeededRandom(seed)
        var twinRandom = random
        var modeled = ModeledWheel(slots: 40, start: 1_000 + seed << 30)
        var twin = modeled
        for _ in 0..<600 {
            let out = Self.step(&modeled, &random)
            modeled.check()
            #expect(Self.step(&twin, &twinRandom) == out)
        }
        #expect(modeled.expired > 60)
        #expect(modeled.carriedOver > 10)
        _ = modeled.advance(by: .max, budget: .max)
        #expect(modeled.deadlines.isEmpty)
        #expect(modeled.wheel.earliestDeadline == nil)
    }

    @Test("with budget enough, timers come out by deadline", arguments: 100..<120)
    func order(seed: UInt64) {
        var random = SeededRandom(seed)
        var modeled = ModeledWheel(slots: 300, start: 5)
        for timer in 0..<300 {
            let deadline = modeled.now.advanced(by: Milliseconds(Self.span(&random)))
            modeled.schedule(UInt32(timer), at: deadline)
        }
        let deadlines = modeled.deadlines
        let out = modeled.advance(by: .max, budget: .max).compactMap { deadlines[$0] }
        #expect(out == deadlines.values.sorted())
    }

    @Test("any budget yields the same order in the end", arguments: [1, 2, 7, 64])
    func budgets(budget: Int) {
        var random = SeededRandom(9)
        var modeled = ModeledWheel(slots: 200, start: 77)
        for timer in 0..<200 {
            let deadline = modeled.now.advanced(by: Milliseconds(Self.span(&random) >> 16))
            modeled.schedule(UInt32(timer), at: deadline)
        }
        var small = modeled
        let atOnce = modeled.advance(by: .max, budget: .max)
        var out = small.advance(by: .max, budget: budget)
        var calls = 1
        while !small.deadlines.isEmpty, calls < 10_000 {
            out += small.advance(by: 0, budget: budget)
            calls += 1
        }
        #expect(out == atOnce)
        #expect(calls >= 200 / budget)
        // A removal, and at most one move for each level on the way down.
        #expect(calls * budget <= 200 * (1 + TimerWheel.levels) + budget)
    }

    @Test("a deadline in the past is due at once, even before the wheel's start")
    func past() {
        var modeled = ModeledWheel(slots: 3, start: 1_000_000)
        modeled.schedule(0, at: .zero)
        modeled.schedule(1, at: MachineTime(millisecondsSince1970: 999_999))
        modeled.schedule(2, at: modeled.now)
        #expect(modeled.wheel.earliestDeadline == modeled.now)
        #expect(Set(modeled.advance(by: 0, budget: .max)) == [0, 1, 2])
    }

    @Test("a clock that stands behind finds nothing due and moves nothing")
    func backwards() {
        var wheel = TimerWheel(startingAt: .test(10))
        wheel.addSlot()
        wheel.schedule(0, at: .test(10))
        var budget = 9
        #expect(wheel.due(at: .test(9), budget: &budget) == nil)
        #expect(budget == 9)
        #expect(wheel.due(at: .test(10), budget: &budget) == 0)
    }

    @Test("the last millisecond of time is a deadline like any other")
    func endOfTime() {
        var modeled = ModeledWheel(slots: 3, start: 0)
        modeled.schedule(0, at: MachineTime(millisecondsSince1970: .max))
        modeled.schedule(1, at: MachineTime(millisecondsSince1970: UInt64(Int64.max) - 1))
        modeled.schedule(2, at: MachineTime(millisecondsSince1970: 1 << 62))
        #expect(modeled.wheel.deadline(of: 0) == .latest)
        #expect(modeled.advance(by: (1 << 62) - 1, budget: .max) == [])
        modeled.check()
        #expect(modeled.advance(by: 1, budget: .max) == [2])
        #expect(modeled.advance(by: (1 << 62) - 2, budget: .max) == [1])
        modeled.check()
        #expect(modeled.advance(by: 1, budget: .max) == [0])
        modeled.schedule(1, at: .latest)
        #expect(modeled.advance(by: .max, budget: .max) == [1])
    }

    @Test("one before, on and one after every level's boundary", arguments: 0..<TimerWheel.levels)
    func boundaries(level: Int) {
        let edge = UInt64(1) << UInt64(level * 6)
        for start in [0, edge - 1, edge, edge * 3] {
            let first = (start / edge + 1) * edge
            var modeled = ModeledWheel(slots: 3, start: start)
            modeled.schedule(0, at: MachineTime(millisecondsSince1970: first + 1))
            modeled.schedule(1, at: MachineTime(millisecondsSince1970: first))
            modeled.schedule(2, at: MachineTime(millisecondsSince1970: first - 1))
            modeled.check()
            var out = modeled.advance(by: first - 1 - start, budget: .max)
            #expect(out == [2])
            modeled.check()
            out = modeled.advance(by: 1, budget: .max)
            #expect(out == [1])
            modeled.check()
            #expect(modeled.advance(by: 1, budget: .max) == [0])
        }
    }

    @Test("thousands with one deadline come out at it, in one order, some at a time")
    func crowd() {
        var modeled = ModeledWheel(slots: 5_000, start: 12_345)
        let deadline = modeled.now.advanced(by: .seconds(3_600))
        for timer in 0..<5_000 { modeled.schedule(UInt32(timer), at: deadline) }
        #expect(modeled.advance(by: 3_599_999, budget: .max) == [])
        var other = modeled
        var out = modeled.advance(by: 1, budget: 7)
        while modeled.wheel.count > 0 { out += modeled.advance(by: 1, budget: 500) }
        #expect(Set(out).count == 5_000)
        #expect(other.advance(by: 1, budget: .max) == out)
    }

    @Test("what is scheduled or cancelled while work is carried over keeps its promise")
    func carriedOver() {
        var modeled = ModeledWheel(slots: 100, start: 0)
        for timer in 0..<50 {
            modeled.schedule(UInt32(timer), at: MachineTime(millisecondsSince1970: 5_000))
        }
        // Stops in the middle of a slot that is being moved down.
        #expect(modeled.advance(by: 6_000, budget: 20) == [])
        #expect(modeled.wheel.pendingLevel > 0)
        #expect(modeled.wheel.earliestDeadline == modeled.wheel.current)
        modeled.schedule(60, at: MachineTime(millisecondsSince1970: 4_990))
        modeled.schedule(61, at: MachineTime(millisecondsSince1970: 6_001))
        modeled.schedule(7, at: MachineTime(millisecondsSince1970: 7_000))
        modeled.cancel(8)
        modeled.cancel(49)
        let out = modeled.advance(by: 0, budget: .max)
        #expect(out.count == 48)
        #expect(Set(out).isDisjoint(with: [7, 8, 49, 61]))
        #expect(out.contains(60))
        modeled.check()
        #expect(modeled.advance(by: 1, budget: .max) == [61])
        #expect(modeled.advance(by: 999, budget: .max) == [7])
    }

    @Test("cancelling what is not scheduled changes nothing")
    func cancelTwice() {
        var wheel = TimerWheel(startingAt: .zero)
        wheel.addSlot()
        wheel.cancel(0)
        #expect(wheel.count == 0)
        wheel.schedule(0, at: .test(0))
        wheel.cancel(0)
        wheel.cancel(0)
        #expect(wheel.count == 0)
        #expect(wheel.deadline(of: 0) == nil)
        #expect(wheel.occupied.allSatisfy { $0 == 0 })
    }
}
