// The snapshots of all groups: one directory, one file a snapshot, its name the group, index and
// term in decimal. A file is written under a name of no meaning, synced, renamed, and the directory
// synced: what has a snapshot's name was whole once. One that a start could not use loses its name
// and is kept beside the others, as `NAME.damaged`.
//
// Nothing is remembered between calls, so any thread may do anything at any time, a log sync
// included. The newest two of a group are kept; a file that is open can be read to its end after it
// was removed.

import Foundation
import Glibc
package import RaftCore
import Sealing

/// Where the snapshots are.
package struct SnapshotFiles: Sendable {
    private let directory: String
    private let cluster: ClusterID
    let keys: SealingKeys

    init(directory: String, cluster: ClusterID, keys: SealingKeys) {
        self.directory = directory
        self.cluster = cluster
        self.keys = keys
    }

    // MARK: For callers

    /// Begins a snapshot of this node's own machine.
    package func writer(
        of group: GroupID,
        at mark: SnapshotMark
    ) throws(LogStoreError) -> SnapshotWriter {
        try SnapshotWriter(self, header(group, mark))
    }

    /// Begins a snapshot that another node sends.
    package func receiver(
        of group: GroupID,
        at mark: SnapshotMark
    ) throws(LogStoreError) -> SnapshotReceiver {
        try SnapshotReceiver(self, header(group, mark))
    }

    /// Opens a snapshot; nil where there is none at that position, or none any more.
    package func reader(
        of group: GroupID,
        at position: LogPosition
    ) throws(LogStoreError) -> SnapshotReader? {
        let name = SnapshotName(group: group, position: position)
        guard let file = try ReadableFile(path: path(name)) else { return nil }
        return try SnapshotReader(file, name, cluster, keys)
    }

    /// Bytes by which the snapshots in clear grow when they are sealed one after the other, and the
    /// largest of them, which is there twice for a while.
    func growthBySealing() throws(LogStoreError) -> UInt64 {
        var growth: UInt64 = 0
        var largest: UInt64 = 0
        for name in try names() {
            do throws(LogStoreError) {
                guard let reader = try reader(of: name.group, at: name.position),
                    reader.key == nil
                else { continue }
                let sealed = try reader.sealedByteCount()
                growth += sealed - min(sealed, reader.byteCount)
                largest = max(largest, sealed)
            } catch .damage {
                // It is not going to be written again.
                continue
            }
        }
        return growth + largest
    }

    // MARK: Inside

    /// Each group's snapshots, the newest first. Groups that this node does not have are left out.
    func names(groupCount: Int) throws(LogStoreError) -> [[SnapshotName]] {
        var sorted = [[SnapshotName]](repeating: [], count: groupCount)
        for name in try names() where Int(name.group.rawValue) < groupCount {
            sorted[Int(name.group.rawValue)].append(name)
        }
        return sorted.map { $0.sorted { $0.isNewer(than: $1) } }
    }

    /// One group's, the newest first.
    func names(of group: GroupID) throws(LogStoreError) -> [SnapshotName] {
        try names().filter { $0.group == group }.sorted { $0.isNewer(than: $1) }
    }

    func isEmpty() throws(LogStoreError) -> Bool { try names().isEmpty }

    /// The first of a group's `names` that is not before `base` and that `load` takes; and why
    /// those before it were passed over.
    ///
    /// A read that fails is no more than a file that cannot be used, though an error of the disk is
    /// fatal everywhere else. There it is because nobody knows what a write has left behind. Here
    /// nothing is written and nothing is believed: an older snapshot and the log from `base` on
    /// make the same machine, or one that lacks a snapshot of which nobody has been told yet.
    func firstUsable(
        of names: [SnapshotName],
        from base: LogIndex,
        _ load: SnapshotLoader
    ) throws(LogStoreError) -> (
        mark: SnapshotMark?, unusable: [(name: SnapshotName, error: LogStoreError)]
    ) {
        var unusable: [(SnapshotName, LogStoreError)] = []
        for name in names where name.position.index >= base {
            do throws(LogStoreError) {
                guard let reader = try reader(of: name.group, at: name.position) else {
                    throw .damage(.missingFile(path(name)))
                }
                try load(reader)
                return (reader.mark, unusable)
            } catch {
                // Nothing is wrong with it: an operator has to bring the key.
                if case .missingKey = error { throw error }
                unusable.append((name, error))
            }
        }
        return (nil, unusable)
    }

    /// Takes a file's name from it, so that it does not count among those that are kept: the next
    /// snapshot would supersede a sound one. It is not removed: somebody may want to look at it.
    func setAside(_ name: SnapshotName, because error: LogStoreError) throws(LogStoreError)
        -> PassedOver
    {
        let old = path(name)
        var new = old + ".damaged"
        var number = 1
        while access(new, F_OK) == 0 {
            number += 1
            new = old + ".\(number).damaged"
        }
        guard rename(old, new) == 0 || errno == ENOENT else { throw .last("rename of \(old)") }
        try DataDirectory.sync(directory)
        return PassedOver(file: old, keptAs: new, error: error)
    }

    /// Removes what a crash left half written. Only before the first file is begun.
    func removeUnfinished() throws(LogStoreError) {
        for name in try list() where name.hasPrefix(UnfinishedFile.prefix) {
            try removeFile(directory + "/" + name)
        }
    }

    func begin() throws(LogStoreError) -> UnfinishedFile { try UnfinishedFile(in: directory) }

    /// Makes a whole file a snapshot; removes those that it supersedes.
    func keep(_ file: UnfinishedFile, as name: SnapshotName) throws(LogStoreError) {
        try file.keep(as: name.text)
        for old in try names(of: name.group).dropFirst(Limits.snapshotsKept) {
            try removeFile(path(old))
        }
    }

    private func header(_ group: GroupID, _ mark: SnapshotMark) -> SnapshotHeader {
        SnapshotHeader(cluster: cluster, group: group, mark: mark)
    }

    func path(_ name: SnapshotName) -> String { directory + "/" + name.text }

    func names() throws(LogStoreError) -> [SnapshotName] {
        try list().compactMap(SnapshotName.init)
    }

    private func list() throws(LogStoreError) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            throw .io(call: "listing \(directory)", reason: "\(error)")
        }
    }
}

