// The follower's side of InstallSnapshot (Raft figure 13, "Receiver implementation"), and what a
// node's own snapshot means to its log.
//
// The chunks go to the driver in order and without gaps. The leader is asked for the next one when
// the driver has kept the one before, so that no more than one waits in memory. When it has made
// the whole durable, the snapshot takes the place of the log up to it. A snapshot never replaces
// newer state: one that ends at or before the commit index is acknowledged and otherwise ignored.

/// A snapshot that is being received.
struct IncomingSnapshot: Hashable, Sendable {
    /// Whose chunks they are. Two leaders' snapshots of one position need not be the same bytes.
    struct Source: Hashable, Sendable {
        var leader: NodeID
        var term: Term
        var position: LogPosition
    }

    let source: Source
    /// The offset of the chunk that comes next.
    var next: UInt64 = 0
    /// The driver has kept everything before this offset.
    var kept: UInt64 = 0
    /// The driver has all chunks, and checks and stores them.
    var isComplete = false
}

extension RaftNode {
    /// Called with a chunk of this term's leader.
    mutating func receiveChunk(
        _ chunk: SnapshotChunk,
        from sender: NodeID,
        _ effects: inout Effects
    ) {
        let position = chunk.mark.position
        guard position.term <= term, position.index <= Limits.highestIndex else { return }
        guard position.index > commit else {
            incoming = nil
            sendWhenDurable(envelope(to: sender, .appendResponse(.accepted(match: commit))))
            return
        }
        let source = IncomingSnapshot.Source(leader: sender, term: term, position: position)
        if chunk.offset == 0, incoming?.source != source || incoming?.next == 0 {
            incoming = IncomingSnapshot(source: source)
        }
        guard var receiving = incoming, receiving.source == source else {
            return want(0, of: position, from: sender, &effects)
        }
        guard chunk.offset == receiving.next, !receiving.isComplete else {
            return want(receiving.kept, of: position, from: sender, &effects)
        }
        let (next, overflow) = receiving.next.addingReportingOverflow(UInt64(chunk.bytes.count))
        // An empty piece that is not the last would never come to an end.
        guard !overflow, chunk.isLast || !chunk.bytes.isEmpty else { return }
        receiving.next = next
        receiving.isComplete = chunk.isLast
        incoming = receiving
        effects.chunks.append(
            ReceivedChunk(
                mark: chunk.mark,
                offset: chunk.offset,
                bytes: chunk.bytes,
                isLast: chunk.isLast
            )
        )
    }

    /// The driver has kept all chunks of the snapshot at `position` that end at `end` or before.
    mutating func chunkKept(_ position: LogPosition, through end: UInt64, _ effects: inout Effects)
    {
        // It may speak of a transfer that was begun anew meanwhile.
        guard var receiving = incoming, receiving.source.position == position,
            receiving.source.term == term, end > receiving.kept, end <= receiving.next
        else { return }
        receiving.kept = end
        incoming = receiving
        want(end, of: position, from: receiving.source.leader, &effects)
    }

    private mutating func want(
        _ offset: UInt64,
        of position: LogPosition,
        from sender: NodeID,
        _ effects: inout Effects
    ) {
        let answer = SnapshotResponse(position: position, wanted: offset)
        effects.send.append(envelope(to: sender, .snapshotResponse(answer)))
    }

    mutating func snapshotDamaged(_ position: LogPosition) {
        // The next chunk finds nothing to continue, and the leader begins anew.
        if incoming?.source.position == position { incoming = nil }
    }

    /// The snapshot is whole, sound and durable: figure 13, steps 5 to 8.
    mutating func snapshotReceived(_ mark: SnapshotMark, _ effects: inout Effects) {
        if incoming?.source.position == mark.position { incoming = nil }
        let position = mark.position
        guard position.index > commit else { return acknowledgeSnapshot() }
        // No chunk of a later term is taken; but a snapshot, from wherever it came, brings its
        // term.
        if position.term > term { becomeFollower(term: position.term, leader: nil) }
        let keepsSuffix = log.contains(position)
        if keepsSuffix {
            // It may lead by now: then what it holds uncommitted is counted.
            advanceCommit(to: position.index)
        } else if role == .leader {
            // It leads without what was committed before its term: somebody lies.
            becomeFollower(term: term, leader: nil)
        }
        log.restart(at: position)
        history.restart(at: mark, keepingSuffix: keepsSuffix)
        snapshot = mark
        commit = position.index
        appliedReported = position.index
        durability.base = position
        durability.isBaseNeeded = true
        effects.restore = mark
        agree(through: commit)
        membershipChanged()
        acknowledgeSnapshot()
    }

    private mutating func acknowledgeSnapshot() {
        guard let leader, leader != id else { return }
        sendWhenDurable(envelope(to: leader, .appendResponse(.accepted(match: commit))))
    }

    // MARK: Own snapshots

    /// The driver has stored what it cut at `mark`. Section 7: "Once a server completes writing a
    /// snapshot, it may delete all log entries up through the last included index". A few stay, for
    /// followers that are a little behind.
    mutating func snapshotStored(_ mark: SnapshotMark) {
        // A newer one may have come from the leader meanwhile.
        guard mark.position.index > snapshot.position.index else { return }
        precondition(mark.position.index <= commit, "only what is applied is in a snapshot")
        snapshot = mark
        renewTransfers()
        history.compact(through: mark.position.index)
        let target = min(compactionTarget, log.durable)
        guard target > log.base.index else { return }
        log.compact(through: target)
        durability.base = log.base
    }

    /// Up to where the log may go, with the trailing window kept.
    private var compactionTarget: LogIndex {
        let limits = configuration.limits
        var target = snapshot.position.index
        var kept = 0
        var bytes = 0
        while kept < limits.trailingEntries, target > log.base.index {
            bytes += log[target].payloadBytes
            if bytes > limits.trailingBytesMax { break }
            target = target.previous
            kept += 1
        }
        return target
    }
}
