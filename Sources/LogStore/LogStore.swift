// The logs and hard states of all shard groups of one node, in one SQLite database. Each `store`
// adds a row, or several where it is large (see `RowCodec`), in one transaction with one sync; rows
// are never changed. Recovery reads them in order.
//
// Confined to one thread at a time: the caller's disk thread. It must never: return from `store`
// before the sync, write again after an error (what an error left on the disk is unknown, and a
// second fsync may lie), or open a directory that is not the node's.

import Bytes
import Foundation
import GRDB
package import RaftCore

package final class LogStore {
    private let directory: DataDirectory
    private let database: DatabaseQueue
    private let sidecar: Sidecar
    private let groupCount: Int
    private let start: ChainValue
    private var chain: ChainValue
    private var sequence: UInt64 = 0
    /// The error that ended the store; every later call gets it too.
    private var failure: LogStoreError?
    private var bytesSinceCheckpoint = 0
    package private(set) var statistics = Statistics()

    /// What the store has done since it was opened.
    package struct Statistics: Hashable, Sendable {
        /// Calls of `store` that became durable.
        package var commits = 0
        package var rows = 0
        /// Bytes of rows, before SQLite's own.
        package var bytes = 0
        package var checkpoints = 0
    }

    /// Opens the node's directory, or makes it. Call `recover` next.
    package static func open(
        directory path: String,
        identity: NodeIdentity,
        groupCount: Int
    ) throws(LogStoreError) -> LogStore {
        precondition((1...Limits.groupsMax).contains(groupCount))
        let identity = Identity(node: identity, groupCount: groupCount)
        let directory = try DataDirectory(path: path, identity: identity)
        do {
            return try LogStore(directory, identity)
        } catch {
            directory.close()
            throw error
        }
    }

    private init(_ directory: DataDirectory, _ identity: Identity) throws(LogStoreError) {
        self.directory = directory
        groupCount = identity.groupCount
        start = ChainValue(startOf: identity)
        chain = start
        // The sidecar is made first. A start that was cut short between the two leaves one that
        // says "nothing is durable", which is true; a database without a sidecar is damage.
        let isNew = access(directory.databasePath, F_OK) != 0
        var status = stat()
        let hasSidecar = stat(directory.sidecarPath, &status) == 0 && status.st_size > 0
        // The row 0, which nobody stores: what the first row continues.
        let origin = Sidecar.Mark(sequence: 0, chain: start)
        sidecar = try Sidecar(
            path: directory.sidecarPath,
            initially: isNew && !hasSidecar ? origin : nil
        )
        if isNew {
            guard try sidecar.read() == origin else {
                throw .damage(.missingFile(directory.databasePath))
            }
            try directory.makeDatabaseFile()
        }
        do {
            database = try Self.openDatabase(directory.databasePath)
        } catch {
            throw Self.failure("opening \(directory.databasePath)", error)
        }
        if isNew { try directory.sync() }
    }

    private static func openDatabase(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "log"
        configuration.prepareDatabase { database in
            try Pragmas.apply(to: database)
        }
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.writeWithoutTransaction { database in
            try database.execute(
                sql: """
                    CREATE TABLE IF NOT EXISTS journal (
                        sequence INTEGER PRIMARY KEY,
                        row BLOB NOT NULL
                    )
                    """
            )
        }
        return queue
    }

    // MARK: Recovery

    /// Reads everything back: one group for each number, in order. Called once, before `store`.
    /// `progress` is told the rows read and their number, now and then.
    package func recover(
        progress: ((_ rows: Int, _ of: Int) -> Void)? = nil
    ) throws(LogStoreError) -> [RecoveredGroup] {
        try check()
        var recovery = Recovery(groupCount: groupCount, start: start)
        let durable = try sidecar.read()
        do {
            try database.read { database in
                let total = try Int.fetchOne(database, sql: "SELECT count(*) FROM journal") ?? 0
                let rows = try Row.fetchCursor(
                    database,
                    sql: "SELECT sequence, row FROM journal ORDER BY sequence"
                )
                while let row = try rows.next() {
                    try Self.take(row, into: &recovery, durable)
                    let count = Int(recovery.sequence)
                    if count.isMultiple(of: Limits.progressRows) { progress?(count, total) }
                }
            }
        } catch {
            throw fail("reading the journal", error)
        }
        guard recovery.sequence >= durable.sequence else {
            throw .damage(
                .shorterThanDurable(last: recovery.sequence, durable: durable.sequence)
            )
        }
        chain = recovery.chain
        sequence = recovery.sequence
        return try recovery.finish()
    }

    private static func take(
        _ row: Row,
        into recovery: inout Recovery,
        _ durable: Sidecar.Mark
    ) throws(LogStoreError) {
        let bytes: [UInt8]
        do {
            bytes = try row.withUnsafeData(atIndex: 1) { data in data.map { Array($0) } ?? [] }
        } catch {
            throw failure("reading a row", error)
        }
        guard let number = Int64.fromDatabaseValue(row[0]), let found = UInt64(exactly: number)
        else { throw .damage(.missingRow(sequence: recovery.sequence + 1)) }
        try recovery.take(bytes, sequence: found)
        guard found != durable.sequence || recovery.chain == durable.chain else {
            throw .damage(.otherHistory(sequence: found))
        }
    }

    // MARK: Storing

    /// Makes the batches durable: when this returns, they are on the disk.
    package func store(
        _ batches: [(group: GroupID, batch: PersistBatch)]
    ) throws(LogStoreError) {
        try check()
        for (group, batch) in batches {
            for entry in batch.entries where entry.payloadBytes > Limits.entryBytesMax {
                throw .entryTooLarge(group, entry.index, bytes: entry.payloadBytes)
            }
        }
        let rows = encode(batches)
        do {
            try insert(rows)
        } catch {
            throw fail("storing a batch", error)
        }
        do {
            try sidecar.write(Sidecar.Mark(sequence: sequence, chain: chain))
        } catch {
            throw fail("writing the sidecar", error)
        }
        statistics.commits += 1
        if bytesSinceCheckpoint > Limits.walBytesMax / 4 { try checkpoint() }
    }

    /// The rows of a `store`: one, unless it is large.
    private func encode(_ batches: [(group: GroupID, batch: PersistBatch)]) -> [[UInt8]] {
        var parts: [RowPart] = []
        var bounds = [0]
        var bytes = 0
        for (group, batch) in batches {
            for part in Self.split(group, batch) {
                let partBytes = part.entries.reduce(0) { $0 + $1.payloadBytes + 16 }
                if bytes > 0, bytes + partBytes > Limits.rowBytesTarget {
                    bounds.append(parts.count)
                    bytes = 0
                }
                parts.append(part)
                bytes += partBytes
            }
        }
        bounds.append(parts.count)
        var rows: [[UInt8]] = []
        for (from, to) in zip(bounds, bounds.dropFirst()) where from < to {
            let row = RowCodec.encode(parts[from..<to], after: chain)
            chain = ChainHash.value(of: row)
            rows.append(row)
        }
        return rows
    }

    /// A batch cut into parts of bounded size, each with the hard state.
    private static func split(_ group: GroupID, _ batch: PersistBatch) -> [RowPart] {
        var parts: [RowPart] = []
        var part = RowPart(group: group, hardState: batch.hardState, entries: [])
        var bytes = 0
        for entry in batch.entries {
            let isFull = bytes + entry.payloadBytes > Limits.rowBytesTarget
            if !part.entries.isEmpty, isFull || part.entries.count >= Limits.rowEntriesMax {
                parts.append(part)
                part.entries = []
                bytes = 0
            }
            part.entries.append(entry)
            bytes += entry.payloadBytes
        }
        parts.append(part)
        return parts
    }

    private func insert(_ rows: [[UInt8]]) throws {
        try database.writeWithoutTransaction { database in
            let isOne = rows.count == 1
            if !isOne { try database.execute(sql: "BEGIN IMMEDIATE") }
            let insert = try database.cachedStatement(
                sql: "INSERT INTO journal (sequence, row) VALUES (?, ?)"
            )
            for row in rows {
                sequence += 1
                try insert.execute(arguments: [Int64(sequence), Data(row)])
                bytesSinceCheckpoint += row.count
                statistics.bytes += row.count
                statistics.rows += 1
            }
            if !isOne { try database.execute(sql: "COMMIT") }
        }
    }

    /// Moves what is in the write-ahead log into the database, so that the former does not grow
    /// without end.
    package func checkpoint() throws(LogStoreError) {
        try check()
        do {
            try database.writeWithoutTransaction { database in
                _ = try database.checkpoint(.passive)
            }
        } catch {
            throw fail("checkpoint", error)
        }
        bytesSinceCheckpoint = 0
        statistics.checkpoints += 1
    }

    /// Closes the files. What was stored is durable without it.
    package func close() throws(LogStoreError) {
        defer {
            sidecar.close()
            directory.close()
        }
        if failure == nil { try checkpoint() }
        failure = failure ?? .closed
        do {
            try database.close()
        } catch {
            throw Self.failure("closing the database", error)
        }
    }

    /// Makes every later write fail, as a disk may. For tests.
    func failFromNowOn() throws {
        try database.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA query_only = 1")
        }
    }

    // MARK: Failure

    private func check() throws(LogStoreError) {
        if let failure { throw failure }
    }

    /// Ends the store for good.
    private func fail(_ call: String, _ error: any Error) -> LogStoreError {
        let reason = Self.failure(call, error)
        failure = reason
        return reason
    }

    private static func failure(_ call: String, _ error: any Error) -> LogStoreError {
        if let own = error as? LogStoreError { return own }
        guard let error = error as? DatabaseError else {
            return .io(call: call, reason: "\(error)")
        }
        return switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: .damage(.database(reason: "\(error)"))
        default: .io(call: call, reason: "\(error)")
        }
    }
}
