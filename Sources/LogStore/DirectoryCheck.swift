// Looks at the directory of a node that does not run, for `holdfast verify`: everything that a
// start would read, and every snapshot. In: a path. Out: what is there, and what of it is damaged,
// the first bad place first.
//
// It must never change anything: what is damaged may be all that is left.

import Bytes
import Glibc
import RaftCore
package import Sealing

/// What is in a data directory.
package struct DirectoryReport: Sendable {
    /// Something that is not as it was written.
    package struct Finding: Hashable, Sendable {
        package var damage: Damage
        package var consequence: Consequence
    }

    /// What a start does about something.
    package enum Consequence: Sendable {
        /// It goes on: something else says the same.
        case tolerated
        /// It sets the journal aside and gets it again from other nodes, where there are any.
        case repaired
        /// It refuses.
        case refused
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
    /// The keys that rows and snapshots are sealed with. Nil: in clear.
    package var keys: Set<KeyID?> = []
    package var findings: [Finding] = []

    /// Whether a start can read the directory as it is.
    package var isReadable: Bool { findings.allSatisfy { $0.consequence == .tolerated } }
}

package struct DirectoryCheck {
    /// Told what is being read, how many of it are done, and of how many.
    package typealias Progress = (_ what: String, _ done: Int, _ total: Int) -> Void

    private let path: String
    private let keys: SealingKeys
    private let progress: Progress
    private let load: SnapshotLoader
    private var report = DirectoryReport()
    /// By group; nil where they cannot be read.
    private var votes: [VoteRecord]?
    private var damageOfVotes: Damage?

    /// Reads all of the directory at `path`; `load` gets each snapshot. Throws where it cannot be
    /// judged: a process has it open, its format is not known, a key is missing, or the disk cannot
    /// be read.
    package static func run(
        _ path: String,
        keys: SealingKeys,
        progress: @escaping Progress,
        load: @escaping SnapshotLoader
    ) throws(LogStoreError) -> DirectoryReport {
        let lock = try DataDirectory.lockIfThere(path)
        defer { if let lock { DataDirectory.unlock(lock) } }
        var check = DirectoryCheck(path: path, keys: keys, progress: progress, load: load)
        try check.run()
        return check.report
    }

    private init(
        path: String,
        keys: SealingKeys,
        progress: @escaping Progress,
        load: @escaping SnapshotLoader
    ) {
        self.path = path
        self.keys = keys
        self.progress = progress
        self.load = load
    }

    private mutating func run() throws(LogStoreError) {
        guard let identity = try readIdentity() else { return }
        try readVotes(identity)
        report.node = identity.node
        report.groupCount = identity.groupCount
        report.incarnation = identity.incarnation
        let groups = try readJournal(identity)
        try readSnapshots(identity, groups)
        judgeVotes()
    }

    /// Notes a damage. Of one that could be repaired it is known only in the end whether it can.
    private mutating func find(_ damage: Damage, _ consequence: DirectoryReport.Consequence) {
        let isMark = damage == .missingFile(path + DataDirectory.sidecarName)
        let isRefused = consequence == .repaired && (!damage.isOfDisk || isMark)
        report.findings.append(
            .init(damage: damage, consequence: isRefused ? .refused : consequence)
        )
    }

    private mutating func readVotes(_ identity: Identity) throws(LogStoreError) {
        do throws(LogStoreError) {
            votes = try VoteFile.records(
                in: path + DataDirectory.votesName,
                groupCount: identity.groupCount
            )
        } catch .damage(let damage) {
            damageOfVotes = damage
        }
    }

    /// A journal that is sound says the same as the votes; another one is not repaired without.
    private mutating func judgeVotes() {
        guard let damageOfVotes, report.rows > 0 || !report.isReadable else { return }
        for place in report.findings.indices
        where report.findings[place].consequence == .repaired {
            report.findings[place].consequence = .refused
        }
        find(damageOfVotes, .tolerated)
    }

    /// Does `body`; a damage is noted, and anything else thrown.
    private mutating func noting<Result>(
        _ consequence: DirectoryReport.Consequence,
        _ body: (inout DirectoryCheck) throws -> Result
    ) throws(LogStoreError) -> Result? {
        do {
            return try body(&self)
        } catch {
            let reason = LogStore.failure("reading \(path)", error)
            guard case .damage(let damage) = reason else { throw reason }
            find(damage, consequence)
            return nil
        }
    }

    private mutating func readIdentity() throws(LogStoreError) -> Identity? {
        let path = path
        let identity = try noting(.refused) { _ in try DataDirectory.identity(in: path) }
        guard let identity else { return nil }
        guard identity.format == Identity.formatVersion else {
            throw .unknownFormat(directory: path, found: identity.format)
        }
        return identity
    }

    // MARK: The journal

    private mutating func readJournal(
        _ identity: Identity
    ) throws(LogStoreError) -> [RecoveredGroup]? {
        let database = path + DataDirectory.databaseName
        let sidecarPath = path + DataDirectory.sidecarName
        var status = stat()
        guard stat(database, &status) == 0 else {
            // A start that has set the journal aside ended before it had begun a new one.
            if votes?.allSatisfy(\.isMute) == true { return nil }
            find(.missingFile(database), .repaired)
            return nil
        }
        // SQLite would remove the write-ahead log beside an empty database.
        guard status.st_size > 0 else {
            find(.database(reason: "\(database) is empty"), .repaired)
            return nil
        }
        // And it would do over what a first start had begun.
        guard access(database + "-journal", F_OK) != 0 else {
            find(.database(reason: "\(database)-journal is there"), .tolerated)
            return nil
        }
        return try noting(.repaired) { check in
            let sidecar = try Sidecar(path: sidecarPath, initially: nil)
            defer { sidecar.close() }
            return try Journal.inspect(database) { journal in
                try check.read(journal, try sidecar.read().row, identity)
            }
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
            identity: identity,
            keys: keys
        )
        let progress = progress
        try reading.readRows(progress: { progress("rows of the log", $0, $1) }) { row in
            report.rows += 1
            report.rowBytes += row.bytes
            report.keys.insert(row.key)
        }
        let groups = try reading.groups()
        report.entries = groups.reduce(0) { $0 + $1.entries.count }
        return groups
    }

    // MARK: Snapshots

    /// `groups` as the journal leaves them; nil where it is damaged.
    private mutating func readSnapshots(
        _ identity: Identity,
        _ groups: [RecoveredGroup]?
    ) throws(LogStoreError) {
        let directory = path + DataDirectory.snapshotsName
        guard access(directory, F_OK) == 0 else {
            return find(.missingFile(directory), .repaired)
        }
        let files = SnapshotFiles(
            directory: directory,
            cluster: identity.node.cluster,
            keys: keys
        )
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
            // Before the first row there may be none, and a mute group gets one from the others.
            let isMute = groups?[number].hardState.isMute == true && base == .zero
            if !hasSound, groups != nil, report.rows > 0, !isMute {
                find(.noSnapshot(GroupID(UInt16(number)), base: base), .repaired)
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
            report.keys.insert(reader.key)
            return true
        } catch .damage(let damage) {
            find(damage, .tolerated)
            return false
        }
    }
}
