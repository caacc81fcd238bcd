// What a repetition of a call could do. It decides whether an attempt of unknown outcome is
// repeated; it must be chosen by what the server does, never by what would be convenient.

package enum CallEffect: Hashable, Sendable {
    /// Changes nothing. Repeated freely; a failed one certainly did nothing.
    case read
    /// Changes something, and doing it twice is as good as once. Repeated through unknown outcomes.
    case idempotent
    /// A second time could do harm, such as overwriting what another client wrote in between.
    /// Repeated only while it is certain that nothing was done.
    case once
}

/// Why one attempt on one connection got no reply.
enum AttemptFailure: Error, Hashable, Sendable {
    /// Not a byte was sent.
    case notSent(String)
    /// It was sent, and the connection ended before the reply.
    case lost(String)
    /// The call's deadline passed first.
    case expired(sent: Bool)
    /// The calling task was cancelled first.
    case cancelled(sent: Bool)
}
