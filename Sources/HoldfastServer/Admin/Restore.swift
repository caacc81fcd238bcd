// Makes the data directory of a node of a new cluster from a backup. Each node's is made by itself,
// of the same file and with the same choices: what comes out is the same on all of them, byte for
// byte of what is replicated, so the nodes form a cluster when they are started.
//
//     all of the backup is read    nothing is made of a damaged one
//     DIR.restoring is made        each group's snapshot, with the members of the configuration
//     it becomes DIR               a crash before leaves nothing that would start
//
// The new cluster must have another id than the old one: nodes of both would take each other for
// their own. It must never write into a directory that is there.

import Commands
import Glibc
package import HoldfastWire
import LogStore
import PeerWire
import RaftCore
import SessionMachine

package struct Restore {
    /// Which of the sessions in the backup are ended before anybody can use them.
    package enum Ending: Sendable {
        case none
        /// Those of these handles: what was ended after the backup was taken.
        case these([SessionHandle])
        case all
    }

    /// What was made.
    package struct Summary: Sendable {
        /// The id of the cluster that the backup was taken of.
        package var cluster: String
        /// Seconds since 1970.
        package var takenAt: Int64
        package var groupCount: Int
        package var sessions = 0
        package var values = 0
        /// Sessions that were ended.
        package var ended = 0
        /// Handles that are of no living session of the backup.
        package var unknown = 0
    }

    /// The handles of a text: the first word of each line that is not empty and does not begin with
    /// `#`. The number of the first line with something else, where there is one.
    package static func handles(in text: String) -> Result<[SessionHandle], BadLine> {
        var handles: [SessionHandle] = []
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for (offset, line) in lines.enumerated() {
            guard let word = line.split(whereSeparator: \.isWhitespace).first,
                !word.hasPrefix("#")
            else { continue }
            guard let handle = SessionHandle(text: String(word)) else {
                return .failure(BadLine(number: offset + 1))
            }
            handles.append(handle)
        }
        return .success(handles)
    }

    /// A line that begins with no handle of a session.
    package struct BadLine: Error, Hashable {
        package var number: Int
    }

    package typealias Progress = (_ what: String, _ done: Int, _ total: Int) -> Void

    private let file: String
    private let configuration: ClusterConfiguration
    private let node: NodeConfiguration
    private let directory: String
    private let endsAll: Bool
    private let ended: [GroupID: [SessionHandle]]
    private let progress: Progress

    package init(
        file: String,
        configuration: ClusterConfiguration,
        node: NodeConfiguration,
        directory: String,
        ending: Ending,
        progress: @escaping Progress
    ) {
        self.file = file
        self.configuration = configuration
        self.node = node
        self.directory = LogStore.resolved(directory: directory)
        switch ending {
        case .none: (endsAll, ended) = (false, [:])
        case .all: (endsAll, ended) = (true, [:])
        case .these(let handles):
            let groupCount = configuration.groupCount
            endsAll = false
            // In an order that every node has.
            let sorted = Set(handles).sorted { SessionHandle128($0) < SessionHandle128($1) }
            ended = Dictionary(grouping: sorted) { handle in
                GroupID(UInt16(HashSlot.group(of: handle.slot, groupCount: groupCount)))
            }
        }
        self.progress = progress
    }

    package func run() throws(StartError) -> Summary {
        let keys = try NodeKeys.read(configuration.atRest)
        guard access(file, R_OK) == 0 else {
            let reason = String(cString: strerror(errno))
            throw .reason(.usage("\(file) cannot be read: \(reason)"))
        }
        do {
            let backup = try BackupReader(path: file, keys: keys.keys)
            try check(backup.header)
            try checkDirectory()
            for group in groups {
                progress("groups read", Int(group.rawValue), configuration.groupCount)
                _ = try machine(of: group, in: backup)
            }
            return try make(backup, keys)
        } catch let error as LogStoreError {
            throw .reason(FatalReason(error))
        } catch let error as StartError {
            throw error
        } catch {
            throw .reason(.disk("\(error)"))
        }
    }

    private var groups: [GroupID] {
        (0..<configuration.groupCount).map { GroupID(UInt16($0)) }
    }

    // MARK: What speaks against it

    private func check(_ header: BackupHeader) throws(StartError) {
        guard header.groupCount == configuration.groupCount else {
            throw .reason(
                .configuration(
                    "\(file) has \(header.groupCount) groups, the configuration "
                        + "\(configuration.groupCount): set 'groups' to \(header.groupCount)"
                )
            )
        }
        guard header.cluster != configuration.cluster else {
            throw .reason(
                .configuration(
                    "\(file) was taken of the cluster that the configuration names: a restored "
                        + "cluster needs a 'cluster-id' of its own, or nodes of the old one would "
                        + "take it for theirs"
                )
            )
        }
    }

    private func checkDirectory() throws(StartError) {
        guard LogStore.isVacant(directory: directory) else {
            throw .reason(
                .refused("\(directory) is not empty; a restore makes a directory of its own")
            )
        }
        guard !LogStore.isMountPoint(directory: directory) else {
            throw .reason(
                .refused(
                    "\(directory) is the root of a file system, which a restore cannot put another "
                        + "directory in the place of; name one in it"
                )
            )
        }
    }

    private func machine(
        of group: GroupID,
        in backup: BackupReader
    ) throws(LogStoreError) -> SessionMachine {
        try SessionMachine.load(
            from: { (take) throws(LogStoreError) in try backup.sections(of: group, take) },
            unsound: { backup.unsound(group, $0) }
        )
    }

    // MARK: Making it

    private var unfinished: String { directory + ".restoring" }

    private var identity: NodeIdentity {
        NodeIdentity(cluster: configuration.cluster, node: node.id)
    }

    private func make(_ backup: BackupReader, _ keys: NodeKeys) throws -> Summary {
        // Of a restore that was cut short; nothing else has such a name.
        try LogStore.discard(directory: unfinished)
        let store = try LogStore.open(
            directory: unfinished,
            identity: identity,
            groupCount: configuration.groupCount,
            keys: keys.keys
        )
        let summary: Summary
        do {
            summary = try fill(store, from: backup)
        } catch {
            store.abandon()
            throw error
        }
        try store.close()
        try LogStore.move(directory: unfinished, to: directory)
        return summary
    }

    private func fill(_ store: LogStore, from backup: BackupReader) throws -> Summary {
        _ = try store.recover(progress: { _, _ in }, load: { _ in })
        let members = Membership(bootstrap: configuration.nodes)
        var summary = Summary(
            cluster: backup.header.cluster.text,
            takenAt: Int64(clamping: backup.header.takenAt / 1_000),
            groupCount: backup.header.groupCount
        )
        var batches: [(group: GroupID, batch: PersistBatch)] = []
        for group in groups {
            progress("groups written", Int(group.rawValue), configuration.groupCount)
            var machine = try machine(of: group, in: backup)
            end(group, &machine, &summary)
            let mark = SnapshotMark(position: backup.position(of: group), membership: members)
            try machine.store(with: store.snapshots.writer(of: group, at: mark))
            summary.sessions += machine.gauges.sessions
            summary.values += machine.gauges.values
            batches.append((group, Self.beginning(after: mark.position)))
        }
        try store.store(batches)
        let hello = Hello(
            of: identity,
            groupCount: configuration.groupCount,
            incarnation: store.incarnation
        )
        _ = try PeerAdmissions(directory: unfinished, own: hello, isNew: true)
        try Founders(directory: unfinished).write(members)
        return summary
    }

    /// The log begins after the snapshot, in its term; nobody has voted yet.
    private static func beginning(after position: LogPosition) -> PersistBatch {
        PersistBatch(
            mark: PersistMark(hardStateTerm: position.term, last: position),
            hardState: HardState(term: position.term, commit: position.index),
            base: position == .origin ? nil : position,
            entries: []
        )
    }

    /// Ends the sessions that are to be ended, at the time of the group's machine: on every node
    /// alike.
    private func end(_ group: GroupID, _ machine: inout SessionMachine, _ summary: inout Summary) {
        let note = RevocationNote(reason: Array("restore".utf8)[...])
        if endsAll { summary.ended += machine.revokeAllSessions(note) }
        for handle in ended[group] ?? [] {
            let revoke = RevokeSession(handle: SessionHandle128(handle), note: note)
            if case .revoked(1) = machine.apply(.revoke(revoke)) {
                summary.ended += 1
            } else {
                summary.unknown += 1
            }
        }
    }
}
