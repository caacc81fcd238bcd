// Snapshots that are wrong: cut off, flipped, made up. Bytes that arrive through a checksum are
// wrong by chance and caught by it; so most tests here repair the checksum after each fault and get
// at what lies behind it. Whatever comes of it is an error, or a machine whose invariants hold and
// that goes on without a trap.

import Bytes
import TestKit
import Testing

@testable import SessionMachine

/// A snapshot taken apart.
private struct Section {
    var tag: UInt8
    var body: [UInt8]

    /// With a checksum that is right.
    var framed: [UInt8] {
        var writer = ByteWriter()
        writer.write(tag)
        writer.write(UInt32(body.count))
        let seed = CRC32C.checksum(CollectionOfOne(tag))
        writer.write(CRC32C.checksum(body, seed: seed))
        writer.write(body)
        return writer.bytes
    }

    static func split(_ snapshot: [UInt8]) throws -> [Section] {
        var reader = ByteReader(snapshot)
        var sections: [Section] = []
        while !reader.isAtEnd {
            let tag = try reader.readUInt8()
            let length = Int(try reader.readUInt32())
            _ = try reader.readUInt32()
            sections.append(Section(tag: tag, body: Array(try reader.readBytes(count: length))))
        }
        return sections
    }
}

@Suite("Hostile snapshots")
struct HostileSnapshotTests {
    /// A session, two tombstones, two values, a free number, timers on several levels.
    private static var small: SessionMachine {
        var machine = SessionMachine.fresh()
        var first = login(1, "u", idle: 90_000, lifetime: 100_000)
        first.fields = [SessionField(name: bytes("f"), value: bytes("g"))]
        _ = machine.apply(.create(first))
        _ = machine.apply(.create(login(2, "u", idle: 0, lifetime: 5_000)))
        _ = machine.apply(.create(login(3, "w", idle: 10, lifetime: 1_000_000)))
        _ = machine.apply(.set(SetValue(key: key("gone"), value: bytes("x"))))
        _ = machine.apply(.set(SetValue(key: key("a"), value: bytes("1"))))
        let expiry = ExpiryChange.to(.after(Milliseconds(7_000)))
        _ = machine.apply(.set(SetValue(key: key("b"), value: bytes("2"), expiry: expiry)))
        _ = machine.apply(.delete([key("gone")]))
        machine.at(100)
        _ = machine.apply(.revoke(RevokeSession(handle: handle(2))))
        return machine
    }

    /// Decodes; nil for an error. A machine must be whole, and stay so under use.
    private static func decode(_ bytes: [UInt8]) -> SessionMachine? {
        guard var machine = try? SessionMachine(snapshot: bytes) else { return nil }
        let found = machine
        expectWhole(machine)
        var source = CommandSource(seed: UInt64(bytes.count))
        source.names = 5
        let start = min(machine.time.millisecondsSince1970, UInt64(Int64.max) - 10_000_000)
        for step in 0..<12 {
            let later = start + UInt64(step) * 40_000
            machine.beginEntry(at: MachineTime(millisecondsSince1970: later), commandCount: 1)
            _ = machine.apply(source.next())
        }
        machine.beginEntry(at: .latest, commandCount: 1)
        expectWhole(machine)
        return found
    }

    private static func expectWhole(_ machine: SessionMachine) {
        let broken = machine.fullCheck
        if !broken.isEmpty { Issue.record("\(broken)") }
    }

    @Test("cut off at any byte it is an error")
    func truncated() {
        let snapshot = Self.small.encodedSnapshot()
        #expect(snapshot.count > 300)
        for length in 0..<snapshot.count {
            if Self.decode(Array(snapshot[..<length])) != nil {
                Issue.record("\(length) of \(snapshot.count) bytes were enough")
            }
        }
        #expect(Self.decode(snapshot) != nil)
        #expect(Self.decode(snapshot + [0]) == nil)
        #expect(Self.decode(snapshot + snapshot) == nil)
    }

    @Test("with any byte flipped it is an error", arguments: [0x01, 0x80, 0xff] as [UInt8])
    func flipped(mask: UInt8) {
        let snapshot = Self.small.encodedSnapshot()
        for position in snapshot.indices {
            var copy = snapshot
            copy[position] ^= mask
            if Self.decode(copy) != nil { Issue.record("byte \(position) flipped unnoticed") }
        }
    }

    @Test(
        "flips behind a right checksum: an error or a whole machine",
        arguments: [0x01, 0x02, 0x40, 0x80, 0xff] as [UInt8]
    )
    func flippedAndRepaired(mask: UInt8) throws {
        let original = Self.small
        let sections = try Section.split(original.encodedSnapshot())
        var accepted = 0
        for (number, section) in sections.enumerated() {
            for position in section.body.indices {
                var copy = sections
                copy[number].body[position] ^= mask
                guard let found = Self.decode(copy.flatMap(\.framed)) else { continue }
                accepted += 1
                #expect(found.digest == original.digest)
            }
        }
        // The seed's sixteen bytes may be anything; the records are held by the digest.
        #expect(accepted >= 16)
        #expect(accepted < 60)
    }

    /// Replaces one part of the snapshot and gives it the digest that belongs to what comes of it,
    /// so that the digest, too, is no protection.
    private static func decodeWithRightDigest(_ sections: [Section]) -> SessionMachine? {
        var sections = sections
        // The machine that an honest encoder would have had to be asked about.
        guard let digest = honestDigest(sections) else { return nil }
        var writer = ByteWriter()
        writer.write(digest)
        sections[sections.count - 1].body = writer.bytes
        return decode(sections.flatMap(\.framed))
    }

