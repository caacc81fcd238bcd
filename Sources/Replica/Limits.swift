// The bounds of one group's waiting rooms, each with its reason.

package enum Limits {
    /// Requests parked while nobody leads. An election takes about a second; this is what a node
    /// takes in meanwhile before it answers "try again".
    package static let parkedRequestsMax = 65_536
    /// Bytes of encoded commands in one entry. Larger turns become several entries, so that no
    /// append delays the heartbeats behind it.
    package static let entryBytesMax = 256 * 1024
    /// Commands in one entry: bounds the time that applying one takes.
    package static let entryCommandsMax = 4_096
    /// Sessions in one touch; below what the machine takes in one command.
    package static let touchesPerEntryMax = 8_192
    /// Writes proposed and not answered. Beyond it clients are told to slow down.
    package static let pendingWritesMax = 262_144
}
