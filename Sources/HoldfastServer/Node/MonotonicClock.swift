// The node's own clock for leases and promises. CLOCK_BOOTTIME goes on while the machine is
// suspended: a lease must have run out when a leader wakes up, since the others have long elected
// another one.

import Glibc
import RaftCore

enum MonotonicClock {
    /// Nanoseconds since the machine started.
    static func now() -> Instant {
        var time = timespec()
        // It cannot fail: the clock is there since Linux 2.6.39, and the pointer is good.
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Instant(UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}