    /// Decodes the head and the records by hand and mixes the digest from them.
    private static func honestDigest(_ sections: [Section]) -> UInt64? {
        var words: [UInt64] = []
        var sum: UInt64 = 0
        var count: UInt64 = 0
        do {
            var header = ByteReader(sections[0].body[17...])
            for _ in 0..<2 + Counters.wordCount { words.append(try header.readVarint()) }
            for section in sections where section.tag == SnapshotSection.records.rawValue {
                var reader = ByteReader(section.body)
                while !reader.isAtEnd {
                    let payload = try reader.readLengthPrefixed(limit: section.body.count)
                    guard !payload.isEmpty else { continue }
                    let raw = try reader.readVarint()
                    let deadline =
                        raw == 0 ? nil : MachineTime(millisecondsSince1970: raw &- 1)
                    sum &+= DigestFunction.contribution(Array(payload), deadline: deadline)
                    count += 1
                }
            }
        } catch { return nil }
        var word = DigestFunction.mix(sum, count)
        for part in words { word = DigestFunction.mix(word, part) }
        return word
    }

    @Test("flips behind a right checksum and a right digest", arguments: 0..<8)
    func flippedAndDisguised(bit: Int) throws {
        let sections = try Section.split(Self.small.encodedSnapshot())
        #expect(Self.decodeWithRightDigest(sections)?.digest == Self.small.digest)
        var accepted = 0
        for number in 0..<sections.count - 1 {
            for position in sections[number].body.indices {
                var copy = sections
                copy[number].body[position] ^= 1 << UInt8(bit)
                if Self.decodeWithRightDigest(copy) != nil { accepted += 1 }
            }
        }
        // Names, secrets and values may be anything that hangs together.
        #expect(accepted > 100)
    }

    @Test("several faults at once behind a right checksum and a right digest", arguments: 0..<10)
    func mangled(seed: UInt64) throws {
        var random = SeededRandom(seed)
        let machine = SessionMachine.random(seed: seed, steps: 60).machine
        let sections = try Section.split(machine.encodedSnapshot())
        var accepted = 0
        for _ in 0..<150 {
            var copy = sections
            for _ in 0...random.below(3) {
                let number = random.below(sections.count - 1)
                guard !copy[number].body.isEmpty else { continue }
                let position = random.below(copy[number].body.count)
                switch random.below(4) {
                case 0: copy[number].body.remove(at: position)
                case 1: copy[number].body.insert(random.bytes(1)[0], at: position)
                case 2: copy[number].body[position] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)]
                default: copy[number].body[position] = random.bytes(1)[0]
                }
            }
            if Self.decodeWithRightDigest(copy) != nil { accepted += 1 }
        }
        #expect(accepted > 0)
    }

    @Test("sections out of order, missing or doubled are errors")
    func order() throws {
        let sections = try Section.split(Self.small.encodedSnapshot())
        #expect(sections.map(\.tag) == [1, 2, 3, 4, 5])
        for first in sections.indices {
            var missing = sections
            missing.remove(at: first)
            #expect(Self.decode(missing.flatMap(\.framed)) == nil)
            var doubled = sections
            doubled.insert(sections[first], at: first)
            #expect(Self.decode(doubled.flatMap(\.framed)) == nil)
            for second in sections.indices where second != first {
                var swapped = sections
                swapped.swapAt(first, second)
                #expect(Self.decode(swapped.flatMap(\.framed)) == nil)
            }
        }
        #expect(Self.decode(Section(tag: 6, body: []).framed) == nil)
        #expect(Self.decode(Section(tag: 0, body: []).framed) == nil)
    }

    @Test("a timer named twice, in one list or two, in the place of another")
    func doubledTimer() throws {
        var machine = SessionMachine.fresh()
        for (name, end) in [("a", 5), ("b", 5), ("c", 50)] {
            let expiry = ExpiryChange.to(.after(Milliseconds(UInt64(end))))
            _ = machine.apply(.set(SetValue(key: key(name), value: [], expiry: expiry)))
        }
        let sections = try Section.split(machine.encodedSnapshot())
        let body = sections[3].body
        // Slot, length, the last one first; then the other slot with the third.
        #expect(body.count == 7)
        #expect(Array(body[1...3]) == [2, 1, 0])
        #expect(Array(body[5...6]) == [1, 2])
        for (position, timer) in [(2, 0), (3, 1), (6, 0), (6, 1), (2, 2)] as [(Int, UInt8)] {
            var copy = sections
            copy[3].body[position] = timer
            #expect(Self.decode(copy.flatMap(\.framed)) == nil)
        }
        var swapped = sections
        swapped[3].body.swapAt(2, 3)
        #expect(Self.decode(swapped.flatMap(\.framed)) != nil)
    }

    @Test("a section longer than any may be is refused before it is read")
    func tooLong() {
        var writer = ByteWriter()
        writer.write(SnapshotSection.header.rawValue)
        writer.write(UInt32(Limits.foreignSectionBytes + 1))
        writer.write(UInt32(0))
        #expect(throws: DecodeError.self) { try SessionMachine(snapshot: writer.bytes) }
    }

    @Test("random bytes, bare and in frames", arguments: 0..<10)
    func garbage(seed: UInt64) throws {
        var random = SeededRandom(seed)
        let header = try Section.split(Self.small.encodedSnapshot())[0]
        for _ in 0..<100 {
            #expect(Self.decode(random.bytes(random.below(300))) == nil)
            var sections = [header]
            for tag in UInt8(2)...5 {
                let length = tag == 5 ? 8 : random.below(60)
                sections.append(Section(tag: tag, body: random.bytes(length)))
            }
            #expect(Self.decode(sections.flatMap(\.framed)) == nil)
        }
    }
}
