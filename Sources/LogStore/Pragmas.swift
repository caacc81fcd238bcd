// The settings that durability rests on. Each is set and then read back: SQLite ignores what it
// cannot do without a word.

import GRDB

enum Pragmas {
    private static let wanted: [(name: String, set: String, found: String)] = [
        // Before the journal mode: a WAL opened under it needs no shared memory, and nobody else
        // can open the database.
        ("locking_mode", "EXCLUSIVE", "exclusive"),
        ("journal_mode", "WAL", "wal"),
        // A sync for each commit.
        ("synchronous", "FULL", "2"),
        // Checkpoints are ours: on this connection, when it suits.
        ("wal_autocheckpoint", "0", "0"),
        ("journal_size_limit", "\(Limits.walBytesMax)", "\(Limits.walBytesMax)"),
        // Debian's default is to write zeros over all that is removed, through the write-ahead log.
        // What is sealed does not need that, and what is in clear is in free pages of the file
        // system too.
        ("secure_delete", "OFF", "0"),
    ]

    static func apply(to database: Database) throws {
        for pragma in wanted {
            try database.execute(sql: "PRAGMA \(pragma.name) = \(pragma.set)")
        }
        for pragma in wanted {
            let found = try String.fetchOne(database, sql: "PRAGMA \(pragma.name)") ?? "nothing"
            guard found == pragma.found else {
                throw LogStoreError.setting(
                    pragma: pragma.name,
                    wanted: pragma.found,
                    found: found
                )
            }
        }
    }
}
