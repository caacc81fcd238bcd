// When does a validate have to write?
//
// An idle timeout slides with each use, and a write per use would make reads cost what writes cost.
// So uses are logged with a granularity g (1/16 of the idle timeout, at most a minute), and the
// deadline is
//
//     idle deadline = last logged touch + idle + g
//
// A use that finds the last touch younger than g is a pure read: the deadline already lies beyond
// use + idle. An older one logs a touch first. So a session never ends before use + idle, nor after
// use + idle + g; and since the rule reads nothing but the record, any leader decides the same.

package enum TouchRule {
    /// g: min(idle / 16, one minute), at least 1 ms.
    package static func granularity(idle: Milliseconds) -> Milliseconds {
        max(Milliseconds(1), min(Milliseconds(idle.count / 16), Limits.touchGranularity))
    }

    /// When a session ends that is not used after `lastTouch`.
    package static func deadline(lastTouch: MachineTime, idle: Milliseconds) -> MachineTime {
        lastTouch.advanced(by: idle.adding(granularity(idle: idle)))
    }

    /// Whether a use at `now` must be logged.
    package static func isTouchDue(
        lastTouch: MachineTime,
        idle: Milliseconds,
        now: MachineTime
    ) -> Bool {
        now.duration(since: lastTouch) >= granularity(idle: idle)
    }
}
