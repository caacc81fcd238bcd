// Every limit of the log store in one place, each with its reason. What can be changed here without
// a new format: all but `entryBytesMax`, which a directory written under a larger one may exceed.

/// The bounds on rows, slices and files.
enum Limits {
    /// Shard groups of one node: 16,384 hash slots are dealt to them, so there cannot be more.
    static let groupsMax = 16_384
    /// Payload of one entry. Far above what a turn of commands can collect; a row that claims more
    /// is damaged.
    static let entryBytesMax = 16 * 1024 * 1024
    /// A batch that grows past this goes on in a further row of the same transaction, so that
    /// reading back never needs more memory than one row at a time.
    static let rowBytesTarget = 4 * 1024 * 1024
    /// No row is longer: at worst one entry of full size follows a row just below its target.
    static let rowBytesMax = rowBytesTarget + entryBytesMax + 1024
    /// What SQLite truncates the write-ahead log to after a reset. Below this it is overwritten in
    /// place, which spares `fdatasync` the file system's own journal.
    static let walBytesMax = 64 * 1024 * 1024
    /// Pages in the write-ahead log at which they are moved into the database. Commits wait
    /// meanwhile, for some 20 ms; each checkpoint writes the pages that a batch has begun once
    /// more.
    static let checkpointPages = 4_096
    /// What a database takes on the disk beside its rows: a few pages.
    static let emptyDatabaseBytes: UInt64 = 64 * 1024
    /// Entries of one group in one row.
    static let rowEntriesMax = 65_536
    /// The identity file is five short lines.
    static let identityBytesMax = 512
    /// Rows between two progress reports of a recovery.
    static let progressRows = 256
    /// A membership as bytes: 16 members with contacts of 512 bytes are below 9 KiB.
    static let membershipBytesMax = 16 * 1024

    // The cleaner of the journal.

    /// What a row costs besides its bytes: SQLite's cell and the bookkeeping in memory.
    static let rowOverheadBytes = 64
    /// The journal is cleaned when this much of it is obsolete, and at least as much as is live, so
    /// it is at most twice what is needed, and this. Small enough for small disks, large enough to
    /// be rare.
    static let cleaningObsoleteBytesMin = 64 * 1024 * 1024
    /// Rows read back between two stores, some 10 ms.
    static let cleaningReadBytesMax = 4 * 1024 * 1024
    /// Rows deleted between two stores. Small ones take a few milliseconds.
    static let cleaningRemovedRowsMax = 8_192
    /// And their bytes: SQLite reads what it frees.
    static let cleaningRemovedBytesMax = 8 * 1024 * 1024

    // Snapshots.

    /// A section of the caller's. The session machine's are cut at 256 KiB, and at worst one record
    /// of 4 MiB follows.
    static let snapshotSectionBytesMax = 8 * 1024 * 1024
    /// A file is brought to the disk each time this much was written: a sync of all at the end
    /// would hold up those of the log, and one of 8 MiB would for 6 ms.
    static let snapshotWriteBackBytes = 256 * 1024
    /// By how much a file that is removed is made shorter at a time: some 4 ms.
    static let removalStepBytes = 16 * 1024 * 1024
    /// Snapshots of one group that are kept. The older one serves while the log reaches back to it,
    /// should the newer turn out unreadable or senseless.
    static let snapshotsKept = 2
}
