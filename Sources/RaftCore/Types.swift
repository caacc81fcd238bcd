// The words of the Raft paper as types, so that a term can never be passed for an index.

/// A term: Raft's logical clock. Terms only grow (Raft section 5.1).
package struct Term: RawRepresentable, Hashable, Comparable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package init(_ value: UInt64) { rawValue = value }

    /// The term before the first election.
    package static let zero = Term(0)

    package static func < (left: Term, right: Term) -> Bool { left.rawValue < right.rawValue }

    /// The term that a new election starts.
    package var next: Term { Term(rawValue + 1) }
}

/// A position in one group's log. The first entry has index 1; 0 stands for "before the log".
package struct LogIndex: RawRepresentable, Hashable, Comparable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package init(_ value: UInt64) { rawValue = value }

    package static let zero = LogIndex(0)

    package static func < (left: LogIndex, right: LogIndex) -> Bool {
        left.rawValue < right.rawValue
    }

    package var next: LogIndex { LogIndex(rawValue + 1) }

    /// The index before this one; zero stays zero.
    package var previous: LogIndex { LogIndex(rawValue == 0 ? 0 : rawValue - 1) }

    package func advanced(by count: Int) -> LogIndex {
        precondition(count >= 0)
        return LogIndex(rawValue + UInt64(count))
    }

    /// How many entries lie in `(start, self]`; 0 where `start` is not before `self`.
    package func distance(from start: LogIndex) -> Int {
        rawValue <= start.rawValue ? 0 : Int(clamping: rawValue - start.rawValue)
    }
}

/// A node of the cluster. Ids start at 1 and are never used twice.
package struct NodeID: RawRepresentable, Hashable, Comparable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package init(_ value: UInt64) { rawValue = value }

    package static func < (left: NodeID, right: NodeID) -> Bool { left.rawValue < right.rawValue }
}

/// A log position with its term: names one entry for all time (Log Matching, Raft section 5.3).
package struct LogPosition: Hashable, Sendable {
    package var term: Term
    package var index: LogIndex

    package init(term: Term, index: LogIndex) {
        self.term = term
        self.index = index
    }

    package static let origin = LogPosition(term: .zero, index: .zero)

    /// Raft section 5.4.1: the log with the later last term is more up-to-date; with equal last
    /// terms, the longer one is.
    package func isAtLeastAsUpToDate(as other: LogPosition) -> Bool {
        if term != other.term { return term > other.term }
        return index >= other.index
    }
}

/// What a node must remember over a restart besides its log (Raft figure 2, persistent state).
package struct HardState: Hashable, Sendable {
    package var term: Term
    /// The candidate that got this node's vote in `term`.
    package var vote: NodeID?
    /// The highest index known committed when this was written. A hint: it spares a restarted node
    /// nothing but time, and may be lost.
    package var commit: LogIndex
    /// The log may lack entries that this node has acknowledged: see `Voice.swift`.
    package var isMute: Bool

    package init(
        term: Term = .zero,
        vote: NodeID? = nil,
        commit: LogIndex = .zero,
        isMute: Bool = false
    ) {
        self.term = term
        self.vote = vote
        self.commit = commit
        self.isMute = isMute
    }
}

/// A moment on a node's own monotonic clock, in nanoseconds since some moment before the node
/// started. Moments of two nodes cannot be compared, and a clock that stands still while the
/// machine is suspended must not be used: leases are measured with it.
package struct Instant: RawRepresentable, Hashable, Comparable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package init(_ nanoseconds: UInt64) { rawValue = nanoseconds }

    package static let zero = Instant(0)
    package static let distantFuture = Instant(.max)

    package static func < (left: Instant, right: Instant) -> Bool { left.rawValue < right.rawValue }

    /// Saturates at `distantFuture`.
    package func advanced(by nanoseconds: UInt64) -> Instant {
        let (sum, overflow) = rawValue.addingReportingOverflow(nanoseconds)
        return overflow ? .distantFuture : Instant(sum)
    }
}

/// A shard group: one Raft group among those that share a cluster. Numbered from 0, without gaps.
package struct GroupID: RawRepresentable, Hashable, Comparable, Sendable {
    package var rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }
    package init(_ value: UInt16) { rawValue = value }

    package static func < (left: GroupID, right: GroupID) -> Bool { left.rawValue < right.rawValue }
}

/// A cluster, told from every other by 128 bits. In every peer frame and every data directory, so
/// that nodes of two clusters never talk and a directory is never opened by the wrong one.
package struct ClusterID: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}
