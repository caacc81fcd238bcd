// The index against a plain dictionary, and its scan against the one promise that SCAN makes: what
// is there from the first call to the last comes out exactly once, whatever comes and goes
// meanwhile.

import TestKit
import Testing

@testable import SessionMachine

@Suite("Hash index")
struct HashIndexTests {
    /// Hashes of several kinds: spread, few and therefore equal, and alike in their low bits.
    private static func hash(_ random: inout SeededRandom, kind: Int) -> UInt32 {
        let word = UInt32(truncatingIfNeeded: random.next())
        switch kind {
        case 0: return word
        case 1: return word & 3
        default: return word << 20
        }
    }

    private static func find(_ record: RecordID, _ hash: UInt32, in index: HashIndex) -> Bool {
        index.candidates(for: hash).contains { $0.hash == hash && $0.record == record }
    }

    @Test("random inserts and removes agree with a dictionary", arguments: 0..<12)
    func model(seed: UInt64) {
        var random = SeededRandom(seed)
        var index = HashIndex()
        var hashes: [RecordID: UInt32] = [:]
        var present: [RecordID] = []
        var next: RecordID = 0
        var most = 0
        for step in 0..<3_000 {
            // Waves: it grows for a while, then shrinks for a while.
            let isGrowing = (step / 700) % 2 == 0
            if present.isEmpty || random.below(10) < (isGrowing ? 8 : 2) {
                let hash = Self.hash(&random, kind: Int(seed % 3))
                index.insert(next, hash: hash)
                hashes[next] = hash
                present.append(next)
                next += 1
            } else {
                let record = present.remove(at: random.below(present.count))
                let hash = hashes.removeValue(forKey: record) ?? 0
                index.remove(record, hash: hash)
                #expect(!Self.find(record, hash, in: index))
            }
            most = max(most, index.bucketCount)
            #expect(index.count == present.count)
            if let some = present.last, let hash = hashes[some] {
                #expect(Self.find(some, hash, in: index))
            }
            guard step % 250 == 0 else { continue }
            #expect(index.checkInvariants() == [])
            #expect(hashes.allSatisfy { Self.find($0.key, $0.value, in: index) })
        }
        #expect(most > 20)
        for record in present { index.remove(record, hash: hashes[record] ?? 0) }
        #expect(index.count == 0)
        #expect(index.bucketCount == 1)
        #expect(index.checkInvariants() == [])
    }

    @Test("buckets stay within their load bounds, one split or merge at a time")
    func load() {
        var random = SeededRandom(4)
        var index = HashIndex()
        let hashes = (0..<5_000).map { _ in UInt32(truncatingIfNeeded: random.next()) }
        for (record, hash) in hashes.enumerated() {
            let before = index.bucketCount
            index.insert(RecordID(record), hash: hash)
            #expect(index.bucketCount - before <= 1)
            #expect(index.count <= index.bucketCount * 16)
        }
        for (record, hash) in hashes.enumerated() {
            let before = index.bucketCount
            index.remove(RecordID(record), hash: hash)
            #expect(before - index.bucketCount <= 1)
            #expect(index.bucketCount == 1 || index.count >= index.bucketCount * 4)
        }
    }

    @Test("a scan of a table at rest meets everything once", arguments: [0, 1, 16, 17, 33, 500])
    func scanAtRest(count: Int) {
        var random = SeededRandom(UInt64(count))
        var index = HashIndex()
        for record in 0..<count {
            index.insert(RecordID(record), hash: UInt32(truncatingIfNeeded: random.next()))
        }
        var met: [RecordID] = []
        var steps = 0
        var cursor: UInt32 = 0
        repeat {
            let step = index.scan(from: cursor)
            met += step.entries.map(\.record)
            #expect(step.next == 0 || step.next > cursor)
            cursor = step.next
            steps += 1
        } while cursor != 0
        #expect(met.sorted() == (0..<count).map { RecordID($0) })
        #expect(steps == index.bucketCount)
    }

    /// A table under a scan: some records stay, others come and go.
    private struct Crowd {
        var index = HashIndex()
        var passing: [(record: RecordID, hash: UInt32)] = []
        var next: RecordID = 0
        var random: SeededRandom

        /// Adds a record and tells its number.
        mutating func add() -> (record: RecordID, hash: UInt32) {
            let added = (record: next, hash: UInt32(truncatingIfNeeded: random.next()))
            next += 1
            index.insert(added.record, hash: added.hash)
            return added
        }

        mutating func removeOne() {
            guard !passing.isEmpty else { return }
            let gone = passing.remove(at: random.below(passing.count))
            index.remove(gone.record, hash: gone.hash)
        }
    }

    @Test("what stays is met exactly once while the table grows and shrinks", arguments: 0..<30)
    func scanUnderChange(seed: UInt64) {
        var crowd = Crowd(random: SeededRandom(seed))
        let staying = (0..<60).map { _ in crowd.add().record }
        // Even seeds start big and mostly shrink, odd ones start small and mostly grow.
        let isShrinking = seed % 2 == 0
        if isShrinking { crowd.passing = (0..<2_000).map { _ in crowd.add() } }
        var met: [RecordID: Int] = [:]
        var seenSizes: Set<Int> = []
        var cursor: UInt32 = 0
        var steps = 0
        repeat {
            let step = crowd.index.scan(from: cursor)
            for entry in step.entries { met[entry.record, default: 0] += 1 }
            cursor = step.next
            seenSizes.insert(crowd.index.bucketCount)
            for _ in 0..<crowd.random.below(isShrinking ? 60 : 200) {
                if crowd.random.below(10) < (isShrinking ? 2 : 8), crowd.next < 4_000 {
                    crowd.passing.append(crowd.add())
                } else {
                    crowd.removeOne()
                }
            }
            steps += 1
        } while cursor != 0 && steps < 10_000
        #expect(cursor == 0)
        #expect(seenSizes.count >= (isShrinking ? 15 : 5))
        #expect(staying.allSatisfy { met[$0] == 1 })
        // Each number is used once here, so nothing at all may come twice.
        #expect(met.values.allSatisfy { $0 == 1 })
    }

    @Test("a cursor made up by a client is answered like any other", arguments: 0..<8)
    func foreignCursor(seed: UInt64) {
        var random = SeededRandom(seed)
        var index = HashIndex()
        for record in 0..<300 {
            index.insert(RecordID(record), hash: UInt32(truncatingIfNeeded: random.next()))
        }
        for _ in 0..<200 {
            let cursor = UInt32(truncatingIfNeeded: random.next())
            let step = index.scan(from: cursor)
            #expect(step.next == 0 || step.next > cursor)
        }
        #expect(index.scan(from: .max).next == 0)
    }
}
