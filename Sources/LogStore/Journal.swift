// The tables of the database: the journal's rows, which it does not look into, and where they
// begin.
//
//     journal   sequence -> row
//     start     one record: the sequence of the row before the first that counts, and the value of
//               the chain behind it. Rows up to there are rubbish that waits for its removal.
//
// A row that is removed leaves its bytes behind, in pages that are free and in the write-ahead log.
//
// What it throws is GRDB's; `LogStore` makes its own errors of it.

import CLogStore
import Foundation
import GRDB
import Glibc

struct Journal {
    /// Pages in the write-ahead log, of which SQLite tells at each commit. A pointer, since it
    /// writes there by itself; it does so in a commit only, and the journal outlives its commits.
    private final class LoggedPages {
        let count = UnsafeMutablePointer<CInt>.allocate(capacity: 1)

        init() { count.initialize(to: 0) }

        deinit { count.deallocate() }
    }

    private let database: DatabaseQueue
    private let loggedPages = LoggedPages()

    /// Pages that were written to the write-ahead log since the last checkpoint; after an open, as
    /// of the first commit.
    var pagesSinceCheckpoint: Int { Int(loggedPages.count.pointee) }

    /// Opens the database, whose file exists; makes the tables where it is empty. The journal of a
    /// new one begins after `origin`, and is noted to be sealed throughout where it will be.
    init(path: String, origin: ChainMark, isSealed: Bool) throws {
        var configuration = Configuration()
        configuration.label = "log"
        configuration.prepareDatabase { database in
            try Pragmas.apply(to: database)
        }
        database = try DatabaseQueue(path: path, configuration: configuration)
        let pages = loggedPages.count
        try database.writeWithoutTransaction { database in
            // After the pragmas, one of which takes the place of what is called back.
            log_store_count_wal_pages(try Self.handle(of: database), pages)
        }
        try database.write { database in
            guard try !database.tableExists("journal") else { return }
            try database.execute(
                sql: """
                    CREATE TABLE journal (sequence INTEGER PRIMARY KEY, row BLOB NOT NULL);
                    CREATE TABLE start (
                        id INTEGER PRIMARY KEY CHECK (id = 1),
                        sequence INTEGER NOT NULL,
                        high INTEGER NOT NULL,
                        low INTEGER NOT NULL
                    );
                    """
            )
            try Self.write(origin, to: database)
            if isSealed { try Self.setUserVersion(Self.sealedThroughout, of: database) }
        }
    }

    /// Lets `body` read a database that must stay as it is, its write-ahead log included.
    static func inspect<Value>(
        _ path: String,
        _ body: (Journal) throws -> Value
    ) throws -> Value {
        let wal = path + "-wal"
        let hadLog = access(wal, F_OK) == 0
        // SQLite makes an empty one where there is none.
        defer { if !hadLog, isEmpty(wal) { unlink(wal) } }
        let journal = try Journal(inspecting: path)
        let result = Result { try body(journal) }
        try journal.close()
        return try result.get()
    }

    private static func isEmpty(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_size == 0
    }

    private init(inspecting path: String) throws {
        var configuration = Configuration()
        configuration.label = "log"
        configuration.prepareDatabase { database in
            // Without it SQLite would make a file for memory that processes share.
            try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
            try database.execute(sql: "PRAGMA query_only = 1")
            try Self.keepLog(database)
        }
        database = try DatabaseQueue(path: path, configuration: configuration)
    }

    // MARK: What is left of rows

    /// SQLite's number for the user of a database: nothing that was ever written to this one since
    /// it was made, or made anew, was in clear.
    private static let sealedThroughout = 1

    private static func setUserVersion(_ version: Int, of database: Database) throws {
        try database.execute(sql: "PRAGMA user_version = \(version)")
    }

    func isSealedThroughout() throws -> Bool {
        try database.read {
            try Int.fetchOne($0, sql: "PRAGMA user_version") == Self.sealedThroughout
        }
    }

    /// Written where it is not so already.
    func note(isSealedThroughout isSealed: Bool) throws {
        guard try isSealedThroughout() != isSealed else { return }
        try database.write {
            try Self.setUserVersion(isSealed ? Self.sealedThroughout : 0, of: $0)
        }
    }

    /// Writes what counts in the database into a new one at `path`, in which nothing is left of
    /// rows that were removed. (Plain VACUUM would do so through a file where SQLite has such
    /// files, and through the write-ahead log: twice the room, half of it on another file system.)
    func copy(to path: String) throws {
        try database.writeWithoutTransaction { database in
            _ = try database.checkpoint(.truncate)
            try database.execute(sql: "VACUUM INTO ?", arguments: [path])
        }
    }

    // MARK: Reading

    /// Where the journal begins; nil where the record is gone.
    func start() throws -> ChainMark? {
        try database.read { database in
            guard try database.tableExists("start") else { return nil }
            let found = try Row.fetchOne(database, sql: "SELECT sequence, high, low FROM start")
            guard let found,
                let sequence = Int64.fromDatabaseValue(found[0]).flatMap({ UInt64(exactly: $0) }),
                let high = Int64.fromDatabaseValue(found[1]),
                let low = Int64.fromDatabaseValue(found[2])
            else { return nil }
            return ChainMark(
                sequence: UInt64(sequence),
                chain: ChainValue(high: UInt64(bitPattern: high), low: UInt64(bitPattern: low))
            )
        }
    }

