// What the edge asks of a group, and what it is told. Requests and answers are matched by a token
// that the edge chose; the replica never looks into it.

package import RaftCore
package import SessionMachine

/// Names a request for its answer. Unique among the requests of one replica that are not answered
/// yet.
package struct RequestToken: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// One request to a group.
package enum Request: Sendable {
    /// Changes the state: goes through the log.
    case write(Command)
    /// Reads the state, linearizably.
    case read
    /// Validates a session: a read, unless the session's last logged use is so old that this use
    /// must be logged first.
    case validate(SessionProof)
}

/// What a validate presents, and what for.
package struct SessionProof: Sendable {
    package var handle: SessionHandle128
    package var digest: SecretDigest
    package var purpose: ValidatePurpose

    package init(handle: SessionHandle128, digest: SecretDigest, purpose: ValidatePurpose) {
        self.handle = handle
        self.digest = digest
        self.purpose = purpose
    }
}

/// What became of a request.
package enum Answer: Sendable {
    /// The write is committed and applied, with this outcome.
    case applied(Outcome)
    /// The machine may be read now: nothing newer was acknowledged anywhere when the read was
    /// asked. Where `validUntil` is set a lease stands for the quorum: read the machine, then the
    /// node's clock; from that moment on, submit the request again instead of replying.
    case readable(validUntil: Instant?)
    /// Another node leads; nothing was done here.
    case redirect(NodeID)
    /// Nobody led, or could prove that it leads, for as long as a request may wait; or the entry
    /// was refused or replaced before it committed. It is certain that nothing was done.
    case noLeader
    /// Too much waits already; nothing was done.
    case overloaded
    /// This node's disk has no room for it; nothing was done.
    case noRoom
    /// This node's memory is full, and it would add to the state; nothing was done.
    case noMemory
    /// The write was proposed and nothing was heard of it in time: it may or may not happen.
    case unknown
}
