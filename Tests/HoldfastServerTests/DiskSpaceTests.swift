// The ballast on a real directory, under numbers that the test makes up.

import Foundation
import Replica
import Synchronization
import Testing

@testable import HoldfastServer

private final class Disk {
    let path = NSTemporaryDirectory() + "holdfast-space-\(UUID().uuidString)"
    let words = RecordedLog()
    let space: DiskSpace

    static let marks = SpaceWatch.Marks(low: 1 << 20, reserve: 1 << 18, ballast: 1 << 16)

    init(isThere: Bool = true) throws {
        let numbers = Numbers()
        self.numbers = numbers
        if isThere {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true
            )
        }
        space = DiskSpace(directory: path, marks: Self.marks, logger: words.logger) { _ in
            numbers.free.withLock { $0 }
        }
    }

    deinit {
        // Where it was never made there is nothing to remove.
        try? FileManager.default.removeItem(atPath: path)
    }

    private let numbers: Numbers

    private final class Numbers: Sendable {
        /// Bytes; nil where the disk does not say.
        let free = Mutex<UInt64?>(1 << 30)
    }

    func leave(free: UInt64?) { numbers.free.withLock { $0 = free } }

    func look(_ free: UInt64?) -> Room {
        leave(free: free)
        return space.look()
    }

    var ballast: Int? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path + "/ballast")
        return attributes?[.size] as? Int
    }
}

@Suite("The room on a disk")
struct DiskSpaceTests {
    @Test("the ballast is made where there is room, given up once, and made again")
    func ballast() throws {
        let disk = try Disk()
        #expect(disk.look(1 << 30) == .ample)
        #expect(disk.ballast == 1 << 16)
        #expect(disk.look(1 << 17) == .exhausted, "its place is too small to help")
        #expect(disk.ballast == nil)
        for _ in 0..<3 { #expect(disk.look(1 << 17) == .exhausted) }
        #expect(disk.words.all(with: "the ballast is given up").count == 1)
        #expect(disk.look(1 << 19) == .low)
        _ = disk.look(1 << 30)
        #expect(disk.look(1 << 30) == .ample)
        #expect(disk.ballast == 1 << 16)
    }

    @Test("where it cannot be made the node does without, and says so once")
    func waived() throws {
        let disk = try Disk(isThere: false)
        for _ in 0..<3 { #expect(disk.look(1 << 30) == .ample) }
        #expect(disk.words.all(with: "no ballast could be made").count == 1)
        for _ in 0..<3 { #expect(disk.look(1) == .exhausted) }
        #expect(disk.words.all(with: "given up").isEmpty)
        #expect(disk.look(1 << 30) == .ample)
    }

    @Test("one of another size is replaced")
    func otherSize() throws {
        let disk = try Disk()
        try Data(count: 100).write(to: URL(fileURLWithPath: disk.path + "/ballast"))
        #expect(disk.look(1 << 30) == .ample)
        #expect(disk.ballast == 1 << 16)
    }

    @Test("a start counts the ballast of whosever directory it is, and does not touch it")
    func start() async throws {
        let disk = try Disk()
        let file = URL(fileURLWithPath: disk.path + "/ballast")
        try Data(count: 100).write(to: file)
        disk.leave(free: 1)
        await disk.space.waitForRoom()
        #expect(disk.ballast == 100)
        #expect(disk.space.room == .low)
        let fresh = try Disk()
        await fresh.space.waitForRoom()
        #expect(fresh.ballast == nil)
        #expect(fresh.look(1 << 30) == .ample)
        #expect(fresh.ballast == 1 << 16)
    }

    @Test("the largest group must have room for its snapshot")
    func largestGroup() throws {
        let disk = try Disk()
        #expect(disk.look(1 << 30) == .ample)
        disk.space.expect(snapshotOf: 1 << 30)
        #expect(disk.look((1 << 30) - 1) == .low)
    }

    @Test("a disk that does not say how much room it has counts as it did, and that is told once")
    func unknown() throws {
        let disk = try Disk()
        #expect(disk.look(1 << 19) == .low)
        for _ in 0..<3 { #expect(disk.look(nil) == .low) }
        #expect(disk.words.all(with: "does not say").count == 1)
    }
}