    /// The rows after `mark`, in order; and how many they are. A sequence that is no number is nil.
    func forEachRow(
        after mark: ChainMark,
        _ take: (_ sequence: UInt64?, _ row: [UInt8], _ total: Int) throws -> Void
    ) throws {
        let after = Int64(mark.sequence)
        try database.read { database in
            let total =
                try Int.fetchOne(
                    database,
                    sql: "SELECT count(*) FROM journal WHERE sequence > ?",
                    arguments: [after]
                ) ?? 0
            let rows = try Row.fetchCursor(
                database,
                sql: "SELECT sequence, row FROM journal WHERE sequence > ? ORDER BY sequence",
                arguments: [after]
            )
            while let row = try rows.next() {
                let sequence = Int64.fromDatabaseValue(row[0]).flatMap { UInt64(exactly: $0) }
                try take(sequence, try Self.bytes(of: row, at: 1), total)
            }
        }
    }

    func row(_ sequence: UInt64) throws -> [UInt8]? {
        try database.read { database in
            let row = try Row.fetchOne(
                database,
                sql: "SELECT row FROM journal WHERE sequence = ?",
                arguments: [Int64(sequence)]
            )
            return try row.map { try Self.bytes(of: $0, at: 0) }
        }
    }

    private static func bytes(of row: Row, at column: Int) throws -> [UInt8] {
        try row.withUnsafeData(atIndex: column) { data in data.map { Array($0) } ?? [] }
    }

    // MARK: Writing. Each call is one transaction, durable when it returns.

    /// Adds rows, the first one under `sequence`.
    func insert(_ rows: [[UInt8]], from sequence: UInt64) throws {
        if rows.count == 1 {
            // A statement is a transaction of its own.
            try database.writeWithoutTransaction { try Self.insert(rows, sequence, into: $0) }
        } else {
            try database.write { try Self.insert(rows, sequence, into: $0) }
        }
    }

    private static func insert(
        _ rows: [[UInt8]],
        _ sequence: UInt64,
        into database: Database
    ) throws {
        let insert = try database.cachedStatement(
            sql: "INSERT INTO journal (sequence, row) VALUES (?, ?)"
        )
        for (offset, row) in rows.enumerated() {
            try insert.execute(arguments: [Int64(sequence) + Int64(offset), Data(row)])
        }
    }

    /// From now on the journal begins after `mark`.
    func move(startTo mark: ChainMark) throws {
        try database.write { try Self.write(mark, to: $0) }
    }

    private static func write(_ mark: ChainMark, to database: Database) throws {
        try database.execute(
            sql: "INSERT OR REPLACE INTO start (id, sequence, high, low) VALUES (1, ?, ?, ?)",
            arguments: [
                Int64(mark.sequence), Int64(bitPattern: mark.chain.high),
                Int64(bitPattern: mark.chain.low),
            ]
        )
    }

    /// Removes some of the rows up to `last`, oldest first: at most `rowsMax`, and no more after
    /// `bytesMax` are reached. Returns how many.
    func removeRows(through last: UInt64, rowsMax: Int, bytesMax: Int) throws -> Int {
        try database.write { database in
            // The length of a blob stands in its row's header: nothing else is read.
            let rows = try Row.fetchCursor(
                database,
                sql: """
                    SELECT sequence, length(row) FROM journal
                    WHERE sequence <= ? ORDER BY sequence LIMIT ?
                    """,
                arguments: [Int64(last), rowsMax]
            )
            var through: Int64?
            var count = 0
            var bytes = 0
            while bytes < bytesMax, let row = try rows.next() {
                through = Int64.fromDatabaseValue(row[0])
                bytes += Int.fromDatabaseValue(row[1]) ?? 0
                count += 1
            }
            guard let through else { return 0 }
            try database.execute(
                sql: "DELETE FROM journal WHERE sequence <= ?",
                arguments: [through]
            )
            return count
        }
    }

    /// Moves what is in the write-ahead log into the database.
    func checkpoint() throws {
        try database.writeWithoutTransaction { database in
            _ = try database.checkpoint(.passive)
        }
        loggedPages.count.pointee = 0
    }

    /// Closes the database. Whoever is the last to do so moves the write-ahead log into it, as a
    /// checkpoint does, unless it is to be kept.
    func close(keepingLog: Bool = false) throws {
        if keepingLog {
            try database.writeWithoutTransaction { try Self.keepLog($0) }
        }
        try database.close()
    }

    private static func keepLog(_ database: Database) throws {
        guard log_store_keep_wal(try handle(of: database)) == 0 else {
            throw LogStoreError.io(call: "sqlite3_db_config", reason: "SQLite is too old")
        }
    }

    private static func handle(of database: Database) throws -> UnsafeMutableRawPointer {
        guard let connection = database.sqliteConnection else {
            throw LogStoreError.io(call: "sqlite3", reason: "the database is closed")
        }
        return UnsafeMutableRawPointer(connection)
    }

    /// Makes every later write fail, as a disk may. For tests.
    func failFromNowOn() throws {
        try database.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA query_only = 1")
        }
    }
}
