// What clients saw, as the judges take it: the simulator and the chaos scripts write the same type.
//
// One operation is one *attempt*: a request that is sent again is another operation, since each may
// take effect by itself. Times are nanoseconds of one clock that all clients share; any will do.

/// One attempt of one client.
package struct Operation<Call: Sendable, Reply: Sendable>: Sendable {
    /// Who called. Only for reports, and for oracles that follow one client.
    package var process: Int
    /// When the call left.
    package var called: UInt64
    /// When it was over: mostly, when the reply was there. Nil where nobody knows: it may have
    /// taken effect at any time after `called`, or never.
    package var returned: UInt64?
    package var call: Call
    /// Nil where no reply came, or it does not matter which.
    package var reply: Reply?

    package init(process: Int, called: UInt64, call: Call) {
        self.process = process
        self.called = called
        self.call = call
    }

    /// It took effect by `returned`, with a reply that nobody saw.
    package init(process: Int, called: UInt64, returned: UInt64, call: Call) {
        precondition(returned >= called, "an end before its call")
        self.process = process
        self.called = called
        self.returned = returned
        self.call = call
    }

    package init(process: Int, called: UInt64, returned: UInt64, call: Call, reply: Reply) {
        precondition(returned >= called, "a reply before its call")
        self.process = process
        self.called = called
        self.returned = returned
        self.call = call
        self.reply = reply
    }

    /// The end of the time in which it may have taken effect, as far as it alone tells.
    var latest: UInt64 { returned ?? .max }
}

/// What a judge found.
package enum Verdict: Equatable, Sendable {
    case sound
    /// Some history of the object explains nothing of what was seen; in words, for a person.
    case broken(String)
    /// The search was given up at its limit: neither shown sound nor broken.
    case undecided

    package var isBroken: Bool { if case .broken = self { true } else { false } }
}

/// How far the clocks of the judged system may be from the clock of the history.
package struct ClockBounds: Hashable, Sendable {
    /// No clock that stamps an entry is further from true time than this, in nanoseconds, rounding
    /// included.
    package var spread: UInt64
    /// From here on nothing disturbs the system: what is over by more than `lateBy` is gone.
    package var settled: UInt64
    package var lateBy: UInt64

    package init(spread: UInt64, settled: UInt64 = .max, lateBy: UInt64 = 0) {
        self.spread = spread
        self.settled = settled
        self.lateBy = lateBy
    }

    /// When something that was made within `moment` ends, at the earliest and at the latest, if it
    /// lives for `life`.
    func end(after life: UInt64, within moment: Window) -> Window {
        Window(
            from: minus(plus(moment.from, life), spread),
            to: plus(plus(moment.to, life), spread)
        )
    }

    /// Whether something that ends within `window` may be over for an operation that took effect at
    /// `latest` or before.
    func mayBeOver(_ window: Window, by latest: UInt64) -> Bool {
        plus(latest, spread) >= window.from
    }

    /// Whether it must be over for one that was called at `called`, where whoever answers has first
    /// moved the system's time to its own clock.
    func mustBeOver(_ window: Window, at called: UInt64) -> Bool {
        minus(called, spread) >= window.to
    }

    /// Whether it must be over even for a plain read, which moves no time.
    func mustBeGone(_ window: Window, at called: UInt64) -> Bool {
        called >= settled && minus(called, lateBy) >= plus(window.to, spread)
    }
}

/// A moment that is known only so well.
package struct Window: Hashable, Sendable {
    package var from: UInt64
    package var to: UInt64

    package init(from: UInt64, to: UInt64) {
        self.from = from
        self.to = to
    }

    /// The earlier of two such moments.
    func earlier(_ other: Window?) -> Window {
        guard let other else { return self }
        return Window(from: min(from, other.from), to: min(to, other.to))
    }

    /// The same moment, moved.
    func advanced(by duration: UInt64) -> Window {
        Window(from: plus(from, duration), to: plus(to, duration))
    }
}

/// Saturates.
func plus(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? .max : sum
}

/// Saturates at 0; what is without end stays so.
func minus(_ left: UInt64, _ right: UInt64) -> UInt64 {
    left == .max ? .max : left - min(left, right)
}
