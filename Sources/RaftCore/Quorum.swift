// What a majority is, and what it has agreed on. Groups have at most seven voters, so counting over
// them again and again beats sorting: no allocation.

/// Majorities of `count` voters.
package struct Quorum: Hashable, Sendable {
    package let voterCount: Int

    package init(voterCount: Int) {
        precondition(voterCount >= 1)
        self.voterCount = voterCount
    }

    /// The smallest number of voters of which any two sets overlap.
    package var size: Int { voterCount / 2 + 1 }

    /// The highest value that a majority of `values` has reached (Raft figure 2, rules for
    /// leaders).
    package func reached<Value: Comparable>(by values: some Collection<Value>) -> Value {
        precondition(values.count == voterCount)
        var best: Value?
        for candidate in values where best.map({ candidate > $0 }) ?? true {
            var supporters = 0
            for value in values where value >= candidate {
                supporters += 1
            }
            if supporters >= size { best = candidate }
        }
        // The smallest value is reached by all voters, so there always is one.
        guard let best else { preconditionFailure("a group has voters") }
        return best
    }
}

/// The votes of one election.
struct Ballot: Hashable, Sendable {
    private(set) var granted: [NodeID] = []
    private(set) var refused: [NodeID] = []

    /// Counts a voter once, whatever it says later.
    mutating func record(_ voter: NodeID, granted isGranted: Bool) {
        guard !granted.contains(voter), !refused.contains(voter) else { return }
        if isGranted { granted.append(voter) } else { refused.append(voter) }
    }

    enum Outcome: Hashable {
        case won
        case lost
        case open
    }

    func outcome(_ quorum: Quorum) -> Outcome {
        if granted.count >= quorum.size { return .won }
        if refused.count > quorum.voterCount - quorum.size { return .lost }
        return .open
    }
}
