// What a turn of a replica asks its driver to do, as data.

package import RaftCore

/// Why the node must stop at once: going on could make replicas differ.
package enum StopReason: Hashable, Sendable {
    case violation(Violation)
    /// A committed entry that this build cannot read.
    case undecodableEntry(GroupID, LogPosition)
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
        }
    }
}

/// The effects of one turn of one replica. The driver reuses one value.
package struct ReplicaEffects: Sendable {
    package var send: [Message] = []
    package var persist: PersistBatch?
    package var answers: [(token: RequestToken, answer: Answer)] = []
    package var leadership: Leadership?
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
        stop = nil
    }
}

/// The waiting times of a replica, in ticks.
package struct Tuning: Sendable {
    /// How long a request waits for somebody to lead.
    package var parkingTicks: Int
    /// How long a proposed write waits for its commit before the client is told that its outcome is
    /// unknown, and a read for its barrier.
    package var pendingTicks: Int

    package init(parkingTicks: Int, pendingTicks: Int) {
        self.parkingTicks = parkingTicks
        self.pendingTicks = pendingTicks
    }
}
