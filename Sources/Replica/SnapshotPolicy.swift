// When a snapshot is cut: after so many entries or bytes, where that is a fair part of what the
// snapshot itself will take to write, and never while the one before is still being stored. What
// was applied before the node started counts from its snapshot, so that a node which restarts often
// does not let its log grow without end.

import RaftCore

/// How much was applied since the last snapshot.
struct SnapshotPolicy: Sendable {
    private let entriesMax: Int
    private let bytesMax: Int
    /// Where the last snapshot was cut, or where the machine was restored from one.
    private var last: LogIndex
    /// Payload bytes applied since `last`.
    private var bytes = 0
    /// A cut is with the driver.
    private var isStoring = false
    /// The last one is of no use: the next is due whatever was applied since.
    private var isWanted = false
    /// Somebody needs one that stands for this entry.
    private var wantedThrough = LogIndex.zero
    /// The tick before which a snapshot that is wanted is not tried again.
    private var restsUntil = 0

    init(tuning: Tuning, from start: LogIndex) {
        precondition(tuning.snapshotEntries >= 1)
        precondition(tuning.snapshotBytes >= 1)
        entriesMax = tuning.snapshotEntries
        bytesMax = tuning.snapshotBytes
        last = start
    }

    mutating func applied(bytes count: Int) { bytes += count }

    /// `stored` is where the newest snapshot ends that is durable, `stateBytes` the size of what
    /// would be written, `tick` the replica's.
    func isDue(
        at applied: LogIndex,
        stored: LogIndex,
        stateBytes: Int,
        in tick: Int
    ) -> Bool {
        guard !isStoring else { return false }
        if isWanted || stored < wantedThrough, tick >= restsUntil { return true }
        let entries = applied.distance(from: last)
        guard entries >= entriesMax || (bytes >= bytesMax && entries > 0) else { return false }
        let logBytes = bytes + entries * Limits.entryOverheadBytes
        return logBytes >= stateBytes / Limits.snapshotCostRatio
    }

    mutating func cut(at applied: LogIndex) {
        precondition(!isStoring, "one snapshot at a time")
        isStoring = true
        isWanted = false
        restart(from: applied)
    }

    mutating func want() { isWanted = true }

    mutating func want(through index: LogIndex) { wantedThrough = max(wantedThrough, index) }

    /// The cut is stored: there is room.
    mutating func stored() {
        isStoring = false
        restsUntil = 0
    }

    /// The driver gave the cut up in `tick`. What was applied before it counts no more, and whoever
    /// wants another waits, or a disk that is full would be filled again and again.
    mutating func abandoned(in tick: Int) {
        isStoring = false
        restsUntil = tick + Limits.snapshotRestTicks
    }

    /// The machine is that of a snapshot from elsewhere. A cut that is out stays out: the driver
    /// still has to say what became of it.
    mutating func restored(at index: LogIndex) { restart(from: index) }

    private mutating func restart(from index: LogIndex) {
        last = index
        bytes = 0
    }
}
