import PeerWire
import RaftCore
import Testing

@testable import Simulation

struct SimDiskTests {
    private func disk() -> SimDisk {
        Simulator.newDisk(NodeID(1), membership: three, salt: 1)
    }

    private func filled() -> SimDisk {
        var disk = disk()
        disk.store(batch([entry(1, 1), entry(2, 1), entry(3, 2)], term: 2, vote: 3))
        return disk
    }

    @Test("What was stored is found again, and cut where it was cut")
    func store() throws {
        var disk = filled()
        var found = try #require(disk.recover())
        #expect(found.entries == [entry(1, 1), entry(2, 1), entry(3, 2)])
        #expect(found.hardState == HardState(term: Term(2), vote: NodeID(3)))
        disk.store(batch([entry(2, 3)], term: 3))
        found = try #require(disk.recover())
        #expect(found.entries == [entry(1, 1), entry(2, 3)])
        disk.store(batch([], term: 3, base: entry(1, 1).position))
        // The snapshot that stands for entry 1 is not there.
        #expect(disk.recover() == nil)
        let mark = SnapshotMark(position: entry(1, 1).position, membership: three)
        disk.store(SnapshotFile(mark: mark, bytes: [1, 2, 3]))
        found = try #require(disk.recover())
        #expect(found.base == entry(1, 1).position)
        #expect(found.entries == [entry(2, 3)])
    }

    @Test("A base that the log does not have drops all of it")
    func replaced() throws {
        var disk = filled()
        let position = LogPosition(term: Term(5), index: LogIndex(2))
        disk.store(
            SnapshotFile(mark: SnapshotMark(position: position, membership: three), bytes: [1])
        )
        disk.store(batch([entry(3, 5)], term: 5, base: position))
        let found = try #require(disk.recover())
        #expect(found.base == position)
        #expect(found.entries == [entry(3, 5)])
    }

    @Test("A batch that leaves a gap does not fit")
    func gap() {
        let disk = filled()
        #expect(disk.fits(batch([entry(4, 2)], term: 2)))
        #expect(disk.fits(batch([entry(2, 3)], term: 3)))
        #expect(!disk.fits(batch([entry(5, 2)], term: 2)))
        let position = LogPosition(term: Term(5), index: LogIndex(9))
        #expect(disk.fits(batch([entry(10, 5)], term: 5, base: position)))
        #expect(!disk.fits(batch([entry(4, 5)], term: 5, base: position)))
    }

