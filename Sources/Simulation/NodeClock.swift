// A node's two clocks. The monotonic one runs a little fast or slow and never stands still, not
// even while the process or the machine is suspended (CLOCK_BOOTTIME); the wall clock is off by
// some amount and jumps when somebody sets it.

import RaftCore
import SessionMachine

struct NodeClock: Sendable {
    /// True time and own time of the last change of speed.
    private var since: (time: UInt64, own: UInt64)
    /// Millionths by which the monotonic clock is fast; negative where it is slow.
    private(set) var fastness: Int64
    /// Nanoseconds by which the wall clock is ahead of true time.
    var wallOffset: Int64

    /// Milliseconds since 1970 at the start of each run.
    private static let epoch: UInt64 = 1_700_000_000_000

    init(start: UInt64, fastness: Int64, wallOffset: Int64) {
        since = (0, start)
        self.fastness = fastness
        self.wallOffset = wallOffset
    }

    func instant(at time: UInt64) -> Instant {
        let elapsed = (time - since.time) * UInt64(1_000_000 + fastness) / 1_000_000
        return Instant(since.own + elapsed)
    }

    func wallTime(at time: UInt64) -> MachineTime {
        let nanoseconds = Int64(Self.epoch * Time.millisecond + time) + wallOffset
        return MachineTime(millisecondsSince1970: UInt64(max(nanoseconds, 0)) / Time.millisecond)
    }

    /// How much true time goes by while this clock counts `duration`; rounded up, so that a timer
    /// is late rather than early.
    func trueTime(of duration: UInt64) -> UInt64 {
        let speed = UInt64(1_000_000 + fastness)
        return (duration * 1_000_000 + speed - 1) / speed
    }

    mutating func setFastness(_ fastness: Int64, at time: UInt64) {
        since = (time, instant(at: time).rawValue)
        self.fastness = fastness
    }

    /// The machine was started again: its clock begins anew.
    mutating func reboot(at time: UInt64, to own: UInt64) { since = (time, own) }
}
