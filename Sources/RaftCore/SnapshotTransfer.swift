// The leader's side of InstallSnapshot: Raft section 7 and figure 13. A follower that needs entries
// which are compacted gets the leader's newest snapshot instead.
//
// One chunk at a time travels to a follower; its answer names the offset wanted next, so that what
// was lost is sent again and a transfer goes on where it was. A transfer keeps to the snapshot it
// began with while the driver still has it. It never holds up compaction: if the log has moved on
// meanwhile, the follower gets another snapshot in the end.
//
// Bytes are bounded by tick, streams by number (`Limits`); whoever is over the bound waits for its
// turn. Who stands still or has to begin anew goes behind all who wait: otherwise a few followers
// that cannot store a snapshot would keep it from all others for good.

/// A snapshot on its way to one follower.
package struct SnapshotTransfer: Hashable, Sendable {
    package enum Phase: Hashable, Sendable {
        /// Waits for its turn, or for the next tick's bytes.
        case waiting
        /// The driver was asked for the chunk at `acknowledged`.
        case fetching
        /// The chunk from `acknowledged` to `end` is out.
        case sent(end: UInt64, isLast: Bool)
    }

    package var mark: SnapshotMark
    /// The follower has everything before this offset.
    package var acknowledged: UInt64 = 0
    package var phase = Phase.waiting
    /// Heartbeats since anything moved.
    package var heartbeatsIdle = 0
    /// Lower ones come first. No two transfers of a leadership have the same.
    var turn: UInt64
    /// The chunk that was sent last. Its answer may come when the transfer has lost its turn.
    package internal(set) var lastSent: Chunk?

    package struct Chunk: Hashable, Sendable {
        var end: UInt64
        var isLast: Bool
    }
}

extension RaftNode {
    /// Heartbeats without an answer after which a chunk is fetched and sent again.
    private static let idleHeartbeatsMax = 2

    /// The entries that a follower needs are gone.
    mutating func startSnapshot(to index: Int) {
        progress[index].state = .snapshot(nextTransfer())
    }

    /// A transfer of the newest snapshot, behind all others.
    private mutating func nextTransfer() -> SnapshotTransfer {
        SnapshotTransfer(mark: snapshot, turn: nextTurn())
    }

    private mutating func nextTurn() -> UInt64 {
        snapshotTurns += 1
        return snapshotTurns
    }

    /// Asks the driver for chunks, as far as streams and bytes of this tick go.
    mutating func fetchChunks(_ effects: inout Effects) {
        guard role == .leader else { return }
        var served: UInt64 = 0
        for _ in 0..<configuration.limits.snapshotStreamsMax {
            guard let next = transfer(after: served) else { return }
            served = next.transfer.turn
            guard case .waiting = next.transfer.phase, snapshotBudget > 0 else { continue }
            fetchChunk(for: next.index, next.transfer, &effects)
        }
    }

    /// Whose turn comes next after `turn`, among those who were heard from since the last quorum
    /// check: one that is silent since then would keep its turn until it stands still.
    private func transfer(after turn: UInt64) -> (index: Int, transfer: SnapshotTransfer)? {
        var next: (index: Int, transfer: SnapshotTransfer)?
        for index in progress.indices {
            guard case .snapshot(let transfer) = progress[index].state, progress[index].isActive,
                transfer.turn > turn, transfer.turn < next?.transfer.turn ?? .max
            else { continue }
            next = (index, transfer)
        }
        return next
    }

    private mutating func fetchChunk(
        for index: Int,
        _ transfer: SnapshotTransfer,
        _ effects: inout Effects
    ) {
        var transfer = transfer
        transfer.phase = .fetching
        progress[index].state = .snapshot(transfer)
        let bytesMax = configuration.limits.snapshotChunkBytesMax
        // Counted when asked for: several fetches of one tick must not all see the same rest.
        snapshotBudget -= bytesMax
        effects.fetch.append(
            SnapshotFetch(
                follower: progress[index].id,
                mark: transfer.mark,
                offset: transfer.acknowledged,
                bytesMax: bytesMax
            )
        )
    }