/// Makes something of a snapshot that a start has found, or says why nothing can be made of it.
package typealias SnapshotLoader = (SnapshotReader) throws(LogStoreError) -> Void

/// A snapshot that a start could not use. An older one and the log stand for it.
package struct PassedOver: Hashable, Sendable {
    package var file: String
    /// The name that it has now.
    package var keptAs: String
    package var error: LogStoreError

    /// Without the advice for one that is fatal.
    package var reason: String {
        switch error {
        case .damage(let damage): "\(damage)"
        case .io(let call, let reason): "\(call) failed: \(reason)."
        case .otherCluster, .otherNode, .otherGroupCount, .unknownFormat, .inUse, .setting,
            .missingKey, .noRoomToSeal, .namesNotDurable, .entryTooLarge, .unsoundSnapshot, .closed:
            "\(error)"
        }
    }
}

/// The name of a snapshot's file.
struct SnapshotName: Hashable {
    var group: GroupID
    var position: LogPosition

    private static let suffix = ".snapshot"

    /// `00007-00000000000000001234-00000000000000000009.snapshot`: names sort as snapshots do.
    var text: String {
        let parts = [
            Self.decimal(UInt64(group.rawValue), digits: 5),
            Self.decimal(position.index.rawValue, digits: 20),
            Self.decimal(position.term.rawValue, digits: 20),
        ]
        return parts.joined(separator: "-") + Self.suffix
    }

    init(group: GroupID, position: LogPosition) {
        self.group = group
        self.position = position
    }

    /// Nil where it is no such name.
    init?(_ text: String) {
        guard text.hasSuffix(Self.suffix) else { return nil }
        let parts = text.dropLast(Self.suffix.count).split(separator: "-")
        guard parts.count == 3, let group = UInt16(parts[0]), let index = UInt64(parts[1]),
            let term = UInt64(parts[2])
        else { return nil }
        self.group = GroupID(group)
        position = LogPosition(term: Term(term), index: LogIndex(index))
        guard self.text == text else { return nil }
    }

    func isNewer(than other: SnapshotName) -> Bool {
        (position.index, position.term) > (other.position.index, other.position.term)
    }

    private static func decimal(_ value: UInt64, digits: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
