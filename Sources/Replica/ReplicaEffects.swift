// What a turn of a replica asks its driver to do, as data.

package import RaftCore
package import SessionMachine

/// Why the node must stop at once: going on could make replicas differ.
package enum StopReason: Hashable, Sendable {
    case violation(Violation)
    /// A committed entry that this build cannot read.
    case undecodableEntry(GroupID, LogPosition)
    /// After this entry a majority of the group's machines were in another state than this one.
    case diverged(GroupID, LogIndex)
}

extension StopReason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .violation(.committedEntryReplaced(let position)):
            "a leader wants to replace entry \(position.index.rawValue) of term "
                + "\(position.term.rawValue), which is committed here: a node of this cluster has "
                + "lost what it had stored. Do not start this node again before that one is found."
        case .violation(.secondLeader(let node, let term)):
            "node \(node.rawValue) also claims to lead term \(term.rawValue): a node has voted "
                + "twice, as one does that has lost its disk. Find it before this one goes on."
        case .undecodableEntry(let group, let position):
            "entry \(position.index.rawValue) of group \(group.rawValue) is not of a kind that "
                + "this version knows. Start the version of holdfastd that wrote it."
        case .diverged(let group, let index):
            "group \(group.rawValue) is in another state after entry \(index.rawValue) than on "
                + "most nodes: memory or disk of this one has changed it. Test its memory. A "
                + "restart builds the state anew; if it stops again, replace the node."
        }
    }
}

/// A snapshot to be made: the machine as it was after the entry at the mark. The copy costs nothing
/// now and shares its pages with the machine that goes on; let go of it soon.
package struct SnapshotCut: Sendable {
    package var mark: SnapshotMark
    package var machine: SessionMachine

    package init(mark: SnapshotMark, machine: SessionMachine) {
        self.mark = mark
        self.machine = machine
    }
}

/// The effects of one turn of one replica. The driver reuses one value.
package struct ReplicaEffects: Sendable {
    package var send: [Message] = []
    package var persist: PersistBatch?
    package var answers: [(token: RequestToken, answer: Answer)] = []
    package var leadership: Leadership?
    /// Answers to `changeMembership`.
    package var changes: [(token: ChangeToken, answer: ChangeAnswer)] = []
    /// The newest membership of the log, where it changed; committed or not.
    package var membership: Membership?
    /// Make a snapshot, and say `snapshotStored` when it is durable, or `snapshotAbandoned`. One at
    /// a time.
    package var cut: SnapshotCut?
    /// Read a piece of the own snapshot, and say `fetched`.
    package var fetch: [SnapshotFetch] = []
    /// Keep a piece of a leader's snapshot, in the order in which they stand here, and say
    /// `chunkKept`; after the last, say `snapshotReceived` with the machine that it makes, once it
    /// is durable, or `snapshotDamaged`.
    package var chunks: [ReceivedChunk] = []
    /// Machines differ after this entry, and too few have spoken to say which of them is right. The
    /// operator should know: start who is down, and do not replace anybody before.
    package var dispute: LogIndex?
    /// This replica turned out to have less than it had acknowledged. It does not vote until it has
    /// it again.
    package var loss: Loss?
    /// More is left to do than one turn may: end another turn soon, even without an input.
    package var isUnfinished = false
    /// Stop the node at once. Nothing else stands here then.
    package var stop: StopReason?

    package init() {}

    mutating func answer(_ token: RequestToken, _ answer: Answer) {
        answers.append((token, answer))
    }

    package mutating func removeAll() {
        send.removeAll(keepingCapacity: true)
        persist = nil
        answers.removeAll(keepingCapacity: true)
        leadership = nil
        changes.removeAll(keepingCapacity: true)
        membership = nil
        cut = nil
        fetch.removeAll(keepingCapacity: true)
        chunks.removeAll(keepingCapacity: true)
        dispute = nil
        loss = nil
        isUnfinished = false
        stop = nil
    }
}

/// The measures of a replica. Times are in ticks.
package struct Tuning: Sendable {
    /// How long a request waits for somebody to lead.
    package var parkingTicks: Int
    /// How long a proposed write waits for its commit before the client is told that its outcome is
    /// unknown, and a read for its barrier.
    package var pendingTicks: Int
    /// A snapshot is cut when so many entries, or so many bytes of them, were applied since the
    /// last one (and, for a large machine, more: see `SnapshotPolicy`). All of them stay in memory
    /// until then, for each group of the node.
    package var snapshotEntries = 100_000
    package var snapshotBytes = 16 * 1024 * 1024
    /// The machine's fingerprint is compared after each entry whose index is a multiple of this.
    /// The same on all nodes; at least 2, or each comparison would bring about the next.
    package var fingerprintEntries = 4_096
    /// Entries that one turn applies at most: what a node that was away catches up with must not
    /// hold up its heartbeats.
    package var appliedPerTurnMax = 4_096
    /// Entries committed and not applied, beyond which a leader takes no more proposals.
    package var applyLagMax = 65_536

    package init(parkingTicks: Int, pendingTicks: Int) {
        self.parkingTicks = parkingTicks
        self.pendingTicks = pendingTicks
    }
}
