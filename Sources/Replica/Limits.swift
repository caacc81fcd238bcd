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

    /// Checkpoints whose digests a replica remembers: those that may pass between one and the
    /// attestation of it, at a few thousand entries each.
    package static let checkpointsRemembered = 64
    /// Checkpoints of which a leader gathers what it hears; fewer than are remembered, so that
    /// replicas still know what an attestation is about.
    package static let checkpointsGathered = 8
    /// Ticks for which a leader waits for every voter's word on a checkpoint. One that is down does
    /// not keep the others from an attestation; one that is slow judges itself when it gets there.
    package static let attestPatienceTicks = 40
    /// What an entry of the log takes in memory besides its payload.
    package static let entryOverheadBytes = 64
    /// A snapshot is not worth cutting before the log has come to this part of its size: beyond it
    /// more would be written for snapshots than eight times what is written for the log.
    package static let snapshotCostRatio = 8
    /// Ticks before a snapshot that was given up, for want of room mostly, is tried again only
    /// because a follower asks for one.
    package static let snapshotRestTicks = 100
}
