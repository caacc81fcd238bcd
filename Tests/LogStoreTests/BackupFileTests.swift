// The file of a backup: what goes in comes out, and nothing but that.

import Bytes
import Foundation
import RaftCore
import Sealing
import Testing

@testable import LogStore

@Suite("The file of a backup")
struct BackupFileTests {
    private let header = BackupHeader(cluster: testNode.cluster, groupCount: 3, takenAt: 17)

    private func position(_ group: Int) -> LogPosition {
        LogPosition(term: Term(2), index: LogIndex(UInt64(10 + group)))
    }

    /// A backup of three groups, of snapshots that a store has.
    private func backup(_ directory: TemporaryDirectory) throws -> String {
        let store = try start(directory).store
        let path = directory.path + "/backup"
        let writer = try BackupWriter(path: path, header)
        for number in 0..<3 {
            let group = GroupID(UInt16(number))
            let mark = SnapshotMark(position: position(number), membership: testVoters)
            try store.snapshots.write(group, mark)
            let reader = try #require(
                try store.snapshots.reader(of: group, at: mark.position)
            )
            let bytes = try reader.bytes(inPieces: 100)
            if number == 1 {
                // Half of another one first, which is gone before it was read.
                try writer.begin(at: position(9), byteCount: 900)
                try writer.append(bytes.prefix(150))
                try writer.takeBack()
            }
            try writer.begin(at: mark.position, byteCount: UInt64(bytes.count))
            try writer.append(bytes.prefix(70))
            try writer.append(bytes.dropFirst(70))
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        try writer.finish()
        try store.close()
        return path
    }

