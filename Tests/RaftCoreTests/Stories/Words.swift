// The words of one command of a story, taken one after the other. What is missing or not understood
// is an error, never a default.

import RaftCore

/// The words of one command.
struct Words {
    private var rest: [Substring]

    init(_ command: Substring) { rest = command.split(separator: " ") }

    /// The commands of a list: `read 1 and read 1`.
    mutating func commands() -> [Words] {
        let parts = rest.split(separator: "and")
        rest = []
        return parts.map { Words($0.joined(separator: " ")[...]) }
    }

    var isEmpty: Bool { rest.isEmpty }

    mutating func next() -> Substring? { rest.isEmpty ? nil : rest.removeFirst() }

    mutating func skip(_ word: Substring) -> Bool {
        guard rest.first == word else { return false }
        rest.removeFirst()
        return true
    }

    mutating func number() throws(StoryError) -> UInt64 {
        guard let word = next(), let number = UInt64(word) else {
            throw StoryError(description: "a number is missing")
        }
        return number
    }

    /// `5@2`: the entry at index 5, of term 2.
    mutating func position() throws(StoryError) -> LogPosition {
        let parts = (next() ?? "").split(separator: "@").compactMap { UInt64($0) }
        guard parts.count == 2 else {
            throw StoryError(description: "a position such as 5@2 is missing")
        }
        return LogPosition(term: Term(parts[1]), index: LogIndex(parts[0]))
    }

    mutating func node(of cluster: Cluster) throws(StoryError) -> UInt64 {
        try Self.known(number(), in: cluster)
    }

    private static func known(
        _ id: UInt64,
        in cluster: Cluster
    ) throws(StoryError) -> UInt64 {
        guard id >= 1, id <= UInt64(cluster.members.count) else {
            throw StoryError(description: "no node \(id)")
        }
        return id
    }

    /// `1->2`
    mutating func link(of cluster: Cluster) throws(StoryError) -> (UInt64, UInt64) {
        let ends = (next() ?? "").split(separator: "->").compactMap { UInt64($0) }
        guard ends.count == 2 else {
            throw StoryError(description: "a link such as 1->2 is missing")
        }
        return (try Self.known(ends[0], in: cluster), try Self.known(ends[1], in: cluster))
    }

    /// `x3`, or once.
    mutating func times() throws(StoryError) -> Int {
        guard let word = next() else { return 1 }
        guard word.hasPrefix("x"), let times = Int(word.dropFirst()) else {
            throw StoryError(description: "a count such as x3 is missing: \(word)")
        }
        return times
    }

    /// `voters=3 outsiders=1`
    mutating func options() throws(StoryError) -> [Substring: Int] {
        let known: [Substring] = [
            "voters", "outsiders", "trailing", "chunk", "window", "entries", "streams",
            "uncommitted", "promise", "drift", "stall",
        ]
        var options: [Substring: Int] = [:]
        while let word = next() {
            let parts = word.split(separator: "=")
            guard parts.count == 2, known.contains(parts[0]), let value = Int(parts[1]) else {
                throw StoryError(description: "no such option: \(word)")
            }
            options[parts[0]] = value
        }
        return options
    }

    mutating func change(_ verb: Substring) throws(StoryError) -> MembershipChange {
        let id = NodeID(try number())
        if verb == "promote" { return .promote(id) }
        if verb == "remove" { return .remove(id) }
        switch next() {
        case nil: return .add(id, contact: [], promotion: .whenCaughtUp(replacing: nil))
        case "learner": return .add(id, contact: [], promotion: .onRequest)
        case "replacing":
            let replaced = NodeID(try number())
            return .add(id, contact: [], promotion: .whenCaughtUp(replacing: replaced))
        case let word?: throw StoryError(description: "add N learner or replacing M, not \(word)")
        }
    }
}
