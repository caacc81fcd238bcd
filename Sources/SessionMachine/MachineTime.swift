// The one time of a shard group, carried in its log.
//
// A leader stamps every entry; the machine keeps the maximum. Points and lengths of time are two
// types, both whole milliseconds, and their arithmetic saturates: no byte of a command can make it
// trap. Points stay at or below `Int64.max`, so every reply to a Redis client fits its signed 64
// bits, and the raw values above are free for the timer wheel's "not scheduled".

/// A point in time: milliseconds since 1970-01-01 UTC, 0...Int64.max.
package struct MachineTime: Hashable, Comparable, Sendable {
    package let millisecondsSince1970: UInt64

    /// Values above `Int64.max` become `latest`.
    @inline(__always)
    package init(millisecondsSince1970: UInt64) {
        self.millisecondsSince1970 = min(millisecondsSince1970, UInt64(Int64.max))
    }

    package static let zero = MachineTime(millisecondsSince1970: 0)
    package static let latest = MachineTime(millisecondsSince1970: UInt64.max)

    @inline(__always)
    package static func < (left: MachineTime, right: MachineTime) -> Bool {
        left.millisecondsSince1970 < right.millisecondsSince1970
    }

    /// This point moved into the future, at most to `latest`.
    @inline(__always)
    package func advanced(by duration: Milliseconds) -> MachineTime {
        let (sum, overflow) = millisecondsSince1970.addingReportingOverflow(duration.count)
        return overflow ? .latest : MachineTime(millisecondsSince1970: sum)
    }

    /// How long after `start` this point lies; zero where it lies before.
    @inline(__always)
    package func duration(since start: MachineTime) -> Milliseconds {
        let later = max(millisecondsSince1970, start.millisecondsSince1970)
        return Milliseconds(later - start.millisecondsSince1970)
    }
}

/// A length of time in whole milliseconds, never negative.
package struct Milliseconds: Hashable, Comparable, Sendable {
    package let count: UInt64

    @inline(__always)
    package init(_ count: UInt64) { self.count = count }

    package static let zero = Milliseconds(0)

    /// Saturates at `UInt64.max` milliseconds.
    package static func seconds(_ seconds: UInt64) -> Milliseconds {
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
        return Milliseconds(overflow ? .max : product)
    }

    @inline(__always)
    package static func < (left: Milliseconds, right: Milliseconds) -> Bool {
        left.count < right.count
    }

    /// The sum, saturating at `UInt64.max` milliseconds.
    @inline(__always)
    package func adding(_ other: Milliseconds) -> Milliseconds {
        let (sum, overflow) = count.addingReportingOverflow(other.count)
        return Milliseconds(overflow ? .max : sum)
    }
}
