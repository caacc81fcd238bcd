// How a change of members goes, look by look, and when to stop looking. Pure: what each look saw
// and the time go in, what to do next comes out.
//
//   goOn ... goOn -> done | refused | stuck        who waits
//   goOn ... goOn -> done | refused | begun | partlyBegun
//                                                  who does not: a few looks, so that a leader that
//                                                  has just begun is asked again
//
// Where no group has taken the command when the looking ends, the verdict is `notBegun`.

/// Watches one change on its way.
package struct MembershipCourse {
    /// How long to look.
    package enum Patience: Hashable, Sendable {
        /// Until nothing has moved for so long.
        case untilIdle(Duration)
        /// So many times.
        case looks(Int)
    }

    package enum Verdict: Hashable, Sendable {
        /// Look again.
        case goOn
        /// All groups are as wanted.
        case done
        /// It will not happen.
        case refused(group: Int, String)
        /// All groups have taken it, and what follows is not waited for.
        case begun
        /// Some groups have taken it, others have not; nobody will ask those again.
        case partlyBegun
        /// A group has taken it, and nothing moves any more.
        case stuck
        /// No group has taken it.
        case notBegun
    }

    /// The most that a group's new member was ever seen to have.
    private struct Mark {
        var match: UInt64 = 0
        var snapshotBytes: UInt64 = 0
    }

    private let patience: Patience
    private var looks = 0
    /// The groups that have taken it, at any look.
    private var taken: Set<Int> = []
    private var movedAt: ContinuousClock.Instant
    private var doneMost = 0
    private var marks: [Mark] = []

    package init(_ patience: Patience, at now: ContinuousClock.Instant) {
        self.patience = patience
        movedAt = now
    }

    /// Takes in what a look saw at `now`.
    package mutating func take(
        _ progress: [GroupProgress],
        at now: ContinuousClock.Instant
    ) -> Verdict {
        looks += 1
        for (group, state) in progress.enumerated() {
            if case .refused(let text) = state { return .refused(group: group, text) }
        }
        if progress.allSatisfy({ $0 == .done }) { return .done }
        for (group, state) in progress.enumerated() where state.isTaken { taken.insert(group) }
        if hasMoved(progress) { movedAt = now }
        switch patience {
        case .looks(let count):
            if taken.count == progress.count { return .begun }
            guard looks >= count else { return .goOn }
            return taken.isEmpty ? .notBegun : .partlyBegun
        case .untilIdle(let limit):
            guard movedAt.duration(to: now) >= limit else { return .goOn }
            return taken.isEmpty ? .notBegun : .stuck
        }
    }

    /// Whether more is there than ever before: groups that are done, entries, or bytes of a
    /// snapshot. What is lacking says nothing, since it grows with each write; nor does what was
    /// lost and is coming again.
    private mutating func hasMoved(_ progress: [GroupProgress]) -> Bool {
        if marks.isEmpty { marks = progress.map { _ in Mark() } }
        let done = progress.count { $0 == .done }
        var hasMoved = done > doneMost
        doneMost = max(doneMost, done)
        for (group, state) in progress.enumerated() {
            guard case .waiting(let member?) = state else { continue }
            if member.match > marks[group].match {
                // A snapshot that comes after this one begins anew.
                marks[group] = Mark(match: member.match)
                hasMoved = true
            }
            let bytes = member.snapshotBytes ?? 0
            if bytes > marks[group].snapshotBytes {
                marks[group].snapshotBytes = bytes
                hasMoved = true
            }
        }
        return hasMoved
    }
}

extension GroupProgress {
    /// Whether the group has taken what it was told.
    fileprivate var isTaken: Bool {
        switch self {
        case .done, .waiting: true
        case .notBegun, .noLeader, .refused: false
        }
    }
}

extension [GroupProgress] {
    /// For one line on a terminal: at most six groups are shown.
    package var summary: String {
        var parts = ["\(count { $0 == .done }) of \(count) groups done"]
        let silent = count { $0 == .noLeader }
        if silent > 0 { parts.append("\(silent) without a leader") }
        let asked = count { $0 == .notBegun }
        if asked > 0 { parts.append("\(asked) not begun") }
        let lacking = enumerated().compactMap { group, state -> String? in
            guard case .waiting(let member?) = state, member.lacks > 0 else { return nil }
            let bytes = member.snapshotBytes.map { " (\($0) bytes of a snapshot there)" } ?? ""
            return "\(group): \(member.lacks)\(bytes)"
        }
        if !lacking.isEmpty {
            let shown = lacking.prefix(6).joined(separator: ", ")
            parts.append("entries lacking by group: \(shown)\(lacking.count > 6 ? ", ..." : "")")
        }
        return parts.joined(separator: "; ")
    }
}
