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
    /// Entries of one group in one row.
    static let rowEntriesMax = 65_536
    /// The identity file is five short lines.
    static let identityBytesMax = 512
    /// Rows between two progress reports of a recovery.
    static let progressRows = 256
}
