// The digest must say "equal" of equal states, however they came about, and "different" of any
// others. "Equal" is meant here as a reader would put it: the same records with the same deadlines,
// the same clock, the same counters.

import TestKit
import Testing

@testable import SessionMachine

/// All that the digest stands for, written out.
private struct Contents: Equatable {
    struct Record: Hashable {
        var payload: [UInt8]
        var deadline: MachineTime?
    }

    var records: [Record: Int] = [:]
    var time: MachineTime
    var counters: Counters
    var nextSequence: UInt64

    init(_ machine: SessionMachine) {
        time = machine.time
        counters = machine.counters
        nextSequence = machine.nextSequence
        for slot in 0..<machine.records.slots {
            let id = RecordID(slot)
            let payload = machine.records.payload(id)
            guard !payload.isEmpty else { continue }
            let record = Record(payload: payload, deadline: machine.records.deadline(id))
            records[record, default: 0] += 1
        }
    }
}

@Suite("State digest")
struct DigestTests {
    private static func setting(_ number: Int) -> Command {
        let expiry: ExpiryChange =
            number % 2 == 0 ? .clear : .to(.at(.test(UInt64(10_000 + number))))
        return .set(SetValue(key: key("k\(number)"), value: bytes("v\(number)"), expiry: expiry))
    }

    @Test("it does not depend on the order of the writes", arguments: 0..<20)
    func order(seed: UInt64) {
        var random = SeededRandom(seed)
        let commands = (0..<60).map { Self.setting($0) }
        var sorted = SessionMachine.fresh()
        for command in commands { _ = sorted.apply(command) }
        var shuffled = SessionMachine.fresh()
        for command in commands.shuffled(using: &random) { _ = shuffled.apply(command) }
        #expect(shuffled.digest == sorted.digest)
        #expect(shuffled.encodedSnapshot() != sorted.encodedSnapshot())
        #expect(Contents(shuffled) == Contents(sorted))
    }

    @Test("it does not depend on record numbers that were used and freed before")
    func detours() {
        var straight = SessionMachine.fresh()
        var winding = SessionMachine.fresh()
        for number in 0..<20 { _ = winding.apply(Self.setting(100 + number)) }
        for number in 0..<20 { _ = winding.apply(.delete([key("k\(100 + number)")])) }
        for _ in 0..<40 { _ = straight.apply(.time) }
        for number in 0..<20 {
            _ = straight.apply(Self.setting(number))
            _ = winding.apply(Self.setting(19 - number))
        }
        #expect(straight.digest == winding.digest)
    }

    @Test("replicas with the same entries agree after each command", arguments: 0..<20)
    func replicas(seed: UInt64) {
        var source = CommandSource(seed: seed)
        var first = SessionMachine.fresh()
        var second = SessionMachine.fresh()
        for _ in 0..<500 {
            source.clock += UInt64(source.random.below(5_000))
            first.at(source.clock)
            second.at(source.clock)
            #expect(first.digest == second.digest)
            let command = source.next()
            #expect(first.apply(command) == second.apply(command))
            #expect(first.digest == second.digest)
            #expect(first.records.digestSum == second.records.digestSum)
        }
        #expect(first.recomputedDigestSum() == first.records.digestSum)
        #expect(first.encodedSnapshot() == second.encodedSnapshot())
    }

    @Test("the bytes of entries make the same machine as their commands", arguments: 0..<5)
    func entries(seed: UInt64) throws {
        var source = CommandSource(seed: seed)
        var direct = SessionMachine.fresh()
        var decoding = SessionMachine.fresh()
        for _ in 0..<60 {
            source.clock += UInt64(source.random.below(30_000))
            let commands = (0..<source.random.below(8)).map { _ in source.next() }
            let stamp = MachineTime.test(source.clock)
            direct.beginEntry(at: stamp, commandCount: commands.count)
            let expected = commands.map { direct.apply($0) }
            var outcomes: [Outcome] = []
            let entry = EntryPayload.encode(time: stamp, commands)
            try decoding.apply(entry: entry[...], into: &outcomes)
            #expect(outcomes == expected)
            #expect(decoding.digest == direct.digest)
        }
    }

