// Snapshots: those that this replica cuts of its own machine, and those that a leader sends because
// its log does not go back far enough. How they are stored is the driver's affair; what they are
// good for is the core's.

package import RaftCore
package import SessionMachine

extension Replica {
    /// Hands out a copy of the machine where enough was applied since the last one.
    mutating func cutSnapshotIfDue(_ effects: inout ReplicaEffects) {
        guard !isStopped,
            snapshots.isDue(
                at: applied,
                stored: raft.snapshot.position.index,
                stateBytes: machine.gauges.payloadBytes,
                in: ticks
            )
        else { return }
        let membership = raft.membership(at: applied)
        // A node that joins knows no members before the entry that adds it.
        guard !membership.members.isEmpty else { return }
        guard let term = raft.log.term(at: applied) else {
            preconditionFailure("what is applied and not in a snapshot yet is in the log")
        }
        let mark = SnapshotMark(
            position: LogPosition(term: term, index: applied),
            membership: membership
        )
        snapshots.cut(at: applied)
        effects.cut = SnapshotCut(mark: mark, machine: machine)
    }

    /// Somebody needs a snapshot that stands for the entry at `index`, which is applied. When there
    /// is one, `raft.snapshot` says so.
    package mutating func wantSnapshot(through index: LogIndex) {
        precondition(index <= applied)
        snapshots.want(through: index)
    }

    /// The snapshot that `effects.cut` asked for is durable: the log up to it may go.
    package mutating func snapshotStored(_ mark: SnapshotMark) {
        snapshots.stored()
        raft.step(.snapshotStored(mark), into: &raftEffects)
    }

    /// The snapshot that `effects.cut` asked for was given up: a leader's newer one made it
    /// useless, or there was no room. The log stays, and the next one is cut when it is due, or
    /// some time later where a follower waits for it.
    package mutating func snapshotAbandoned() { snapshots.abandoned(in: ticks) }

    /// A piece of this node's snapshot that `effects.fetch` asked for.
    package mutating func fetched(_ fetch: SnapshotFetch, _ chunk: FetchedChunk) {
        raft.step(.fetched(fetch, chunk), into: &raftEffects)
    }

    /// The chunks of the snapshot at `position` that `effects.chunks` handed out are kept, up to
    /// the offset `end`.
    package mutating func chunkKept(_ position: LogPosition, through end: UInt64) {
        raft.step(.chunkKept(position, through: end), into: &raftEffects)
    }

    /// The chunks of `mark` are together, make `machine`, and are durable. Where this replica has
    /// committed beyond it meanwhile, it is of no use and dropped.
    package mutating func snapshotReceived(_ mark: SnapshotMark, _ machine: SessionMachine) {
        raft.step(.snapshotReceived(mark), into: &raftEffects)
        if raftEffects.restore == mark { received = SnapshotCut(mark: mark, machine: machine) }
    }

    /// The chunks of the snapshot at `position` are not a sound snapshot.
    package mutating func snapshotDamaged(_ position: LogPosition) {
        raft.step(.snapshotDamaged(position), into: &raftEffects)
    }

    /// The log up to `mark` was replaced by the snapshot that was received: the machine follows.
    mutating func restore(_ mark: SnapshotMark, _ effects: inout ReplicaEffects) {
        guard let received, received.mark == mark else {
            preconditionFailure("the core asks for the snapshot that it was told of")
        }
        precondition(mark.position.index > applied, "a snapshot never takes the machine back")
        self.received = nil
        machine = received.machine
        applied = mark.position.index
        committed = max(committed, applied)
        snapshots.restored(at: applied)
        checkpoints.restored(at: applied)
        let unknown = proposals.replaced(by: mark.position) { effects.answer($0, .noLeader) }
        for token in unknown { effects.answer(token, .unknown) }
        for waiting in barriers.takeAll() { repark(waiting, &effects) }
    }
}
