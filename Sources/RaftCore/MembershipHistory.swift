// The memberships that a node may still need: the one of its snapshot, and every one in the log
// after it. The newest is in force, committed or not (dissertation section 4.1: "a server always
// uses the latest configuration in its log, regardless of whether the entry is committed"). When
// entries are cut off the log, their memberships go with them and the one before is in force again;
// the oldest is never cut, so there always is one.

/// The memberships of a log, by the index from which on each is in force.
struct MembershipHistory: Hashable, Sendable {
    private struct Change: Hashable, Sendable {
        var index: LogIndex
        var membership: Membership
    }

    /// Ascending by index; never empty.
    private var changes: [Change]

    init(_ mark: SnapshotMark) {
        changes = [Change(index: mark.position.index, membership: mark.membership)]
    }

    /// In force now.
    var current: Membership { changes[changes.count - 1].membership }

    /// The entry that brought the current one, or the snapshot that holds it.
    var currentIndex: LogIndex { changes[changes.count - 1].index }

    /// The one in force as of the entry at `index`, which is not before the snapshot's.
    func membership(at index: LogIndex) -> Membership {
        // The first one holds from the snapshot on.
        (changes.last { $0.index <= index } ?? changes[0]).membership
    }

    /// Takes in an entry that was appended. False where it changes nothing.
    mutating func append(_ entry: Entry) -> Bool {
        guard case .membership(let membership) = entry.content else { return false }
        precondition(entry.index > currentIndex)
        changes.append(Change(index: entry.index, membership: membership))
        return true
    }

    /// The log lost everything from `index` on. False where that changes nothing.
    mutating func truncate(from index: LogIndex) -> Bool {
        let before = changes.count
        while changes.count > 1, changes[changes.count - 1].index >= index { changes.removeLast() }
        return changes.count != before
    }

    /// A snapshot stands for everything up to `index`: what it replaces is forgotten.
    mutating func compact(through index: LogIndex) {
        while changes.count > 1, changes[1].index <= index { changes.removeFirst() }
    }

    /// A snapshot was installed. What the log has after it stays.
    mutating func restart(at mark: SnapshotMark, keepingSuffix: Bool) {
        let suffix = changes.dropFirst().filter { $0.index > mark.position.index }
        self = MembershipHistory(mark)
        if keepingSuffix { changes += suffix }
    }
}
