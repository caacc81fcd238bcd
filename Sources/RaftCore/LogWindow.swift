// The part of a group's log that is in memory: all entries after `base`, and how far they are
// durable.
//
// Indexes: base.index <= durable <= last.index, and base.index <= handedOut <= last.index, where
// (durable, handedOut] is what the batch in flight writes. Cutting the log at i pulls both below i,
// so that the answer to a write that was overtaken by a cut cannot vouch for the entries that came
// instead (the ABA race of overlapping appends).

/// A group's log in memory.
package struct LogWindow: Sendable {
    /// The position just before the first entry held; what it stands for is compacted.
    package private(set) var base: LogPosition
    private var entries: EntryChunks
    /// All entries up to here are on this node's disk.
    package private(set) var durable: LogIndex
    /// All entries up to here are on the disk or in the batch that is being written.
    package private(set) var handedOut: LogIndex

    /// A log as read back from the disk: all of it durable. `stored` continues `base` without a
    /// gap.
    package init(base: LogPosition, stored: [Entry]) {
        self.base = base
        entries = EntryChunks(stored)
        for (offset, entry) in stored.enumerated() {
            precondition(entry.index == base.index.advanced(by: offset + 1), "a gap in the log")
        }
        durable = stored.last?.index ?? base.index
        handedOut = durable
    }

    package var last: LogPosition { entries.last?.position ?? base }

    package var count: Int { entries.count }

    /// The term of the entry at `index`; nil where this node does not know it.
    package func term(at index: LogIndex) -> Term? {
        if index == base.index { return base.term }
        guard index > base.index, index <= last.index else { return nil }
        return entries[offset(of: index)].term
    }

    package func contains(_ position: LogPosition) -> Bool {
        term(at: position.index) == position.term
    }

    package subscript(index: LogIndex) -> Entry {
        precondition(index > base.index)
        precondition(index <= last.index)
        return entries[offset(of: index)]
    }

    /// The entries in `(start, end]`, cut after `countMax` entries or before `bytesMax` bytes are
    /// exceeded, but never before the first one.
    package func slice(
        after start: LogIndex,
        through end: LogIndex,
        countMax: Int = .max,
        bytesMax: Int = .max
    ) -> [Entry] {
        precondition(start >= base.index)
        let (first, limit) = offsets(after: start, through: end)
        guard first < limit else { return [] }
        var bytes = 0
        var stop = first
        while stop < limit, stop - first < countMax {
            bytes += entries[stop].payloadBytes
            if bytes > bytesMax, stop > first { break }
            stop += 1
        }
        return entries.copy(first..<stop)
    }

    /// Bytes of payload in `(start, end]`.
    package func payloadBytes(after start: LogIndex, through end: LogIndex) -> Int {
        precondition(start >= base.index)
        let (first, limit) = offsets(after: start, through: end)
        guard first < limit else { return 0 }
        return (first..<limit).reduce(0) { $0 + entries[$1].payloadBytes }
    }

    package mutating func append(_ entry: Entry) {
        precondition(entry.index == last.index.next)
        precondition(entry.term >= last.term, "terms never fall along a log")
        entries.append(entry)
    }

    /// Drops every entry from `index` on (Raft section 5.3: a follower's conflicting suffix).
    package mutating func truncate(from index: LogIndex) {
        precondition(index > base.index)
        guard index <= last.index else { return }
        entries.remove(from: offset(of: index))
        durable = min(durable, index.previous)
        handedOut = min(handedOut, index.previous)
    }

    /// The entries that no batch has taken yet.
    package var unsaved: [Entry] { slice(after: handedOut, through: last.index) }

    /// A durable snapshot stands for everything up to `index`: those entries go. All of them are
    /// durable here too, or the disk would be told of a gap. Their memory comes back by and by,
    /// with `releaseSome`.
    package mutating func compact(through index: LogIndex) {
        precondition(index >= base.index)
        precondition(index <= durable)
        guard let term = term(at: index) else { preconditionFailure("what is durable is here") }
        entries.removeFirst(index.distance(from: base.index))
        base = LogPosition(term: term, index: index)
    }

    /// A durable snapshot of a leader stands for everything up to `position`. Where the log has
    /// that very entry, what follows it stays (Raft figure 13, step 6); where it has not, "discard
    /// the entire log" (step 7).
    package mutating func restart(at position: LogPosition) {
        precondition(position.index > base.index)
        if contains(position) {
            entries.removeFirst(position.index.distance(from: base.index))
        } else {
            entries.removeAll()
            durable = position.index
            handedOut = position.index
        }
        base = position
        durable = max(durable, position.index)
        handedOut = max(handedOut, position.index)
    }

    /// Whether what snapshots stand for has given all its memory back.
    package var isReleased: Bool { entries.isReleased }

    /// Gives back some of the memory of what a snapshot stands for. Called in every turn.
    package mutating func releaseSome() { entries.releaseSome() }

    /// The unsaved entries were handed to the disk.
    package mutating func markHandedOut() { handedOut = last.index }

    /// The batch in flight is on the disk: so is whatever of it has not been cut since.
    package mutating func markDurable() { durable = max(durable, handedOut) }

    /// The last position at or before `index` whose term is at most `term`: where two logs that
    /// differ at `index` could first agree.
    package func lastPosition(atOrBefore index: LogIndex, termAtMost term: Term) -> LogPosition {
        var candidate = min(index, last.index)
        while candidate > base.index {
            let position = entries[offset(of: candidate)].position
            if position.term <= term { return position }
            candidate = candidate.previous
        }
        return base
    }

    /// Of the entries in `(start, end]` that are here: the first, and one past the last.
    private func offsets(after start: LogIndex, through end: LogIndex) -> (first: Int, limit: Int) {
        (offset(of: start.next), min(offset(of: min(end, last.index)) + 1, entries.count))
    }

    /// May be -1 or one past the end: callers compare before they use it.
    private func offset(of index: LogIndex) -> Int {
        Int(index.rawValue) - Int(base.index.rawValue) - 1
    }
}
