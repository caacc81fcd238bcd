// The bounds under test, under a name of their own: RaftCore and SessionMachine have `Limits` too.

import Replica

enum ReplicaLimits {
    static let parkedRequestsMax = Limits.parkedRequestsMax
    static let pendingWritesMax = Limits.pendingWritesMax
    static let entryBytesMax = Limits.entryBytesMax
    static let entryCommandsMax = Limits.entryCommandsMax
    static let touchesPerEntryMax = Limits.touchesPerEntryMax
}
