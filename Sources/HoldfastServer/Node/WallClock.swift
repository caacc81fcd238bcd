// The node's clock. Time of day goes into the log as a leader's stamp, and tells a leader when
// such a stamp is due; what has ended is decided by the log alone.

import Glibc
import SessionMachine

enum WallClock {
    /// Milliseconds since 1970 by this machine.
    static func now() -> MachineTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let milliseconds = Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
        return MachineTime(millisecondsSince1970: UInt64(max(0, milliseconds)))
    }

    /// Microseconds since 1970, for TIME.
    static func microseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}
