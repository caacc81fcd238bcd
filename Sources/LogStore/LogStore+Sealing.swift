// Going over from files in clear to sealed ones, at a start. (From one key to another a running
// node goes by itself: the cleaner carries the rows forward, and the snapshot thread writes
// snapshots again.)

import Glibc
import Sealing

extension LogStore {
    /// What `sealWhatIsClear` has done, for the node's log.
    package enum SealingStep: Sendable {
        case snapshots(count: Int)
        /// A snapshot stays in clear: it cannot be read, or there was no room.
        case failed(file: String, LogStoreError)
        case journal
    }

    /// Seals what was stored in clear, rows and snapshots, and leaves nothing of it in the files
    /// that are in use. Does nothing where the journal is sealed already (a snapshot in clear, from
    /// a node without encryption, is sealed by the running node), or where new rows are not sealed
    /// either. Takes as long as writing all of it. To be called at each start, between `recover`
    /// and the first `store`: a crash leaves a directory of which some is sealed. `free` is what
    /// the disk has room for, in bytes, where that is known: throws `LogStoreError.noRoomToSeal`,
    /// and does nothing, where it may be too little. `tell` gets each step that was done.
    package func sealWhatIsClear(
        free: UInt64?,
        _ tell: (SealingStep) -> Void
    ) throws(LogStoreError) {
        try check()
        precondition(isRecovered, "recover comes first")
        guard keys.current != nil else { return }
        guard try !isJournalSealed() else { return }
        if let free {
            let needed = try roomToSeal()
            guard needed <= free else {
                throw .noRoomToSeal(directory: directory.path, needed: needed, free: free)
            }
        }
        try sealSnapshots(tell)
        do {
            while try clean() == .unfinished {}
            try makeJournalAnew()
        } catch {
            throw fail("sealing the journal", error)
        }
        tell(.journal)
    }

    private func isJournalSealed() throws(LogStoreError) -> Bool {
        do {
            return try journal.isSealedThroughout()
        } catch {
            throw fail("reading the journal", error)
        }
    }

    /// Bytes that are written before as many go: what snapshots in clear grow by, since what is
    /// sealed is not compressed, and the largest of them once more; and the journal three times, in
    /// the write-ahead log, in the database, and in the one that takes its place. Rows that count
    /// no more are counted as well: at most as many as the others, and a little.
    private func roomToSeal() throws(LogStoreError) -> UInt64 {
        let growth = try snapshots.growthBySealing()
        var rows = Limits.emptyDatabaseBytes
        do {
            let start = ChainMark(sequence: map.firstRow - 1, chain: origin.chain)
            try journal.forEachRow(after: start) { _, row, _ in
                rows += UInt64(RowCodec.expandedBytes(row)) + UInt64(Limits.rowOverheadBytes)
            }
        } catch {
            throw fail("reading the journal", error)
        }
        return growth + 3 * rows
    }

    private func sealSnapshots(_ tell: (SealingStep) -> Void) throws(LogStoreError) {
        var failures: [SnapshotFiles.Failure] = []
        var count = 0
        while true {
            let skipped = Set(failures.map(\.file))
            let next = try snapshots.nextToReseal(skipping: skipped) { $0 == nil }
            failures += next.failures
            guard let resealing = next.resealing else { break }
            do throws(LogStoreError) {
                while try !resealing.step() {}
                count += 1
            } catch {
                if case .namesNotDurable = error { throw error }
                failures.append((resealing.file, error))
            }
        }
        if count > 0 { tell(.snapshots(count: count)) }
        for (file, error) in failures { tell(.failed(file: file, error)) }
    }

    /// Puts a database in the journal's place in whose files nothing is left of rows that were
    /// removed. A crash leaves the old one, whole, or the new one.
    private func makeJournalAnew() throws {
        try directory.removeDatabaseCopy()
        try DataDirectory.makeEmptyFile(directory.databaseCopyPath)
        try journal.copy(to: directory.databaseCopyPath)
        try DataDirectory.sync(file: directory.databaseCopyPath)
        try journal.close()
        // Its frames would be taken for the new database's.
        guard access(directory.walPath, F_OK) != 0 else {
            throw LogStoreError.io(call: "closing the database", reason: "it left its log behind")
        }
        // It must be gone for good before the name is the new database's.
        try directory.sync()
        guard rename(directory.databaseCopyPath, directory.databasePath) == 0 else {
            throw LogStoreError.last("rename of \(directory.databaseCopyPath)")
        }
        try directory.sync()
        journal = try Journal(path: directory.databasePath, origin: origin, isSealed: true)
        try journal.note(isSealedThroughout: true)
        try directory.sync()
    }
}
