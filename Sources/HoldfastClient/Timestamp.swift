// Moments as the cluster names them. They come from replies only: the client has no clock of its
// own that it would compare with the cluster's, and must never decide by one that a session ended.

/// A moment in the cluster's time.
public struct Timestamp: Hashable, Sendable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public var millisecondsSince1970: Int64

    /// The moment so many milliseconds after 1970-01-01T00:00:00Z.
    ///
    /// - Parameter millisecondsSince1970: Milliseconds; negative before 1970.
    public init(millisecondsSince1970: Int64) {
        self.millisecondsSince1970 = millisecondsSince1970
    }

    /// The time from `earlier` to this moment; negative when `earlier` is later. Saturates at the
    /// ends of 64 bits.
    ///
    /// - Parameter earlier: The moment to measure from.
    /// - Returns: A whole number of milliseconds.
    public func duration(since earlier: Timestamp) -> Duration {
        let (difference, overflow) = millisecondsSince1970.subtractingReportingOverflow(
            earlier.millisecondsSince1970
        )
        guard overflow else { return .milliseconds(difference) }
        return .milliseconds(millisecondsSince1970 < 0 ? Int64.min : Int64.max)
    }
}

extension Timestamp: Comparable {
    /// Whether the left moment is the earlier one.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.millisecondsSince1970 < right.millisecondsSince1970
    }
}

extension Timestamp: CustomStringConvertible {
    /// The milliseconds since 1970, with their unit.
    public var description: String { "\(millisecondsSince1970) ms" }
}
