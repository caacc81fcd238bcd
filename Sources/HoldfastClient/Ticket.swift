// A caller's place in a connection's queue: who it is, whether it has gone, and how to answer it.

import HoldfastWire
import NIOConcurrencyHelpers

/// Says on any thread that the caller has gone. A cancellation may overtake its own request on the
/// way to the event loop; the flag is how the request then learns of it.
final class Ticket: Sendable {
    private let gone = NIOLockedValueBox(false)

    var id: RequestID { ObjectIdentifier(self) }
    var isCancelled: Bool { gone.withLockedValue { $0 } }

    func cancel() { gone.withLockedValue { $0 = true } }
}

/// How a caller is answered. It keeps the ticket alive, so no other can have its id meanwhile.
struct Reply: Sendable {
    var ticket: Ticket
    /// To be called exactly once.
    var complete: @Sendable (Result<RESPValue, AttemptFailure>) -> Void
}
