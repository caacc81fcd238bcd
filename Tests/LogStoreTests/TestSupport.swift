// What the suites of the log share: directories that are removed again, first snapshots, and what a
// start finds.

import Foundation
import RaftCore
import Sealing
import TestKit
import Testing

@testable import LogStore

/// A directory of its own, gone with the value.
final class TemporaryDirectory {
    let path: String
    /// What the store that is opened in it has.
    let keys: SealingKeys

    init(keys: SealingKeys = .none) {
        self.keys = keys
        path = NSTemporaryDirectory() + "holdfast-log-\(UUID().uuidString)"
    }

    /// A copy of another one: what a crash at this moment leaves behind.
    convenience init(copyOf other: TemporaryDirectory) throws {
        self.init(keys: other.keys)
        try FileManager.default.copyItem(atPath: other.path, toPath: path)
    }

    deinit {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            // Nothing was made in it.
            return
        }
    }

    func file(_ name: String) -> URL { URL(fileURLWithPath: path + "/" + name) }

    /// The names of the snapshots' files, sorted.
    func snapshotNames() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path + "/snapshots").sorted()
    }

    /// The bytes of all files, by their path inside.
    func contents() throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: path + "/" + name, isDirectory: &isDirectory)
            if !isDirectory.boolValue { files[name] = try Data(contentsOf: file(name)) }
        }
        return files
    }
}

/// A ring of one key that nobody else has.
func testRing() -> KeyRing { KeyRing(active: .now) }

func testKeys() -> SealingKeys { SealingKeys(testRing(), seals: true) }

let testNode = NodeIdentity(cluster: ClusterID(high: 7, low: 9), node: NodeID(2))
let testVoters = Membership(voters: [NodeID(1), NodeID(2), NodeID(3)])

func open(_ directory: TemporaryDirectory, groups: Int = 3) throws(LogStoreError) -> LogStore {
    try LogStore.open(
        directory: directory.path,
        identity: testNode,
        groupCount: groups,
        keys: directory.keys
    )
}

/// Opens the directory, reads it back, and makes the first snapshots where there are none, as a
/// node does.
func start(
    _ directory: TemporaryDirectory,
    groups: Int = 3
) throws -> (store: LogStore, found: [RecoveredGroup]) {
    let store = try open(directory, groups: groups)
    let found = try store.recover()
    for group in found where group.snapshot == nil {
        let mark = SnapshotMark(position: .origin, membership: testVoters)
        try store.snapshots.write(group.group, mark)
    }
    return (store, found)
}

/// What a start finds in a copy of the directory as it is now.
func found(in directory: TemporaryDirectory, groups: Int = 3) throws -> [RecoveredGroup] {
    let copy = try TemporaryDirectory(copyOf: directory)
    let store = try open(copy, groups: groups)
    let groups = try store.recover()
    for group in groups {
        guard let mark = group.snapshot else { continue }
        let reader = try #require(
            try store.snapshots.reader(of: group.group, at: mark.position)
        )
        #expect(try reader.collected() == testSections(group.group, mark))
    }
    try store.close()
    return groups
}

/// Sections that say whose they are: one that shrinks when it is compressed, one that does not, and
/// an empty one.
func testSections(_ group: GroupID, _ mark: SnapshotMark) -> [[UInt8]] {
    var random = SeededRandom(mark.position.index.rawValue &* 31 &+ UInt64(group.rawValue))
    let name = Array("group \(group.rawValue) at \(mark.position.index.rawValue). ".utf8)
    let noise = (0..<60).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    return [Array(repeatElement(name, count: 8).joined()), noise, []]
}

extension SnapshotFiles {
    /// A whole snapshot of the test sections.
    func write(_ group: GroupID, _ mark: SnapshotMark) throws {
        let writer = try writer(of: group, at: mark)
        for section in testSections(group, mark) { try writer.append(section[...]) }
        try writer.finish()
    }
}

extension SnapshotReader {
    func collected() throws -> [[UInt8]] {
        var sections: [[UInt8]] = []
        try self.sections { sections.append(Array($0)) }
        return sections
    }

    /// The bytes of the file, read in pieces.
    func bytes(inPieces bytesMax: Int = 100) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let chunk = try read(at: UInt64(bytes.count), bytesMax: bytesMax)
            guard case .bytes(let piece, let isLast) = chunk else { throw LogStoreError.closed }
            bytes += piece
            if isLast { return bytes }
        }
    }
}

func noop(_ term: UInt64, _ index: UInt64) -> Entry {
    Entry(term: Term(term), index: LogIndex(index), content: .noop)
}

func command(_ term: UInt64, _ index: UInt64, bytes: Int) -> Entry {
    let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: bytes)
    return Entry(term: Term(term), index: LogIndex(index), content: .command(payload[...]))
}

func batch(
    term: UInt64,
    base: LogPosition? = nil,
    _ entries: [Entry]
) -> PersistBatch {
    PersistBatch(
        mark: PersistMark(hardStateTerm: Term(term), last: entries.last?.position ?? .origin),
        hardState: HardState(term: Term(term)),
        base: base,
        entries: entries
    )
}

extension LogStore {
    /// Reads everything back, and takes each snapshot that is sound.
    func recover() throws(LogStoreError) -> [RecoveredGroup] {
        try recover { (reader) throws(LogStoreError) in try reader.sections { _ in } }
    }
}
