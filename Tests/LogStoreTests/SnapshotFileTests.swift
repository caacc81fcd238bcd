// Snapshots as files: what was written comes back, and no byte of a file can be lost or changed
// unseen.

import Bytes
import Foundation
import Glibc
import RaftCore
import TestKit
import Testing

@testable import LogStore

@Suite("LogStore's snapshot files")
struct SnapshotFileTests {
    private let group = GroupID(1)

    private func mark(_ index: UInt64, term: UInt64 = 3) -> SnapshotMark {
        SnapshotMark(
            position: LogPosition(term: Term(term), index: LogIndex(index)),
            membership: Membership(
                members: [Member(id: NodeID(3), role: .voter, contact: [1, 2, 3])],
                highestID: NodeID(8)
            )
        )
    }

    /// A directory that holds one snapshot, at 70, and nothing else.
    private final class Written {
        let directory = TemporaryDirectory()
        let store: LogStore
        let file: URL

        init(_ group: GroupID, _ mark: SnapshotMark) throws {
            store = try open(directory)
            try store.snapshots.write(group, mark)
            let names = try directory.snapshotNames()
            #expect(names == ["00001-00000000000000000070-00000000000000000003.snapshot"])
            file = directory.file("snapshots/" + names[0])
        }
    }

    private func written() throws -> Written { try Written(group, mark(70)) }

    /// A file of several steps of a removal, without blocks of its own.
    private func large(in directory: TemporaryDirectory) throws -> String {
        let path = directory.file("large").path
        let folder = directory.file("large").deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        #expect(FileManager.default.createFile(atPath: path, contents: Data("begin".utf8)))
        #expect(truncate(path, off_t(Limits.removalStepBytes * 3 + 1)) == 0)
        return path
    }

    @Test("a large file is removed, and whoever reads it can go on")
    func removal() throws {
        let directory = TemporaryDirectory()
        let path = try large(in: directory)
        let size = Limits.removalStepBytes * 3 + 1
        let reader = try #require(try ReadableFile(path: path))
        try removeFile(path)
        #expect(access(path, F_OK) != 0)
        #expect(try ReadableFile(path: path) == nil)
        #expect(try reader.read(at: 0, count: 5) == Array("begin".utf8))
        #expect(try reader.read(at: UInt64(size - 1), count: 5) == [0])
        // Another time.
        try removeFile(path)
    }

    @Test("a large file that nobody reads is made shorter, and then is gone")
    func removalInSteps() throws {
        let directory = TemporaryDirectory()
        let path = try large(in: directory)
        // Who only looks at it holds no lock.
        let observer = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        defer { close(observer) }
        try removeFile(path)
        var status = stat()
        #expect(fstat(observer, &status) == 0)
        #expect(status.st_nlink == 0)
        #expect(status.st_size == 1)
    }

    @Test("a file that is being removed is not there")
    func removalMeanwhile() throws {
        let directory = TemporaryDirectory()
        let path = try large(in: directory)
        let remover = Glibc.open(path, O_RDWR | O_CLOEXEC)
        defer { close(remover) }
        #expect(flock(remover, LOCK_EX | LOCK_NB) == 0)
        #expect(try ReadableFile(path: path) == nil)
        #expect(flock(remover, LOCK_UN) == 0)
        #expect(try ReadableFile(path: path) != nil)
    }

    @Test("sections come back in order, under the mark that they were written for")
    func roundTrip() throws {
        let written = try written()
        let (store, file) = (written.store, written.file)
        let reader = try #require(try store.snapshots.reader(of: group, at: mark(70).position))
        #expect(reader.mark == mark(70))
        #expect(reader.group == group)
        #expect(try reader.collected() == testSections(group, mark(70)))
        let size = try Data(contentsOf: file).count
        #expect(reader.byteCount == UInt64(size))
        let repeated = testSections(group, mark(70))[0]
        #expect(SnapshotFormat.encode(section: repeated[...]).count < repeated.count)
        #expect(try store.snapshots.reader(of: group, at: mark(71).position) == nil)
        #expect(try store.snapshots.reader(of: GroupID(2), at: mark(70).position) == nil)
        try written.store.close()
    }