    /// Copies the snapshots of these groups in this order, one of them with a flipped bit.
    private func copy(
        _ groups: [Int],
        of store: LogStore,
        to writer: BackupWriter,
        rotten: Int? = nil
    ) throws {
        for number in groups {
            let reader = try #require(
                try store.snapshots.reader(of: GroupID(UInt16(number)), at: position(number))
            )
            var bytes = try reader.bytes(inPieces: 100)
            if number == rotten { bytes[bytes.count / 2] ^= 1 }
            try writer.begin(at: position(number), byteCount: UInt64(bytes.count))
            try writer.append(bytes[...])
        }
    }

    /// Reads all of it as a restore would.
    private func readAll(_ path: String, _ keys: SealingKeys) throws -> [[[UInt8]]] {
        let reader = try BackupReader(path: path, keys: keys)
        return try (0..<reader.header.groupCount).map { number in
            var sections: [[UInt8]] = []
            try reader.sections(of: GroupID(UInt16(number))) { sections.append(Array($0)) }
            return sections
        }
    }

    @Test("each group's snapshot comes out as it went in, sealed or not")
    func whole() throws {
        for keys in [SealingKeys.none, testKeys()] {
            let directory = TemporaryDirectory(keys: keys)
            let path = try backup(directory)
            let reader = try BackupReader(path: path, keys: keys)
            #expect(reader.header == header)
            let groups = try readAll(path, keys)
            for number in 0..<3 {
                let group = GroupID(UInt16(number))
                let mark = SnapshotMark(position: position(number), membership: testVoters)
                #expect(groups[number] == testSections(group, mark))
                #expect(reader.position(of: group) == mark.position)
            }
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
            #expect(!FileManager.default.fileExists(atPath: path + ".unfinished"))
        }
    }

    @Test("a key that is missing is told, and is no damage")
    func missingKey() throws {
        let ring = testRing()
        let directory = TemporaryDirectory(keys: SealingKeys(ring, seals: true))
        let path = try backup(directory)
        for keys in [SealingKeys.none, testKeys()] {
            #expect(throws: LogStoreError.missingKey(ring.active, of: path)) {
                _ = try readAll(path, keys)
            }
        }
    }

    @Test("every flipped bit and every early end is found, and where it is")
    func damage() throws {
        for keys in [SealingKeys.none, testKeys()] {
            let directory = TemporaryDirectory(keys: keys)
            let path = try backup(directory)
            let sound = try Data(contentsOf: URL(fileURLWithPath: path))
            var cases = 0
            func place(of bytes: Data) throws -> UInt64? {
                try bytes.write(to: URL(fileURLWithPath: path))
                do {
                    _ = try readAll(path, keys)
                    return nil
                } catch LogStoreError.damage(.backup(_, let offset, _)) {
                    return offset
                }
            }
            for byte in sound.indices {
                var flipped = sound
                flipped[byte] ^= 1 << UInt8(byte % 8)
                let offset = try place(of: flipped)
                // What is at fault begins there.
                #expect(offset.map { $0 <= byte } == true, "byte \(byte) of \(sound.count)")
                cases += 1
            }
            for count in stride(from: 0, to: sound.count, by: 3) {
                #expect(try place(of: sound.prefix(count)) != nil, "cut at \(count)")
                cases += 1
            }
            #expect(try place(of: sound + Data([0])) == UInt64(sound.count))
            #expect(try place(of: sound) == nil)
            print("damaged backups: \(cases) cases")
            #expect(cases >= 1_000)
        }
    }

    @Test("a position that leaves no room for a next one is refused")
    func positions() throws {
        let sound = [
            LogPosition.origin, LogPosition(term: Term(1), index: LogIndex(1)),
            LogPosition(term: RaftCore.Limits.highestTerm, index: RaftCore.Limits.highestIndex),
        ]
        let forged = [
            LogPosition(term: Term(.max), index: LogIndex(9)),
            LogPosition(term: Term(1), index: LogIndex(UInt64(Int64.max))),
            LogPosition(term: .zero, index: LogIndex(9)),
            LogPosition(term: Term(9), index: .zero),
        ]
        for position in sound + forged {
            let part = BackupPart(group: GroupID(0), position: position, byteCount: 1)
            let mark = SnapshotMark(position: position, membership: testVoters)
            let header = SnapshotHeader(cluster: testNode.cluster, group: GroupID(0), mark: mark)
            if sound.contains(position) {
                #expect(try BackupFormat.part(BackupFormat.encode(part)) == part)
                #expect(try SnapshotFormat.header(SnapshotFormat.encode(header)).header == header)
            } else {
                #expect(throws: DecodeError.self) {
                    _ = try BackupFormat.part(BackupFormat.encode(part))
                }
                #expect(throws: DecodeError.self) {
                    _ = try SnapshotFormat.header(SnapshotFormat.encode(header))
                }
            }
        }
    }

    @Test("what was read rotten is no backup, with or without the keys")
    func rotten() throws {
        for keys in [SealingKeys.none, testKeys()] {
            let directory = TemporaryDirectory(keys: keys)
            let path = try backup(directory)
            let store = try open(directory)
            let writer = try BackupWriter(path: path + "-2", header)
            try copy([0, 1, 2], of: store, to: writer, rotten: 1)
            store.abandon()
            #expect(throws: LogStoreError.self) { try writer.finish() }
            #expect(!FileManager.default.fileExists(atPath: path + "-2"))
        }
    }

    @Test("a group's snapshot in the place of another's is found")
    func swapped() throws {
        let directory = TemporaryDirectory()
        let path = try backup(directory)
        let store = try open(directory)
        let writer = try BackupWriter(path: directory.path + "/other", header)
        try copy([0, 2, 1], of: store, to: writer)
        #expect(throws: LogStoreError.self) { try writer.finish() }
        store.abandon()
        #expect(try readAll(path, .none).count == 3)
    }

    @Test("what is not finished leaves nothing, and what is there is not written over")
    func unfinished() throws {
        let directory = TemporaryDirectory()
        let path = try backup(directory)
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(throws: LogStoreError.self) { _ = try BackupWriter(path: path, header) }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
        do {
            let writer = try BackupWriter(path: path + "-2", header)
            try writer.begin(at: position(0), byteCount: 10)
        }
        do {
            // Two at once: the first one to end has the name.
            let writers = try (0..<2).map { _ in try BackupWriter(path: path + "-2", header) }
            let store = try open(directory)
            for writer in writers {
                try copy([0, 1, 2], of: store, to: writer)
            }
            store.abandon()
            try writers[1].finish()
            #expect(throws: LogStoreError.self) { try writers[0].finish() }
            #expect(try readAll(path + "-2", .none).count == 3)
            try FileManager.default.removeItem(atPath: path + "-2")
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(names.filter { $0.hasPrefix("backup") } == ["backup"])
    }
}
