// The logs and hard states of all shard groups of one node, in one SQLite database, and their
// snapshots in files beside it. Each `store` adds a row, or several where it is large (see
// `RowCodec`), in one transaction with one sync; rows are never changed. Recovery reads them in
// order; the cleaner (see `LogStore+Cleaning`) removes them at the front.
//
// Terms and votes are in a file of their own besides (see `VoteFile`), so that a damaged journal
// does not take them along.
//
// Confined to one thread at a time: the caller's disk thread; only `snapshots` may be used from
// others too. It must never: return from `store` before the sync, store a row with a vote before
// the file of votes has it, write again after an error (what an error left on the disk is unknown,
// and a second fsync may lie), or open a directory that is not the node's.

import GRDB
import Glibc
package import RaftCore
package import Sealing

package final class LogStore {
    /// The snapshots of all groups; usable from any thread.
    package let snapshots: SnapshotFiles
    let directory: DataDirectory
    let keys: SealingKeys
    var journal: Journal
    let sidecar: Sidecar
    /// Nil until the journal was read, where the directory has none that can be read.
    var votes: VoteFile?
    let groupCount: Int
    /// The row 0, which nobody stores: what the first row continues.
    let origin: ChainMark
    /// The latest row.
    var last: ChainMark
    var map: JournalMap
    var keyUse = KeyUse()
    /// Each group's, as stored last.
    var hardStates: [HardState]
    var isRecovered = false

    /// When and how the journal is cleaned.
    var cleaning = CleaningRule()
    var plan: CleaningPlan?
    /// Whether rows before the beginning of the journal wait for their removal.
    var mayHaveRubbish = false

    /// The error that ended the store; every later call gets it too.
    private var failure: LogStoreError?
    /// As of the cleaner's latest step.
    var statisticsAtCleaning = Statistics()
    package internal(set) var statistics = Statistics()

    /// What the store has done since it was opened.
    package struct Statistics: Hashable, Sendable {
        /// Calls of `store` that became durable.
        package var commits = 0
        package var rows = 0
        /// Bytes of rows, before SQLite's own.
        package var bytes = 0
        package var checkpoints = 0
        /// How often the beginning of the journal moved.
        package var cleanings = 0
        /// Logs of single groups that were carried forward for it, and their bytes; these count
        /// among the rows and bytes above too.
        package var carriedGroups = 0
        package var carriedBytes = 0
        package var removedRows = 0
    }

    /// Bytes of the journal's rows, and how many of them somebody still needs.
    package var journalBytes: (total: Int, live: Int) { (map.totalBytes, map.liveBytes) }

    /// Tells this directory from every other that the node ever had: drawn when it was made. Not 0.
    package var incarnation: UInt64 { directory.identity.incarnation }

    /// Opens the node's directory, or makes it. Call `recover` next.
    package static func open(
        directory path: String,
        identity: NodeIdentity,
        groupCount: Int,
        keys: SealingKeys
    ) throws(LogStoreError) -> LogStore {
        precondition((1...Limits.groupsMax).contains(groupCount))
        let identity = Identity(node: identity, groupCount: groupCount)
        let directory = try DataDirectory(path: path, identity: identity)
        do {
            return try LogStore(directory, keys)
        } catch {
            directory.close()
            throw error
        }
    }

    private init(
        _ directory: DataDirectory,
        _ keys: SealingKeys
    ) throws(LogStoreError) {
        self.directory = directory
        self.keys = keys
        let identity = directory.identity
        groupCount = identity.groupCount
        origin = ChainMark(startOf: identity)
        last = origin
        map = JournalMap(groupCount: groupCount, firstRow: 1)
        hardStates = [HardState](repeating: HardState(), count: groupCount)
        snapshots = SnapshotFiles(
            directory: directory.snapshotsPath,
            cluster: identity.node.cluster,
            keys: keys
        )
        try snapshots.removeUnfinished()
        try directory.removeDatabaseCopy()
        // The sidecar is made first. A start that was cut short between the two leaves one that
        // says "nothing is durable", which is true; a database without a sidecar is damage. So are
        // snapshots without either: they are made last.
        let isNew = access(directory.databasePath, F_OK) != 0
        votes = try Self.votes(of: directory, groupCount)
        // Where a damaged journal was set aside, a new one is begun beside old snapshots.
        let wasSetAside = votes?.records.allSatisfy(\.isMute) == true
        // A file of votes is only ever made after a journal, and a log that is written ahead
        // belongs to one.
        let hasSnapshots = try !snapshots.isEmpty()
        let isOrphaned = votes != nil || hasSnapshots
        let hasLog = access(directory.walPath, F_OK) == 0
        if isNew, hasLog || (isOrphaned && !wasSetAside) {
            throw .damage(.missingFile(directory.databasePath))
        }
        var status = stat()
        let hasSidecar = stat(directory.sidecarPath, &status) == 0 && status.st_size > 0
        sidecar = try Sidecar(
            path: directory.sidecarPath,
            initially: isNew && !hasSidecar ? Sidecar.Contents(row: origin, votes: 0) : nil
        )
        if isNew {
            guard try sidecar.read().row == origin else {
                throw .damage(.missingFile(directory.databasePath))
            }
            try directory.makeDatabaseFile()
        }
        do {
            journal = try Journal(
                path: directory.databasePath,
                origin: origin,
                isSealed: keys.current != nil
            )
        } catch {
            sidecar.close()
            votes?.close()
            throw Self.failure("opening \(directory.databasePath)", error)
        }
        // Each time: a close removes the write-ahead log, and the journal has just made it anew.
        try directory.sync()
    }

    /// A sound journal says the same as they do, so they may be gone.
    private static func votes(
        of directory: DataDirectory,
        _ groupCount: Int
    ) throws(LogStoreError) -> VoteFile? {
        do throws(LogStoreError) {
            return try VoteFile(path: directory.votesPath, groupCount: groupCount)
        } catch .damage {
            return nil
        }
    }

    // MARK: Storing

    /// Makes the batches, at most one of each group, durable: when this returns, they are on the
    /// disk.
    package func store(
        _ batches: [(group: GroupID, batch: PersistBatch)]
    ) throws(LogStoreError) {
        try check()
        for (group, batch) in batches {
            for entry in batch.entries where entry.payloadBytes > Limits.entryBytesMax {
                throw .entryTooLarge(group, entry.index, bytes: entry.payloadBytes)
            }
        }
        guard !batches.isEmpty else { return }
        try requireSnapshots(for: batches)
        let parts = batches.map { part($0.group, $0.batch) }
        try append(parts, "storing a batch")
        for part in parts { plan?.follow(part) }
        statistics.commits += 1
    }

    /// A journal with rows and a group without a snapshot is damage, unless that group is mute, and
    /// so is a log that begins after all of the group's snapshots: neither may come to be.
    private func requireSnapshots(
        for batches: [(group: GroupID, batch: PersistBatch)]
    ) throws(LogStoreError) {
        if last.sequence == 0 {
            let names = try snapshots.names(groupCount: groupCount)
            let hasAll = names.allSatisfy { !$0.isEmpty }
            precondition(hasAll, "a group's first snapshot comes before its first batch")
        }
        for (group, batch) in batches {
            guard let base = batch.base else { continue }
            let newest = try snapshots.names(of: group).first?.position.index ?? .zero
            precondition(newest >= base.index, "a snapshot comes before the base that rests on it")
        }
    }

    private func part(_ group: GroupID, _ batch: PersistBatch) -> RowPart {
        let old = map.base(of: group)
        var next = map.last(of: group).next
        var rebase: Rebase?
        if let base = batch.base, base != old {
            precondition(base.index > old.index, "the beginning of a log goes back")
            rebase = map.contains(base, in: group) ? .trimmed(base) : .anew(base)
            if case .anew = rebase { next = base.index.next }
        }
        if let first = batch.entries.first {
            precondition(first.index > (rebase?.base ?? old).index, "an entry before the log")
            precondition(first.index <= next, "a gap in the log")
        }
        return RowPart(
            group: group,
            hardState: batch.hardState,
            rebase: rebase,
            entries: batch.entries
        )
    }

    /// Adds rows with the parts, in one transaction.
    func append(_ parts: [RowPart], _ call: String) throws(LogStoreError) {
        precondition(isRecovered, "recover comes first")
        let pieces = parts.flatMap(Self.split)
        var rows: [[UInt8]] = []
        let first = last.sequence + 1
        let compression: RowCodec.Compression = keys.current == nil ? .wholeRow : .none
        for pieces in Self.dealt(pieces) {
            let row = RowCodec.encode(pieces, after: last.chain, compressing: compression)
            last = ChainMark(sequence: last.sequence + 1, chain: ChainHash.value(of: row))
            let (blob, key) = RowSeal.seal(row, sequence: last.sequence, keys)
            keyUse.note(key, row: last.sequence)
            map.take(pieces, bytes: blob.count)
            rows.append(blob)
            statistics.bytes += blob.count
            statistics.rows += 1
        }
        do {
            // First: what the journal holds of a promise must never be all that there is of it.
            precondition(votes != nil, "recover opens the file of votes")
            try votes?.keep(parts)
            try journal.insert(rows, from: first)
        } catch {
            throw fail(call, error)
        }
        do {
            try sidecar.write(Sidecar.Contents(row: last, votes: votes?.writes ?? 0))
        } catch {
            throw fail("writing the sidecar", error)
        }
        for part in parts { hardStates[Int(part.group.rawValue)] = part.hardState }
    }

    /// A part cut into pieces of bounded size, each with the hard state.
    private static func split(_ whole: RowPart) -> [RowPart] {
        var pieces: [RowPart] = []
        var piece = whole
        piece.entries = []
        var bytes = 0
        for entry in whole.entries {
            let isFull = bytes + entry.payloadBytes > Limits.rowBytesTarget
            if !piece.entries.isEmpty, isFull || piece.entries.count >= Limits.rowEntriesMax {
                pieces.append(piece)
                piece.rebase = nil
                piece.entries = []
                bytes = 0
            }
            piece.entries.append(entry)
            bytes += entry.payloadBytes
        }
        pieces.append(piece)
        return pieces
    }

    /// The pieces dealt to rows of bounded size.
    private static func dealt(_ pieces: [RowPart]) -> [ArraySlice<RowPart>] {
        var rows: [ArraySlice<RowPart>] = []
        var start = 0
        var bytes = 0
        for (position, piece) in pieces.enumerated() {
            if start < position, bytes + piece.weight > Limits.rowBytesTarget {
                rows.append(pieces[start..<position])
                start = position
                bytes = 0
            }
            bytes += piece.weight
        }
        if start < pieces.count { rows.append(pieces[start...]) }
        return rows
    }

    /// A checkpoint where the write-ahead log is long. To be called after each store, when those
    /// who waited for it have been told, and after each step of the cleaner.
    package func checkpointIfDue() throws(LogStoreError) {
        if journal.pagesSinceCheckpoint >= Limits.checkpointPages { try checkpoint() }
    }

    /// Moves what is in the write-ahead log into the database, so that the former does not grow
    /// without end.
    package func checkpoint() throws(LogStoreError) {
        try check()
        do {
            try journal.checkpoint()
        } catch {
            throw fail("checkpoint", error)
        }
        statistics.checkpoints += 1
    }

    /// Closes the files. What was stored is durable without it, and without the checkpoint, which
    /// only spares the next start some work.
    package func close(checkpointing: Bool = true) throws(LogStoreError) {
        defer {
            sidecar.close()
            votes?.close()
            directory.close()
        }
        if failure == nil, checkpointing { try checkpoint() }
        failure = failure ?? .closed
        do {
            try journal.close(keepingLog: !checkpointing)
        } catch {
            throw Self.failure("closing the database", error)
        }
    }

    /// Lets go of a directory that could not be read back; it stays as it is.
    package func abandon() {
        do throws(LogStoreError) {
            try close(checkpointing: false)
        } catch {
            // What went wrong before is what counts.
        }
    }

    // MARK: Failure

    func check() throws(LogStoreError) {
        if let failure { throw failure }
    }

    /// Ends the store for good.
    func fail(_ call: String, _ error: any Error) -> LogStoreError {
        let reason = Self.failure(call, error)
        failure = reason
        return reason
    }

    /// What an error of SQLite, or of the store's own, means.
    static func failure(_ call: String, _ error: any Error) -> LogStoreError {
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