    mutating func fetched(
        _ fetch: SnapshotFetch,
        _ chunk: FetchedChunk,
        _ effects: inout Effects
    ) {
        guard role == .leader, let index = progressIndex(of: fetch.follower),
            case .snapshot(var transfer) = progress[index].state, transfer.mark == fetch.mark,
            transfer.acknowledged == fetch.offset
        else { return }
        // Where the read took longer than a turn, what was read is good all the same.
        if case .sent = transfer.phase { return }
        switch chunk {
        case .bytes(let bytes, let isLast):
            let (end, overflow) = fetch.offset.addingReportingOverflow(UInt64(bytes.count))
            precondition(!overflow, "a snapshot is no longer than its offsets count")
            transfer.phase = .sent(end: end, isLast: isLast)
            transfer.lastSent = SnapshotTransfer.Chunk(end: end, isLast: isLast)
            let message = SnapshotChunk(
                mark: fetch.mark,
                offset: fetch.offset,
                bytes: bytes,
                isLast: isLast
            )
            effects.send.append(envelope(to: fetch.follower, .snapshotChunk(message)))
        case .gone where fetch.mark == snapshot:
            // Its heartbeats ask again, when there may be another.
            effects.isSnapshotWanted = true
        case .gone:
            transfer = nextTransfer()
        }
        progress[index].state = .snapshot(transfer)
    }

    mutating func handleSnapshotResponse(
        _ response: SnapshotResponse,
        from follower: NodeID,
        _ effects: inout Effects
    ) {
        guard role == .leader, let index = progressIndex(of: follower) else { return }
        progress[index].isActive = true
        guard case .snapshot(var transfer) = progress[index].state,
            transfer.mark.position == response.position
        else { return }
        switch transfer.phase {
        case .sent(let end, let isLast) where response.wanted == end:
            transfer.heartbeatsIdle = 0
            transfer.acknowledged = end
            // After the last one only the follower's acknowledgement of it all moves on.
            if !isLast { transfer.phase = .waiting }
        case .sent where response.wanted == transfer.acknowledged:
            // A repeat of the answer that the chunk which is out was sent for.
            return
        case .sent(_, let isLast) where response.wanted == 0:
            // It restarted, or found the whole damaged: perhaps it is so here, and would be for
            // ever. Then its heartbeats ask again, when there may be another.
            let isSuspect = isLast && transfer.mark == snapshot
            transfer = nextTransfer()
            if isSuspect {
                effects.isSnapshotWanted = true
                transfer.phase = .fetching
            }
        case .sent:
            // It has less than this transfer believes, or more: a repeat of an old answer may have
            // set the transfer back. The follower knows best, and says so to each chunk.
            transfer.acknowledged = response.wanted
            transfer.phase = .waiting
        case .waiting, .fetching:
            // It took the follower longer than a turn to keep it.
            guard let chunk = transfer.lastSent, chunk.end == response.wanted,
                chunk.end > transfer.acknowledged
            else { return }
            transfer.heartbeatsIdle = 0
            transfer.acknowledged = chunk.end
            transfer.phase = chunk.isLast ? .sent(end: chunk.end, isLast: true) : .waiting
        }
        progress[index].state = .snapshot(transfer)
    }

    /// There is a newer snapshot: who has nothing of an older one yet gets this one instead.
    mutating func renewTransfers() {
        for index in progress.indices {
            guard case .snapshot(let transfer) = progress[index].state,
                transfer.acknowledged == 0, transfer.mark != snapshot
            else { continue }
            // It has waited, and goes on waiting for the turn that it has; or it stands still, and
            // does so with the new one.
            var renewed = SnapshotTransfer(mark: snapshot, turn: transfer.turn)
            renewed.heartbeatsIdle = transfer.heartbeatsIdle
            progress[index].state = .snapshot(renewed)
        }
    }

    /// The follower has the whole snapshot that it was sent, and the log has moved on beyond it.
    mutating func restartOvertakenTransfer(to index: Int) {
        guard case .snapshot(let transfer) = progress[index].state,
            progress[index].match >= transfer.mark.position.index
        else { return }
        startSnapshot(to: index)
    }

    /// Called at each heartbeat: what stands still is fetched and sent again, in its next turn.
    mutating func retryStalledTransfers() {
        for index in progress.indices {
            guard case .snapshot(var transfer) = progress[index].state,
                transfer.phase != .waiting
            else { continue }
            transfer.heartbeatsIdle += 1
            if transfer.heartbeatsIdle > Self.idleHeartbeatsMax {
                transfer.heartbeatsIdle = 0
                transfer.phase = .waiting
                transfer.turn = nextTurn()
            }
            progress[index].state = .snapshot(transfer)
        }
    }
}