    @Test("large sections, many of them, and none at all come back")
    func sizes() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        var random = SeededRandom(9)
        let large = (0..<Limits.snapshotSectionBytesMax).map { _ in
            UInt8(truncatingIfNeeded: random.next())
        }
        let many = (0..<2_000).map { number in (0..<number % 50).map { UInt8($0) } }
        let cases: [[[UInt8]]] = [[], [large, [UInt8](repeating: 7, count: large.count)], many]
        for (index, sections) in cases.enumerated() {
            let writer = try store.snapshots.writer(of: group, at: mark(UInt64(index + 1)))
            for section in sections { try writer.append(section[...]) }
            try writer.finish()
            let reader = try #require(
                try store.snapshots.reader(of: group, at: mark(UInt64(index + 1)).position)
            )
            #expect(try reader.collected() == sections)
        }
        try store.close()
    }

    @Test("a file cut short at any byte is noticed")
    func truncated() throws {
        let written = try written()
        let (store, file) = (written.store, written.file)
        let whole = try Data(contentsOf: file)
        var noticed = 0
        for count in 0..<whole.count {
            try whole.prefix(count).write(to: file)
            if try isUnsound(store) { noticed += 1 }
        }
        #expect(noticed == whole.count)
        #expect(noticed >= 200)
        for extra in [1, 37, 200] {
            try (whole + Data(count: extra)).write(to: file)
            #expect(try isUnsound(store))
        }
        try whole.write(to: file)
        #expect(try !isUnsound(store))
        try written.store.close()
    }

    @Test("every flipped bit of a file is noticed")
    func flipped() throws {
        let written = try written()
        let (store, file) = (written.store, written.file)
        let whole = try Data(contentsOf: file)
        var noticed = 0
        for bit in 0..<whole.count * 8 {
            var changed = whole
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            try changed.write(to: file)
            if try isUnsound(store) { noticed += 1 }
        }
        #expect(noticed == whole.count * 8)
        #expect(noticed >= 1_600)
        try written.store.close()
    }

    @Test("sections that are missing, swapped or doubled are noticed though each is sound")
    func shuffled() throws {
        let written = try written()
        let (store, file) = (written.store, written.file)
        let header = SnapshotFormat.encode(
            SnapshotHeader(cluster: testNode.cluster, group: group, mark: mark(70))
        )
        let blocks = testSections(group, mark(70)).map { SnapshotFormat.encode(section: $0[...]) }
        var totals = SnapshotFormat.Totals(chain: ChainHash.value(of: header))
        for (block, section) in zip(blocks, testSections(group, mark(70))) {
            totals.add(block[...], originalCount: section.count)
        }
        let trailer = SnapshotFormat.encode(totals)
        func write(_ order: [Int]) throws {
            try Data(header + order.flatMap { blocks[$0] } + trailer).write(to: file)
        }
        try write([0, 1, 2])
        #expect(try !isUnsound(store))
        for order in [[], [0, 1], [1, 0, 2], [0, 0, 1, 2], [0, 2, 1], [0, 1, 2, 2]] {
            try write(order)
            #expect(try isUnsound(store), "\(order)")
        }
        try written.store.close()
    }

    @Test("bytes that are no snapshot make an error, never a trap, with sound checksums too")
    func garbage() throws {
        let written = try written()
        let (store, file) = (written.store, written.file)
        let whole = [UInt8](try Data(contentsOf: file))
        // Header, three sections, trailer; each ends with or holds a checksum of its own.
        let membership = Int(whole[39]) | Int(whole[40]) << 8
        let headerEnd = SnapshotFormat.fixedHeaderBytes + membership
        var random = SeededRandom(21)
        var noticed = 0
        for round in 0..<3_000 {
            var changed = whole
            let isHeader = round.isMultiple(of: 2)
            let range = isHeader ? 4..<headerEnd : (headerEnd + 4)..<(headerEnd + 13)
            for _ in 0...random.below(3) {
                changed[range.lowerBound + random.below(range.count)] = UInt8(random.below(256))
            }
            if isHeader {
                var sealed = ByteWriter()
                sealed.write(changed[..<headerEnd])
                sealed.write(CRC32C.checksum(sealed.bytes))
                changed.replaceSubrange(..<(headerEnd + 4), with: sealed.bytes)
            }
            try Data(changed).write(to: file)
            if try changed == whole || isUnsound(store) { noticed += 1 }
        }
        #expect(noticed == 3_000)
        try written.store.close()
    }

    /// Whether the snapshot at 70 cannot be read to its end.
    private func isUnsound(_ store: LogStore) throws -> Bool {
        do throws(LogStoreError) {
            guard let reader = try store.snapshots.reader(of: group, at: mark(70).position) else {
                return false
            }
            try reader.sections { _ in }
            return false
        } catch .damage(.snapshot) {
            return true
        }
    }

    // MARK: The directory

    @Test("the newest two of each group are kept, and an open one is read to its end")
    func retention() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        try store.snapshots.write(GroupID(0), mark(5))
        try store.snapshots.write(group, mark(10))
        let reader = try #require(try store.snapshots.reader(of: group, at: mark(10).position))
        let before = try reader.bytes()
        for index in 11...20 as ClosedRange<UInt64> {
            try store.snapshots.write(group, mark(index))
        }
        #expect(
            try directory.snapshotNames() == [
                "00000-00000000000000000005-00000000000000000003.snapshot",
                "00001-00000000000000000019-00000000000000000003.snapshot",
                "00001-00000000000000000020-00000000000000000003.snapshot",
            ]
        )
        #expect(try store.snapshots.reader(of: group, at: mark(10).position) == nil)
        #expect(try reader.bytes() == before)
        #expect(try reader.collected() == testSections(group, mark(10)))
        try store.close()
    }

    @Test("what was not finished leaves nothing behind, at once or after a crash")
    func unfinished() throws {
        let directory = TemporaryDirectory()
        var store = try open(directory)
        do {
            let writer = try store.snapshots.writer(of: group, at: mark(70))
            try writer.append([1, 2, 3])
            #expect(try directory.snapshotNames().count == 1)
        }
        #expect(try directory.snapshotNames().isEmpty)
        let writer = try store.snapshots.writer(of: group, at: mark(70))
        try writer.append([1, 2, 3])
        let copy = try TemporaryDirectory(copyOf: directory)
        #expect(try copy.snapshotNames().count == 1)
        try store.close()
        store = try open(copy)
        #expect(try copy.snapshotNames().isEmpty)
        try store.close()
        try writer.finish()
    }

    @Test("snapshots are written by other threads while the log stores")
    func threads() async throws {
        let directory = TemporaryDirectory()
        let store = try start(directory).store
        let files = store.snapshots
        let written = Task {
            try await withThrowingTaskGroup(of: Int.self) { tasks in
                for place in 0..<3 as Range<UInt16> {
                    tasks.addTask {
                        for index in 1...40 as ClosedRange<UInt64> {
                            let position = LogPosition(term: Term(1), index: LogIndex(index))
                            let mark = SnapshotMark(position: position, membership: testVoters)
                            // Two writers for each group's snapshots, as when one is cut and one
                            // received.
                            try files.write(GroupID(place / 2), mark)
                        }
                        return 40
                    }
                }
                return try await tasks.reduce(0, +)
            }
        }
        for index in 1...200 as ClosedRange<UInt64> {
            try store.store([(GroupID(2), batch(term: 1, [noop(1, index)]))])
        }
        #expect(try await written.value == 120)
        let groups = try found(in: directory)
        #expect(groups.map { $0.snapshot?.position.index.rawValue } == [40, 40, 0])
        #expect(groups[2].entries.count == 200)
        #expect(try directory.snapshotNames().count == 5)
        try store.close()
    }
}
