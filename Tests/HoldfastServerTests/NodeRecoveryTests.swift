// A start with snapshots that are of no use: an older one serves, or the node does not start.

import Foundation
import LogStore
import Logging
import RaftCore
import Replica
import Sealing
import SessionMachine
import Testing

@testable import HoldfastServer

/// A node's directory with a snapshot of each group at 0, and of group 0 a sound one at 3.
private final class Directory {
    let path = NSTemporaryDirectory() + "holdfast-recovery-\(UUID().uuidString)"
    let configuration: ClusterConfiguration
    let words = RecordedLog()
    let group = GroupID(0)

    init() throws {
        configuration = try Bench.configuration()
        let node = try open()
        var encoder = SnapshotEncoder(node.replicas[0].machine)
        var sections: [[UInt8]] = []
        while let section = encoder.next() { sections.append(section) }
        try write(sections, at: 3, node.store.snapshots)
        try node.store.close()
    }

    deinit {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            print("left behind: \(path): \(error)")
        }
    }

    func open() throws -> RecoveredNode {
        let own = configuration.nodes[0]
        let recovery = NodeRecovery(
            configuration: configuration,
            own: own,
            first: .bootstrap,
            keys: NodeKeys(.none)
        )
        return try recovery.open(path, words.logger)
    }

    func write(_ sections: [[UInt8]], at index: UInt64, _ files: SnapshotFiles) throws {
        let mark = SnapshotMark(
            position: LogPosition(term: Term(1), index: LogIndex(index)),
            membership: Membership(bootstrap: configuration.nodes)
        )
        let writer = try files.writer(of: group, at: mark)
        for section in sections { try writer.append(section[...]) }
        try writer.finish()
    }

    /// With sound checksums.
    func writeNonsense(_ sections: [[UInt8]], at index: UInt64) throws {
        let store = try LogStore.open(
            directory: path,
            identity: NodeIdentity(cluster: configuration.cluster, node: NodeID(1)),
            groupCount: 2,
            keys: .none
        )
        try write(sections, at: index, store.snapshots)
        try store.close()
    }

    func file(_ index: Int, _ suffix: String = "") -> String {
        let digits = String(repeating: "0", count: 19)
        let term = index == 0 ? 0 : 1
        return "00000-\(digits)\(index)-\(digits)\(term).snapshot\(suffix)"
    }

    /// Files of group 0.
    var files: [String] {
        get throws {
            try FileManager.default.contentsOfDirectory(atPath: path + "/snapshots")
                .filter { $0.hasPrefix("00000-") }.sorted()
        }
    }
}

@Suite("A start with snapshots that are of no use", .serialized)
struct NodeRecoveryTests {
    @Test(
        "one that is sound and makes no machine is passed over for an older one, and kept",
        arguments: [[], [[1, 2, 3]], [[UInt8](repeating: 0, count: 5_000)]]
    )
    func nonsense(sections: [[UInt8]]) throws {
        let directory = try Directory()
        try directory.writeNonsense(sections, at: 5)
        let node = try directory.open()
        #expect(node.replicas.map(\.raft.snapshot.position.index.rawValue) == [3, 0])
        #expect(try directory.files == [directory.file(3), directory.file(5, ".damaged")])
        let reports = directory.words.all(with: "a snapshot cannot be used")
        #expect(reports.count == 1)
        #expect(reports[0].contains(directory.file(5)))
        // Nothing is left of it at the next start.
        try node.store.close()
        try directory.open().store.close()
        #expect(directory.words.all(with: "a snapshot cannot be used").count == 1)
    }

    @Test("one that cannot be read is passed over, though the disk is to blame")
    func unreadable() throws {
        let directory = try Directory()
        // Opens, and every read of it fails.
        let path = directory.path + "/snapshots/" + directory.file(5)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        let node = try directory.open()
        #expect(node.replicas[0].raft.snapshot.position.index == LogIndex(3))
        #expect(
            try directory.files
                == [directory.file(0), directory.file(3), directory.file(5, ".damaged")]
        )
        #expect(directory.words.all(with: "read of").count == 1)
        try node.store.close()
    }

    @Test("where none serves the node does not start, and all is left as it was")
    func none() throws {
        let directory = try Directory()
        for index in [0, 3] {
            let path = directory.path + "/snapshots/" + directory.file(index)
            try Data("nonsense".utf8).write(to: URL(fileURLWithPath: path))
        }
        let before = try directory.files
        do {
            _ = try directory.open()
            Issue.record("it started")
        } catch StartError.reason(.damage(let text)) {
            #expect(text.contains(directory.file(3)), "\(text)")
        }
        #expect(try directory.files == before)
    }
}
