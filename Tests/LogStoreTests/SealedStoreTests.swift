// A store whose rows and snapshots are sealed: what is in its files, how it goes over from clear
// files and from key to key, and what it says where a key is missing.

import Bytes
import Foundation
import RaftCore
import Sealing
import TestKit
import Testing

@testable import LogStore

extension SnapshotFiles {
    /// Writes all again that would be sealed otherwise now: how many were, and which could not be.
    fileprivate func resealAll() throws -> (count: Int, failed: [String]) {
        var count = 0
        var failed: [String] = []
        while true {
            let next = try nextToReseal(skipping: Set(failed))
            failed += next.failures.map(\.file)
            guard let resealing = next.resealing else { return (count, failed) }
            do {
                while try !resealing.step() {}
                count += 1
            } catch {
                failed.append(resealing.file)
            }
        }
    }
}

@Suite("A sealed store")
struct SealedStoreTests {
    private static let word = "xyzzy-plugh-0123456789"

    /// An entry whose payload says a word that stands nowhere else.
    private func secret(_ index: UInt64, bytes: Int = 100) -> Entry {
        var payload = Array(Self.word.utf8)
        while payload.count < bytes { payload += payload }
        let content = Entry.Content.command(payload.prefix(bytes))
        return Entry(term: Term(1), index: LogIndex(index), content: content)
    }

    private func write(
        _ indices: ClosedRange<UInt64>,
        to store: LogStore,
        _ group: UInt16 = 0,
        bytes: Int = 100
    ) throws {
        for index in indices {
            try store.store([(GroupID(group), batch(term: 1, [secret(index, bytes: bytes)]))])
        }
    }

    /// The files in which the word stands.
    private func leaks(in directory: TemporaryDirectory) throws -> [String] {
        let word = Data(Self.word.utf8)
        return try directory.contents().filter { $0.value.range(of: word) != nil }.map(\.key)
            .sorted()
    }

    private func snapshot(_ group: UInt16, at index: UInt64, in store: LogStore) throws {
        let position = LogPosition(term: Term(1), index: LogIndex(index))
        let mark = SnapshotMark(position: position, membership: testVoters)
        let writer = try store.snapshots.writer(of: GroupID(group), at: mark)
        try writer.append(Array(Self.word.utf8)[...])
        try writer.finish()
    }

    /// Opens the directory under other keys, as a later start does.
    private func reopened(
        _ directory: TemporaryDirectory,
        _ keys: SealingKeys
    ) throws -> (store: LogStore, found: [RecoveredGroup]) {
        let store = try LogStore.open(
            directory: directory.path,
            identity: testNode,
            groupCount: 3,
            keys: keys
        )
        do {
            return (store, try store.recover())
        } catch {
            store.abandon()
            throw error
        }
    }

    /// The ring with a new key, which is active.
    private func rotated(_ ring: KeyRing) throws -> KeyRing {
        let longer = try ring.addingKey(created: .now)
        return try longer.activating(longer.newest)
    }

    /// What a start finds in a copy of the directory.
    private func found(in directory: TemporaryDirectory) throws -> [RecoveredGroup] {
        let (store, groups) = try reopened(
            try TemporaryDirectory(copyOf: directory),
            directory.keys
        )
        try store.close()
        return groups
    }