    @Test("one command left out shows at once and for ever after", arguments: 0..<20)
    func omission(seed: UInt64) {
        var source = CommandSource(seed: seed)
        var whole = SessionMachine.fresh()
        var lacking = SessionMachine.fresh()
        let omitted = source.random.below(200)
        for step in 0..<300 {
            source.clock += UInt64(source.random.below(5_000))
            whole.at(source.clock)
            lacking.at(source.clock)
            let command = source.next()
            _ = whole.apply(command)
            if step != omitted { _ = lacking.apply(command) }
            #expect((whole.digest == lacking.digest) == (step < omitted))
        }
    }

    /// Every step is also taken with another command in its place. The two digests differ exactly
    /// where the two states do.
    @Test("another command in the place of one shows where it made a difference", arguments: 0..<12)
    func substitution(seed: UInt64) {
        var source = CommandSource(seed: seed)
        var machine = SessionMachine.fresh()
        var different = 0
        for _ in 0..<350 {
            source.clock += UInt64(source.random.below(3_000))
            machine.at(source.clock)
            var other = machine
            let command = source.next()
            _ = other.apply(source.random.below(2) == 0 ? .time : source.next())
            _ = machine.apply(command)
            let isSame = Contents(machine) == Contents(other)
            #expect((machine.digest == other.digest) == isSame)
            if !isSame { different += 1 }
        }
        #expect(different > 50)
    }

    @Test("each part of the state shows: clock, counters, sequence, value, key, deadline")
    func parts() {
        var machine = SessionMachine.fresh()
        _ = machine.apply(Self.setting(1))
        var digests: Set<StateDigest> = [machine.digest]
        var changes: [(inout SessionMachine) -> Void] = [
            { $0.at(1) },
            { $0.nextSequence += 1 },
            { $0.records.setDeadline(0, nil) },
            { $0.records.setDeadline(0, .test(10_002)) },
            { _ = $0.records.insert([1, 1, 0, 65], deadline: nil) },
            { _ = $0.records.insert([1, 1, 0, 66], deadline: nil) },
            { $0.records.replace(0, with: [1, 0, 0], deadline: .test(10_001)) },
            { $0.records.remove(0) },
        ]
        for position in 0..<Counters.wordCount {
            changes.append { machine in
                var words = machine.counters.words
                words[position] += 1
                machine.counters = Counters(words: words)
            }
        }
        for change in changes {
            var copy = machine
            change(&copy)
            digests.insert(copy.digest)
        }
        #expect(digests.count == changes.count + 1)
    }

    @Test("any bit of a record or its deadline shows, whatever its length")
    func bits() {
        var random = SeededRandom(3)
        for length in 1...40 {
            let payload = random.bytes(length)
            let original = DigestFunction.contribution(payload, deadline: .test(5))
            for position in payload.indices {
                for bit in 0..<8 {
                    var copy = payload
                    copy[position] ^= 1 << UInt8(bit)
                    #expect(DigestFunction.contribution(copy, deadline: .test(5)) != original)
                }
            }
            #expect(DigestFunction.contribution(payload + [0], deadline: .test(5)) != original)
            #expect(DigestFunction.contribution(payload, deadline: .test(6)) != original)
            #expect(DigestFunction.contribution(payload, deadline: nil) != original)
        }
    }

    @Test("records that exchange their deadlines or values show")
    func exchanged() {
        var left = SessionMachine.fresh()
        var right = SessionMachine.fresh()
        func set(_ name: String, _ value: String, _ after: UInt64) -> Command {
            let expiry = ExpiryChange.to(.after(Milliseconds(after)))
            return .set(SetValue(key: key(name), value: bytes(value), expiry: expiry))
        }
        for command in [set("a", "1", 10), set("b", "2", 20)] { _ = left.apply(command) }
        for command in [set("a", "1", 20), set("b", "2", 10)] { _ = right.apply(command) }
        #expect(left.digest != right.digest)
        for command in [set("a", "2", 10), set("b", "1", 20)] { _ = right.apply(command) }
        for _ in 0..<2 { _ = left.apply(.time) }
        #expect(left.counters == right.counters)
        #expect(left.digest != right.digest)
    }
}
