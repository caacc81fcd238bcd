// Damage is noticed: a log that has lost or changed something durable is not opened, and bytes that
// are no row make an error.

import Bytes
import Foundation
import RaftCore
import TestKit
import Testing

@testable import LogStore

@Suite("LogStore's damage")
struct DamageTests {
    /// A directory whose log holds 20 rows, the last ones in the write-ahead log only: the copy of
    /// one that is in use, which is what a crash leaves behind.
    private func written() throws -> TemporaryDirectory {
        let directory = TemporaryDirectory()
        let store = try start(directory, groups: 1).store
        for number in 1...20 {
            let entry = command(1, UInt64(number), bytes: 10 * number)
            try store.store([(GroupID(0), batch(term: 1, [entry]))])
            if number == 10 { try store.checkpoint() }
        }
        let copy = try TemporaryDirectory(copyOf: directory)
        try store.close()
        return copy
    }

    @Test("the log without its write-ahead log is shorter than what was durable")
    func lostWAL() throws {
        let directory = try written()
        try FileManager.default.removeItem(at: directory.file("log.db-wal"))
        let store = try open(directory, groups: 1)
        #expect(throws: LogStoreError.damage(.shorterThanDurable(last: 10, durable: 20))) {
            _ = try store.recover()
        }
    }

    @Test(
        "a missing database, sidecar or identity is damage",
        arguments: ["log.db", "durable", "identity"]
    )
    func missing(name: String) throws {
        let directory = try written()
        try FileManager.default.removeItem(at: directory.file(name))
        #expect(throws: LogStoreError.damage(.missingFile(directory.path + "/" + name))) {
            _ = try open(directory, groups: 1)
        }
    }

    @Test("a flipped bit in the write-ahead log is noticed, or changes nothing")
    func flippedInLog() throws {
        let directory = try written()
        let file = directory.file("log.db-wal")
        let whole = try Data(contentsOf: file)
        let sound = try found(in: directory, groups: 1)[0].entries
        #expect(sound.count == 20)
        var noticed = 0
        var random = SeededRandom(11)
        for _ in 0..<60 {
            var changed = whole
            changed[random.below(whole.count)] ^= 1 << UInt8(random.below(8))
            try changed.write(to: file)
            do {
                #expect(try found(in: directory, groups: 1)[0].entries == sound)
            } catch {
                noticed += 1
            }
        }
        #expect(noticed >= 20, "most bits matter; \(noticed) of 60 were noticed")
    }

    @Test("every flipped bit of a row is told")
    func flippedInRow() throws {
        let payload = Array("a command".utf8)[...]
        let membership = Membership(members: [Member(id: NodeID(4), role: .learner)])
        let part = RowPart(
            group: GroupID(1),
            hardState: HardState(term: Term(3), vote: NodeID(2), commit: LogIndex(1)),
            rebase: .trimmed(LogPosition(term: Term(2), index: LogIndex(300))),
            entries: [
                Entry(term: Term(2), index: LogIndex(301), content: .noop),
                Entry(term: Term(3), index: LogIndex(302), content: .command(payload)),
                Entry(term: Term(3), index: LogIndex(303), content: .membership(membership)),
            ]
        )
        let other = RowPart(
            group: GroupID(2),
            hardState: HardState(),
            rebase: .anew(.origin),
            entries: []
        )
        let chain = ChainValue(high: 1, low: 2)
        let row = RowCodec.encode([part, other], after: chain, compressing: .wholeRow)
        let sound = try RowCodec.decode(row)
        #expect(sound.chain == chain)
        #expect(sound.parts == [part, other])
        for bit in 0..<row.count * 8 {
            var changed = row
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: DecodeError.self) { _ = try RowCodec.decode(changed) }
        }
    }

    @Test("bytes that are no row make an error, with a sound checksum too")
    func garbage() {
        var random = SeededRandom(4)
        var refused = 0
        for _ in 0..<20_000 {
            var writer = ByteWriter()
            writer.write(RowCodec.version)
            writer.write(UInt8(random.below(2)))
            writer.write(UInt64(0))
            writer.write(UInt64(0))
            let body = (0..<random.below(60)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            writer.write(UInt32(random.below(2) == 0 ? body.count : random.below(100_000)))
            writer.write(body)
            writer.write(CRC32C.checksum(writer.bytes))
            do {
                _ = try RowCodec.decode(writer.bytes)
            } catch {
                refused += 1
            }
        }
        #expect(refused > 15_000, "\(refused) of 20,000 were refused")
    }

    @Test("a row that does not continue the one before it is told")
    func brokenChain() throws {
        let start = ChainMark(sequence: 0, chain: ChainValue(high: 1, low: 2))
        var recovery = Recovery(groupCount: 1, start: start)
        let part = RowPart(group: GroupID(0), hardState: HardState(term: Term(1)), entries: [])
        let row = RowCodec.encode([part], after: start.chain, compressing: .wholeRow)
        #expect(try recovery.take(row, sequence: 1) == [part])
        #expect(throws: LogStoreError.damage(.brokenChain(sequence: 2))) {
            _ = try recovery.take(row, sequence: 2)
        }
        #expect(throws: LogStoreError.damage(.missingRow(sequence: 2))) {
            _ = try recovery.take(row, sequence: 3)
        }
    }

    @Test("rows of another format are refused, not misread")
    func otherFormat() {
        let part = RowPart(group: GroupID(0), hardState: HardState(), entries: [])
        for version: UInt8 in [0, 1, 3, 255] {
            var row = RowCodec.encode(
                [part],
                after: ChainValue(high: 1, low: 2),
                compressing: .wholeRow
            )
            row[0] = version
            var writer = ByteWriter()
            writer.write(row[..<(row.count - 4)])
            writer.write(CRC32C.checksum(writer.bytes))
            #expect(throws: DecodeError.unknownTag(version)) {
                _ = try RowCodec.decode(writer.bytes)
            }
        }
    }
}
