// Looks at the directory of a node that does not run, for `holdfast verify`: everything that a
// start would read, and every snapshot. In: a path. Out: what is there, and what of it is damaged,
// the first bad place first.
//
// It must never change anything: what is damaged may be all that is left.

import Bytes
import Glibc
import RaftCore

/// What is in a data directory.
package struct DirectoryReport: Sendable {
    /// Something that is not as it was written.
    package struct Finding: Hashable, Sendable {
        package var damage: Damage
        /// Whether the node starts all the same: an older snapshot and the log stand for it.
        package var isTolerated: Bool
    }

    package var node: NodeIdentity?
    package var groupCount = 0
    package var incarnation: UInt64 = 0
    /// Rows of the journal that are sound, and their bytes. Nothing is known of what follows a bad
    /// one.
    package var rows = 0
    package var rowBytes = 0
    /// Entries of all groups' logs; 0 where the journal is damaged.
    package var entries = 0
    /// Snapshots that are sound, and their bytes.
    package var snapshots = 0
    package var snapshotBytes: UInt64 = 0
    package var findings: [Finding] = []

    /// Whether a start would refuse the directory.
    package var isFatal: Bool { findings.contains { !$0.isTolerated } }
}

package struct DirectoryCheck {
    /// Told what is being read, how many of it are done, and of how many.
    package typealias Progress = (_ what: String, _ done: Int, _ total: Int) -> Void

    private let path: String
    private let progress: Progress
    private let load: SnapshotLoader
    private var report = DirectoryReport()

    /// Reads all of the directory at `path`; `load` gets each snapshot. Throws where it cannot be
    /// judged: a process has it open, its format is not known, or the disk cannot be read.
    package static func run(
        _ path: String,
        progress: @escaping Progress,
        load: @escaping SnapshotLoader
    ) throws(LogStoreError) -> DirectoryReport {
        let lock = try DataDirectory.lockIfThere(path)
        defer { if let lock { DataDirectory.unlock(lock) } }
        var check = DirectoryCheck(path: path, progress: progress, load: load)
        try check.run()
        return check.report
    }

    private init(path: String, progress: @escaping Progress, load: @escaping SnapshotLoader) {
        self.path = path
        self.progress = progress
        self.load = load
    }

    private mutating func run() throws(LogStoreError) {
        guard let identity = try read(identityOf: path) else { return }
        report.node = identity.node
        report.groupCount = identity.groupCount
        report.incarnation = identity.incarnation
        let groups = try readJournal(identity)
        try readSnapshots(identity, groups)
    }

    private mutating func find(_ damage: Damage, isTolerated: Bool = false) {
        report.findings.append(.init(damage: damage, isTolerated: isTolerated))
    }

    /// Does `body`; a damage is noted, and anything else thrown.
    private mutating func noting<Result>(
        _ body: (inout DirectoryCheck) throws -> Result
    ) throws(LogStoreError) -> Result? {
        do {
            return try body(&self)
        } catch {
            let reason = LogStore.failure("reading \(path)", error)
            guard case .damage(let damage) = reason else { throw reason }
            find(damage)
            return nil
        }
    }

    private mutating func read(identityOf path: String) throws(LogStoreError) -> Identity? {
        let identity = try noting { _ in try DataDirectory.identity(in: path) }
        guard let identity, identity.format != Identity.formatVersion else { return identity }
        throw .unknownFormat(directory: path, found: identity.format)
    }

    // MARK: The journal

    private mutating func readJournal(
        _ identity: Identity
    ) throws(LogStoreError) -> [RecoveredGroup]? {
        let database = path + DataDirectory.databaseName
        let sidecarPath = path + DataDirectory.sidecarName
        let walExisted = access(database + "-wal", F_OK) == 0
        var status = stat()
        guard stat(database, &status) == 0 else {
            find(.missingFile(database))
            return nil
        }
        // SQLite would remove the write-ahead log beside an empty database.
        guard status.st_size > 0 else {
            find(.database(reason: "\(database) is empty"))
            return nil
        }
        return try noting { check in
            let sidecar = try Sidecar(path: sidecarPath, initially: nil)
            defer { sidecar.close() }
            defer { Self.removeEmptyLog(of: database, unless: walExisted) }
            let journal = try Journal(inspecting: database)
            let groups = Result { try check.read(journal, try sidecar.read(), identity) }
            try journal.close()
            return try groups.get()
        }
    }

    private mutating func read(
        _ journal: Journal,
        _ durable: ChainMark,
        _ identity: Identity
    ) throws -> [RecoveredGroup] {
        var reading = try JournalReading(
            journal,
            durable: durable,
            origin: ChainMark(sequence: 0, chain: ChainValue(startOf: identity)),
            groupCount: identity.groupCount
        )
        let progress = progress
        try reading.readRows(progress: { progress("rows of the log", $0, $1) }) { _, bytes in
            report.rows += 1
            report.rowBytes += bytes
        }
        let groups = try reading.groups()
        report.entries = groups.reduce(0) { $0 + $1.entries.count }
        return groups
    }

    /// SQLite makes an empty write-ahead log where there is none.
    private static func removeEmptyLog(of database: String, unless existed: Bool) {
        var status = stat()
        let name = database + "-wal"
        if !existed, stat(name, &status) == 0, status.st_size == 0 { unlink(name) }
    }

    // MARK: Snapshots

    /// `groups` as the journal leaves them; nil where it is damaged.
    private mutating func readSnapshots(
        _ identity: Identity,
        _ groups: [RecoveredGroup]?
    ) throws(LogStoreError) {
        let directory = path + DataDirectory.snapshotsName
        guard access(directory, F_OK) == 0 else { return find(.missingFile(directory)) }
        let files = SnapshotFiles(directory: directory, cluster: identity.node.cluster)
        let names = try files.names(groupCount: identity.groupCount)
        let total = names.reduce(0) { $0 + $1.count }
        var done = 0
        for (number, names) in names.enumerated() {
            let base = groups?[number].base.index ?? .zero
            var hasSound = false
            for name in names {
                let isSound = try read(name, of: files)
                hasSound = hasSound || (isSound && name.position.index >= base)
                done += 1
                progress("snapshots", done, total)
            }
            // Before the first row there may be none.
            if !hasSound, groups != nil, report.rows > 0 {
                find(.noSnapshot(GroupID(UInt16(number)), base: base))
            }
        }
    }

    /// False where the snapshot is not sound. That is told; the group's lack of any sound one, by
    /// the caller.
    private mutating func read(
        _ name: SnapshotName,
        of files: SnapshotFiles
    ) throws(LogStoreError) -> Bool {
        do throws(LogStoreError) {
            guard let reader = try files.reader(of: name.group, at: name.position) else {
                throw .damage(.snapshot(file: name.text, .truncated))
            }
            try load(reader)
            report.snapshots += 1
            report.snapshotBytes += reader.byteCount
            return true
        } catch .damage(let damage) {
            find(damage, isTolerated: true)
            return false
        }
    }
}