    @Test("nothing of what is stored stands in any file; without keys it does")
    func nothingInClear() throws {
        for (keys, isSealed) in [(testKeys(), true), (.none, false)] {
            let directory = TemporaryDirectory(keys: keys)
            let store = try start(directory).store
            try write(1...40, to: store)
            try write(1...3, to: store, 1, bytes: 20_000)
            try store.checkpoint()
            try write(41...60, to: store)
            try snapshot(0, at: 20, in: store)
            let leaks = try leaks(in: directory)
            #expect(leaks.isEmpty == isSealed, "\(leaks)")
            if !isSealed { #expect(leaks.count >= 3) }
            let found = try found(in: directory)
            #expect(found[0].entries.count == 60)
            #expect(found[1].entries == (1...3).map { secret($0, bytes: 20_000) })
            try store.close()
        }
    }

    @Test("the length of a sealed row does not tell what is in it")
    func compression() throws {
        for (keys, isSealed) in [(testKeys(), true), (.none, false)] {
            let directory = TemporaryDirectory(keys: keys)
            let store = try start(directory).store
            try write(1...2, to: store, bytes: 100_000)
            let large = store.statistics.bytes
            let many = (3...1_002).map { secret($0) }
            try store.store([(GroupID(0), batch(term: 1, many))])
            // One word a thousand times over: together they hardly take a page.
            #expect((large > 200_000) == isSealed)
            #expect((store.statistics.bytes - large > 100_000) == isSealed)
            #expect(try found(in: directory)[0].entries.count == 1_002)
            try store.close()
        }
    }

    @Test("a missing key is told, nothing is set aside or changed, and the key makes it good")
    func missingKey() throws {
        let ring = testRing()
        let directory = TemporaryDirectory(keys: SealingKeys(ring, seals: true))
        let store = try start(directory).store
        try write(1...5, to: store)
        try snapshot(0, at: 3, in: store)
        try store.close()
        let before = try directory.contents()
        for keys in [SealingKeys.none, testKeys()] {
            let row = LogStoreError.missingKey(ring.active, of: "row 1 of the log")
            #expect(throws: row) { _ = try reopened(directory, keys) }
            #expect(throws: row) {
                _ = try DirectoryCheck.run(
                    directory.path,
                    keys: keys,
                    progress: { _, _, _ in },
                    load: { (reader) throws(LogStoreError) in try reader.sections { _ in } }
                )
            }
        }
        let after = try directory.contents()
        #expect(before["log.db"] == after["log.db"])
        #expect(try directory.snapshotNames().allSatisfy { !$0.hasSuffix("damaged") })
        // Another active key, and this one beside it.
        let active = SealingKeys(try rotated(ring), seals: true)
        let found = try reopened(directory, active)
        #expect(found.found[0].entries.count == 5)
        #expect(found.found[0].snapshot?.position.index == LogIndex(3))
        try found.store.close()
    }

