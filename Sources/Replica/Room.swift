// How much room a node's disk has left, as far as its replicas have to know. The driver measures
// and says so; what follows for requests is decided here.

import SessionMachine

/// The room on a node's disk. It matters to a leader alone: a follower stores whatever it is sent.
package enum Room: Hashable, Sendable {
    /// Everything is taken.
    case ample
    /// What adds to the state is refused. Sessions are still used, renewed and revoked.
    case low
    /// Nothing can be stored, so no client's write is proposed. What only reads is still answered.
    case exhausted

    func admits(_ command: Command) -> Bool {
        switch self {
        case .ample: true
        case .low: !command.addsState
        case .exhausted: false
        }
    }
}
