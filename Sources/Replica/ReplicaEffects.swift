// What a turn of a replica asks its driver to do, as data.

package import RaftCore

/// Why the node must stop at once: going on could make replicas differ.
package enum StopReason: Hashable, Sendable {
    case violation(Violation)
    /// A committed entry that this build cannot read.
    case undecodableEntry(GroupID, LogPosition)
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
    /// unknown.
    package var pendingTicks: Int

    package init(parkingTicks: Int, pendingTicks: Int) {
        self.parkingTicks = parkingTicks
        self.pendingTicks = pendingTicks
    }
}