    @Test("a missing key of a snapshot alone is told too")
    func missingKeyOfSnapshot() throws {
        let ring = testRing()
        let other = try ring.addingKey(created: .now)
        let keys = SealingKeys(ring, seals: true)
        let directory = TemporaryDirectory(keys: keys)
        let store = try start(directory).store
        try write(1...5, to: store)
        keys.replace(with: try other.activating(other.newest))
        try snapshot(0, at: 3, in: store)
        try store.close()
        let names = try directory.snapshotNames()
        let file = directory.path + "/snapshots/" + names[1]
        #expect(throws: LogStoreError.missingKey(other.newest, of: file)) {
            _ = try reopened(directory, SealingKeys(ring, seals: true))
        }
        #expect(try directory.snapshotNames().allSatisfy { !$0.hasSuffix("damaged") })
    }

    @Test("a start with keys seals what was in clear, and leaves nothing of it, in whatever state")
    func sealing() throws {
        let clear = TemporaryDirectory()
        let store = try start(clear).store
        try write(1...200, to: store, bytes: 600)
        try store.checkpoint()
        try write(201...300, to: store, bytes: 600)
        try write(1...10, to: store, 2, bytes: 9_000)
        try snapshot(0, at: 100, in: store)
        try snapshot(0, at: 200, in: store)
        // Rows that are gone leave their bytes behind.
        let base = LogPosition(term: Term(1), index: LogIndex(200))
        store.cleaning.obsoleteBytesMin = 1
        try store.store([(GroupID(0), batch(term: 1, base: base, []))])
        while try store.clean() == .unfinished {}
        #expect(store.statistics.removedRows > 0)
        try store.store([(GroupID(0), batch(term: 1, [secret(301)]))])
        let expected = try found(in: clear).map { ModelGroup($0) }
        let crashed = try TemporaryDirectory(copyOf: clear)
        try store.close()
        for directory in [crashed, clear] {
            #expect(try leaks(in: directory).contains("log.db"))
            let keys = testKeys()
            let sealed = try reopened(directory, keys).store
            var steps: [LogStore.SealingStep] = []
            try sealed.sealWhatIsClear(free: nil) { steps.append($0) }
            #expect(steps.count == 2, "\(steps)")
            #expect(try leaks(in: directory) == [])
            #expect(sealed.keysInUse == [keys.current])
            #expect(try sealed.snapshots.keysInUse() == [keys.current])
            try sealed.store([(GroupID(1), batch(term: 1, [secret(1)]))])
            try sealed.close()
            #expect(try leaks(in: directory) == [])
            // A second start finds nothing to do.
            let again = try reopened(directory, keys)
            try again.store.sealWhatIsClear(free: nil) { Issue.record("\($0) again") }
            #expect(again.found[1].entries.count == 1)
            #expect(ModelGroup(again.found[0]) == expected[0])
            #expect(ModelGroup(again.found[2]) == expected[2])
            try again.store.close()
        }
    }

    @Test("a start that was cut short while it sealed goes on with it")
    func cutShort() throws {
        let directory = TemporaryDirectory()
        let store = try start(directory).store
        try write(1...100, to: store, bytes: 600)
        try snapshot(0, at: 100, in: store)
        try store.close()
        let keys = testKeys()
        let first = try reopened(directory, keys).store
        var images: [TemporaryDirectory] = []
        var failure: (any Error)?
        try first.sealWhatIsClear(free: nil) { _ in
            do {
                images.append(try TemporaryDirectory(copyOf: directory))
            } catch {
                failure = error
            }
        }
        #expect(failure == nil)
        try first.close(checkpointing: false)
        #expect(images.count == 2)
        // Between the snapshots and the log; and before the database was made anew.
        for image in images {
            let again = try reopened(image, keys)
            try again.store.sealWhatIsClear(free: nil) { _ in }
            #expect(again.found[0].entries.count == 100)
            try again.store.close()
            #expect(try leaks(in: image) == [])
        }
    }

    @Test("a start that has no room to seal says so, and does nothing")
    func noRoom() throws {
        let directory = TemporaryDirectory()
        let store = try start(directory).store
        // What is in clear is compressed, and what is sealed is not.
        try write(1...100, to: store, bytes: 60_000)
        try snapshot(0, at: 100, in: store)
        #expect(store.statistics.bytes < 1_000_000)
        try store.close()
        let keys = testKeys()
        let sealed = try reopened(directory, keys).store
        let before = try directory.contents()
        var needed: UInt64 = 0
        do throws(LogStoreError) {
            try sealed.sealWhatIsClear(free: 0) { Issue.record("\($0)") }
        } catch {
            guard case .noRoomToSeal(directory.path, let bytes, free: 0) = error else {
                throw error
            }
            needed = bytes
        }
        #expect(needed > 3 * 100 * 60_000)
        #expect(try directory.contents() == before)
        #expect(throws: LogStoreError.self) {
            try sealed.sealWhatIsClear(free: needed - 1) { _ in }
        }
        try sealed.sealWhatIsClear(free: needed) { _ in }
        #expect(try leaks(in: directory) == [])
        let size = try directory.contents().values.reduce(0) { $0 + $1.count }
        #expect(needed > size && needed < 5 * size)
        // Nothing is to be done any more.
        try sealed.sealWhatIsClear(free: 0) { Issue.record("\($0) again") }
        try sealed.close()
    }

    @Test("what a crash has left of a database that was being made goes at the next start")
    func halfMade() throws {
        let directory = TemporaryDirectory(keys: testKeys())
        let store = try start(directory).store
        try write(1...5, to: store)
        try store.close()
        let copy = directory.file("log.db.new")
        try Data("half".utf8).write(to: copy)
        let again = try reopened(directory, directory.keys)
        #expect(!FileManager.default.fileExists(atPath: copy.path))
        #expect(again.found[0].entries.count == 5)
        try again.store.close()
    }

    @Test("a key that is missing for a snapshot that comes is told with its first bytes")
    func missingKeyOfStream() throws {
        let ring = testRing()
        let source = TemporaryDirectory(keys: SealingKeys(ring, seals: true))
        let leader = try start(source).store
        try snapshot(0, at: 3, in: leader)
        let position = LogPosition(term: Term(1), index: LogIndex(3))
        let reader = try #require(try leader.snapshots.reader(of: GroupID(0), at: position))
        let bytes = try reader.bytes(inPieces: 64)
        for keys in [SealingKeys(ring, seals: true), testKeys()] {
            let directory = TemporaryDirectory(keys: keys)
            let follower = try start(directory).store
            let receiver = try follower.snapshots.receiver(of: GroupID(0), at: reader.mark)
            var taken = 0
            do throws(LogStoreError) {
                for byte in bytes.prefix(400) {
                    try receiver.append([byte], at: receiver.wanted)
                    taken += 1
                }
                #expect(keys.current == ring.active)
                #expect(receiver.key == ring.active)
            } catch {
                #expect(keys.current != ring.active)
                let place = "a snapshot of group 0 from another node"
                #expect(error == .missingKey(ring.active, of: place))
                #expect(taken < 200)
            }
            try follower.close()
        }
        try leader.close()
    }

    @Test("once encryption was off, clear rows are known for what they are at the next start")
    func offAndOnAgain() throws {
        let ring = testRing()
        let directory = TemporaryDirectory(keys: SealingKeys(ring, seals: true))
        let store = try start(directory).store
        try write(1...20, to: store, bytes: 600)
        try store.close()
        let off = try reopened(directory, SealingKeys(ring, seals: false)).store
        try write(21...40, to: off, bytes: 600)
        try off.close()
        #expect(try leaks(in: directory) == ["log.db"])
        let on = try reopened(directory, SealingKeys(ring, seals: true))
        var steps: [LogStore.SealingStep] = []
        try on.store.sealWhatIsClear(free: nil) { steps.append($0) }
        #expect(steps.count == 1)
        #expect(on.found[0].entries.count == 40)
        #expect(try leaks(in: directory) == [])
        try on.store.close()
    }

    @Test("after a rotation the journal and the snapshots need the new key alone, soon")
    func rotation() throws {
        let ring = testRing()
        let keys = SealingKeys(ring, seals: true)
        let directory = TemporaryDirectory(keys: keys)
        let store = try start(directory).store
        try write(1...50, to: store)
        try write(1...10, to: store, 1, bytes: 3_000)
        try snapshot(0, at: 30, in: store)
        let sections = try #require(
            try store.snapshots.reader(
                of: GroupID(0),
                at: LogPosition(term: Term(1), index: LogIndex(30))
            )
        )
        let expected = try found(in: directory).map { ModelGroup($0) }
        #expect(try store.clean() == .done)
        let rotated = try rotated(ring)
        keys.replace(with: rotated)
        #expect(store.keysInUse == [ring.active])
        // Work goes on meanwhile.
        var index: UInt64 = 51
        var steps = 0
        while try store.clean() == .unfinished {
            try store.store([(GroupID(0), batch(term: 1, [secret(index)]))])
            index += 1
            steps += 1
        }
        #expect(steps >= 2)
        #expect(store.keysInUse == [rotated.active])
        #expect(try store.snapshots.resealAll().count == 4)
        #expect(try store.snapshots.keysInUse() == [rotated.active])
        // Who reads the old file goes on to.
        #expect(try sections.collected() == [Array(Self.word.utf8)])
        try store.close()
        let alone = try rotated.removing(ring.active)
        let again = try reopened(directory, SealingKeys(alone, seals: true))
        #expect(again.found[0].entries.count == Int(index) - 1)
        #expect(ModelGroup(again.found[1]) == expected[1])
        try again.store.close()
        #expect(try leaks(in: directory) == [])
    }

    @Test("a snapshot that was begun before a rotation is sealed anew after it")
    func begunBefore() throws {
        let ring = testRing()
        let keys = SealingKeys(ring, seals: true)
        let directory = TemporaryDirectory(keys: keys)
        let store = try start(directory).store
        _ = try store.snapshots.resealAll()
        let position = LogPosition(term: Term(1), index: LogIndex(3))
        let mark = SnapshotMark(position: position, membership: testVoters)
        let writer = try store.snapshots.writer(of: GroupID(0), at: mark)
        try writer.append(Array(Self.word.utf8)[...])
        let rotated = try rotated(ring)
        keys.replace(with: rotated)
        let first = LogPosition.origin
        let tag = try store.snapshots.reader(of: GroupID(1), at: first)?.tag
        _ = try store.snapshots.resealAll()
        // Its pieces are not taken for those of the one before.
        #expect(try store.snapshots.reader(of: GroupID(1), at: first)?.tag != tag)
        #expect(writer.key == ring.active)
        try writer.append(Array(Self.word.utf8)[...])
        try writer.finish()
        #expect(try store.snapshots.keysInUse() == [ring.active, rotated.active])
        #expect(try store.snapshots.resealAll().count == 1)
        #expect(try store.snapshots.keysInUse() == [rotated.active])
        let reader = try #require(try store.snapshots.reader(of: GroupID(0), at: position))
        #expect(try reader.collected().count == 2)
        try store.close()
    }

    @Test("a snapshot that cannot be read does not keep the others from being sealed anew")
    func oneIsRotten() throws {
        let ring = testRing()
        let keys = SealingKeys(ring, seals: true)
        let directory = TemporaryDirectory(keys: keys)
        let store = try start(directory).store
        try snapshot(0, at: 3, in: store)
        let names = try directory.snapshotNames()
        #expect(names.count == 4)
        let rotten = directory.file("snapshots/" + names[1])
        var bytes = try Data(contentsOf: rotten)
        bytes[bytes.count - 60] ^= 1
        try bytes.write(to: rotten)
        let rotated = try rotated(ring)
        keys.replace(with: rotated)
        let result = try store.snapshots.resealAll()
        #expect(result.count == 3)
        #expect(result.failed == [rotten.path])
        #expect(try directory.snapshotNames() == names)
        // It still needs its key, as far as anybody knows.
        #expect(try store.snapshots.keysInUse() == [ring.active, rotated.active])
        try store.close()
    }

    @Test("a row that is put in another's place, and a section in another's, are not opened")
    func places() throws {
        let keys = testKeys()
        let row = Array("a row".utf8)
        let (blob, key) = RowSeal.seal(row, sequence: 7, keys)
        #expect(key == keys.current)
        #expect(try RowSeal.open(blob, sequence: 7, keys).row == row)
        #expect(throws: LogStoreError.damage(.row(sequence: 8, .checksumMismatch))) {
            _ = try RowSeal.open(blob, sequence: 8, keys)
        }
        let (head, context) = try #require(keys.begin(purpose: SnapshotSeal.purpose))
        let seal = SnapshotSeal(context, header: [1, 2, 3])
        let box = seal.box(of: row[...], number: 4)
        #expect(try seal.section(of: box[...], number: 4) == row)
        #expect(throws: DecodeError.checksumMismatch) {
            _ = try seal.section(of: box[...], number: 5)
        }
        let other = SnapshotSeal(
            try keys.resume(head, purpose: SnapshotSeal.purpose),
            header: [1, 2, 4]
        )
        #expect(throws: DecodeError.checksumMismatch) {
            _ = try other.section(of: box[...], number: 4)
        }
    }

    @Test("a row in the database that is no sealed row is damage, whatever it is")
    func nonsense() throws {
        let keys = testKeys()
        let (blob, _) = RowSeal.seal(Array("a row".utf8), sequence: 1, keys)
        var random = SeededRandom(8)
        var count = 0
        for length in 1..<blob.count {
            #expect(throws: LogStoreError.self) {
                _ = try RowSeal.open(Array(blob.prefix(length)), sequence: 1, keys)
            }
            var noise = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            noise[0] = RowSeal.mark
            #expect(throws: LogStoreError.self) { _ = try RowSeal.open(noise, sequence: 1, keys) }
            count += 2
        }
        #expect(count >= 100)
    }
}
