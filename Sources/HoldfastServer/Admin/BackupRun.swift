// Takes a backup of a cluster that runs: of each group, one after the other, its leader is asked
// for a snapshot with all that was acknowledged before, and the pieces of its file go into the
// backup's. What changes meanwhile is not held up, and is in it or not. Where a leader is lost, or
// has cut two newer snapshots before all pieces of one were read, the group is begun again.
//
// In: a configuration. Out: a file, complete and durable, or none.

import HoldfastWire
import LogStore
import RaftCore
import SessionMachine

/// Why there is no backup.
package enum BackupError: Error {
    /// The cluster does not answer as it should.
    case cluster(String)
    /// The file cannot be written, what was read is no backup, or the configuration is another
    /// cluster's.
    case reason(FatalReason)
}

package struct BackupRun {
    package typealias Progress = (_ what: String, _ done: Int, _ total: Int) -> Void

    /// A leader is looked for, and its snapshot read, so many times.
    private static let attempts = 10
    private static let pause = Duration.milliseconds(500)
    /// For a snapshot to be cut and stored.
    private static let cutTimeout = Duration.seconds(60)
    private static let readTimeout = Duration.seconds(30)

    private let configuration: ClusterConfiguration
    private let progress: Progress

    package init(_ configuration: ClusterConfiguration, progress: @escaping Progress) {
        self.configuration = configuration
        self.progress = progress
    }

    /// Writes the backup to `path`, where there must be nothing. Returns its size in bytes.
    package func run(to path: String) async throws(BackupError) -> UInt64 {
        let header = BackupHeader(
            cluster: configuration.cluster,
            groupCount: configuration.groupCount,
            takenAt: WallClock.now().millisecondsSince1970
        )
        let writer: BackupWriter
        do {
            writer = try BackupWriter(path: path, header)
        } catch {
            throw .reason(FatalReason(error))
        }
        for group in 0..<configuration.groupCount {
            progress("groups", group, configuration.groupCount)
            try await copy(group, to: writer)
        }
        do {
            return try writer.finish()
        } catch {
            throw .reason(FatalReason(error))
        }
    }

    private func copy(_ group: Int, to writer: BackupWriter) async throws(BackupError) {
        var reason = "no node leads it"
        for attempt in 0..<Self.attempts {
            if attempt > 0 { await rest() }
            let status = await ClusterStatus.ask(configuration)
            guard let leader = status.leader(of: group),
                let node = configuration.nodes.first(where: { $0.number == leader.id })
            else { continue }
            guard leader.groups.count == configuration.groupCount else {
                throw .reason(
                    .configuration(
                        "the cluster has \(leader.groups.count) groups, the configuration "
                            + "\(configuration.groupCount): take the cluster's own configuration"
                    )
                )
            }
            do throws(CopyError) {
                return try await copy(group, of: node, to: writer)
            } catch {
                switch error {
                case .reason(let reason): throw .reason(reason)
                case .answer(let text): reason = "\(node.name): \(text)"
                }
            }
        }
        throw .cluster("group \(group) cannot be read: \(reason)")
    }

    private func rest() async {
        do {
            // A leader may be about to be elected, or to have room.
            try await Task.sleep(for: Self.pause)
        } catch {
            // Whoever cancelled it will not wait for the next attempt either.
        }
    }

    // MARK: One group of one node

    private enum CopyError: Error {
        /// May be better at the next attempt.
        case answer(String)
        case reason(FatalReason)
    }

    private func copy(
        _ group: Int,
        of node: NodeConfiguration,
        to writer: BackupWriter
    ) async throws(CopyError) {
        let position = try await cut(group, of: node)
        var piece = try await piece(group, position, at: 0, nil, of: node)
        let total = piece.total
        let tag = piece.tag
        try checkCluster(piece.bytes, of: node)
        try write { () throws(LogStoreError) in try writer.begin(at: position, byteCount: total) }
        do throws(CopyError) {
            var offset: UInt64 = 0
            while true {
                guard piece.total == total, piece.tag == tag, !piece.bytes.isEmpty,
                    UInt64(piece.bytes.count) <= total - offset
                else { throw .answer("its snapshot is not as long as it was") }
                let bytes = piece.bytes[...]
                try write { () throws(LogStoreError) in try writer.append(bytes) }
                offset += UInt64(bytes.count)
                progress("bytes of group \(group)", Int(clamping: offset), Int(clamping: total))
                guard offset < total else { return }
                piece = try await self.piece(group, position, at: offset, tag, of: node)
            }
        } catch {
            try write { () throws(LogStoreError) in try writer.takeBack() }
            throw error
        }
    }

    private func write(_ body: () throws(LogStoreError) -> Void) throws(CopyError) {
        do {
            try body()
        } catch {
            throw .reason(FatalReason(error))
        }
    }

    /// Two clusters may have the same addresses, one after the other.
    private func checkCluster(
        _ beginning: [UInt8],
        of node: NodeConfiguration
    ) throws(CopyError) {
        guard let found = BackupWriter.cluster(ofSnapshot: beginning[...]),
            found != configuration.cluster
        else { return }
        throw .reason(
            .configuration(
                "\(node.name) is of cluster \(found.text), the configuration of "
                    + "\(configuration.cluster.text): take the cluster's own configuration"
            )
        )
    }

    private func cut(
        _ group: Int,
        of node: NodeConfiguration
    ) async throws(CopyError) -> LogPosition {
        let words = ["HOLDFAST", "BACKUP", "CUT", "\(group)"]
        let reply = try await ask(node, words, Self.cutTimeout)
        guard case .array(let parts) = reply, parts.count == 2,
            case .integer(let term) = parts[0], let term = UInt64(exactly: term),
            case .integer(let index) = parts[1], let index = UInt64(exactly: index)
        else { throw .answer("it does not know how to make a backup: is it an older release?") }
        return LogPosition(term: Term(term), index: LogIndex(index))
    }

    private func piece(
        _ group: Int,
        _ position: LogPosition,
        at offset: UInt64,
        _ tag: UInt64?,
        of node: NodeConfiguration
    ) async throws(CopyError) -> (total: UInt64, tag: UInt64, bytes: [UInt8]) {
        var words = [
            "HOLDFAST", "BACKUP", "READ", "\(group)", "\(position.term.rawValue)",
            "\(position.index.rawValue)", "\(offset)",
        ]
        if let tag { words.append("\(tag)") }
        let reply = try await ask(node, words, Self.readTimeout)
        guard case .array(let parts) = reply, parts.count == 3,
            case .integer(let total) = parts[0], let total = UInt64(exactly: total),
            case .integer(let tag) = parts[1], let tag = UInt64(exactly: tag),
            case .bulk(let bytes) = parts[2]
        else { throw .answer("it answers with something else than a piece of a snapshot") }
        return (total, tag, bytes)
    }

    private func ask(
        _ node: NodeConfiguration,
        _ words: [String],
        _ timeout: Duration
    ) async throws(CopyError) -> RESPValue {
        let reply: RESPValue
        do {
            reply = try await NodeProbe.ask(node, words, timeout: timeout)
        } catch {
            throw .answer("\(error)")
        }
        if case .error(let text) = reply { throw .answer(text) }
        return reply
    }
}