    @Test("Any damage is noticed")
    func damage() {
        var random = Stream(seed: 1, .faults)
        var noticed = 0
        for _ in 0..<400 {
            var disk = filled()
            disk.flipBit(&random)
            if disk.recover() == nil { noticed += 1 }
        }
        #expect(noticed == 400)
        for _ in 0..<50 {
            var disk = filled()
            if disk.misdirect(&random) { #expect(disk.recover() == nil) }
            disk = filled()
            if disk.loseTail(&random) { #expect(disk.recover() == nil) }
        }
    }

    @Test("What was stored beyond the durable mark is found, and may be missing")
    func beyondMark() throws {
        var disk = filled()
        disk.store(batch([entry(4, 2)], term: 2), marksIt: false)
        let found = try #require(disk.recover())
        #expect(found.entries.count == 4)
    }

    @Test("To lose what nobody was told of is no damage, and all damage goes further")
    func unsaid() {
        var random = Stream(seed: 2, .faults)
        for _ in 0..<50 {
            var disk = filled()
            disk.store(batch([entry(4, 2), entry(5, 2)], term: 2), marksIt: false)
            let isLost = disk.loseTail(&random)
            #expect(isLost)
            #expect(disk.recover() == nil)
        }
        var disk = disk()
        for index in 1...31 as ClosedRange<UInt64> {
            disk.store(batch([entry(index, 1)], term: 1))
        }
        disk.store(batch([entry(32, 1)], term: 1), marksIt: false)
        let isBack = disk.putBack()
        #expect(!isBack)
        #expect(disk.recover()?.entries.count == 32)
    }

    @Test("A batch that does not follow what is left of the log is noticed at the next start")
    func missed() {
        var random = Stream(seed: 3, .faults)
        var disk = filled()
        let isLost = disk.loseTail(&random)
        #expect(isLost)
        let next = batch([entry(4, 2)], term: 2)
        #expect(!disk.fits(next))
        disk.markWhatIsMissing()
        #expect(disk.recover() == nil)
        // A new leader's entries take the place of what was lost.
        disk.store(batch([entry(1, 3)], term: 3))
        #expect(disk.recover()?.entries.count == 1)
    }

    @Test("The two newest snapshots are kept")
    func snapshots() {
        var disk = filled()
        for index in 1...3 as ClosedRange<UInt64> {
            let position = LogPosition(term: Term(1), index: LogIndex(index))
            let mark = SnapshotMark(position: position, membership: three)
            disk.store(SnapshotFile(mark: mark, bytes: [UInt8(index)]))
        }
        #expect(disk.snapshots.map(\.mark.position.index.rawValue) == [2, 3])
    }

    private var origin: SnapshotFile {
        SnapshotFile(mark: SnapshotMark(position: .origin, membership: .none), bytes: [])
    }

    @Test("A damaged log is salvaged up to its first bad row, and the node is mute then")
    func salvage() throws {
        var salvaged = 0
        for seed in 1...60 as ClosedRange<UInt64> {
            var stream = Stream(seed: seed, .disk)
            var disk = filled()
            disk.flipBit(&stream)
            guard disk.recover() == nil else { continue }
            guard disk.salvage(origin: origin) else { continue }
            salvaged += 1
            let found = try #require(disk.recover())
            let all = [entry(1, 1), entry(2, 1), entry(3, 2)]
            #expect(found.entries == Array(all.prefix(found.entries.count)))
            #expect(
                found.hardState == HardState(term: Term(2), vote: NodeID(3), isMute: true)
            )
        }
        #expect(salvaged >= 20)
    }

    @Test("Without its vote a disk is not salvaged")
    func voteLost() {
        var refused = 0
        for seed in 1...200 as ClosedRange<UInt64> {
            var stream = Stream(seed: seed, .disk)
            var disk = filled()
            disk.flipBit(&stream)
            if !disk.vote.isSound {
                refused += 1
                let isSalvaged = disk.salvage(origin: origin)
                #expect(!isSalvaged)
            }
        }
        #expect(refused >= 3)
    }

    @Test("The log of some time ago is noticed, and what it holds is kept")
    func oldImage() throws {
        var disk = disk()
        for index in 1...70 as ClosedRange<UInt64> {
            disk.store(batch([entry(index, 1)], term: 1))
        }
        let isBack = disk.putBack()
        #expect(isBack)
        #expect(disk.recover() == nil)
        let isSalvaged = disk.salvage(origin: origin)
        #expect(isSalvaged)
        #expect(try #require(disk.recover()).entries.count == 63)
    }
}

struct NodeClockTests {
    @Test("A timer of a fast or a slow clock is never early")
    func timers() {
        for fastness in [-250_000, -1, 0, 1, 250_000] as [Int64] {
            let clock = NodeClock(start: 500, fastness: fastness, wallOffset: 0)
            let start = clock.instant(at: 1_000)
            let wait = clock.trueTime(of: 12_345)
            #expect(clock.instant(at: 1_000 + wait).rawValue >= start.rawValue + 12_345)
        }
    }

    @Test("A change of speed does not move the clock")
    func change() {
        var clock = NodeClock(start: 0, fastness: 100_000, wallOffset: 0)
        let before = clock.instant(at: 5_000_000)
        clock.setFastness(-100_000, at: 5_000_000)
        #expect(clock.instant(at: 5_000_000) == before)
        #expect(clock.instant(at: 6_000_000).rawValue == before.rawValue + 900_000)
    }
}

struct StreamTests {
    @Test("The streams of a seed are independent, and each is the same again")
    func streams() {
        var one = Stream(seed: 5, .faults)
        var same = Stream(seed: 5, .faults)
        var other = Stream(seed: 5, .network)
        var part = Stream(seed: 5, .faults, 1)
        let first = (0..<8).map { _ in one.next() }
        #expect(first == (0..<8).map { _ in same.next() })
        #expect(first != (0..<8).map { _ in other.next() })
        #expect(first != (0..<8).map { _ in part.next() })
    }

    @Test("Magnitudes stay within their range and reach both of its ends")
    func magnitudes() {
        var stream = Stream(seed: 1, .options)
        let drawn = (0..<2_000).map { _ in stream.magnitude(10...100_000) }
        #expect(drawn.allSatisfy { (10...100_000).contains($0) })
        #expect(drawn.count { $0 < 100 } >= 200)
        #expect(drawn.count { $0 > 10_000 } >= 200)
    }
}

struct EventQueueTests {
    @Test("Events come out by time, and of one time in the order in which they went in")
    func order() {
        var queue = EventQueue<Int>()
        var random = Stream(seed: 1, .scheduling)
        for number in 0..<500 { queue.schedule(number, at: random.below(20)) }
        var last: (time: UInt64, number: Int) = (0, -1)
        var count = 0
        while let (time, number) = queue.next() {
            #expect(time >= last.time)
            if time == last.time { #expect(number > last.number) }
            last = (time, number)
            count += 1
        }
        #expect(count == 500)
    }
}
