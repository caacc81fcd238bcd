// Snapshots: what was encoded goes on, as a decoded machine, exactly like the original (outcomes,
// digests, and the very next snapshot), also out of the middle of work that a budget left over.

import Bytes
import TestKit
import Testing

@testable import SessionMachine

extension SessionMachine {
    /// Every key, in the order of a scan.
    func scanned(count: Int = 10) -> [Key] {
        var keys: [Key] = []
        var cursor: UInt64 = 0
        repeat {
            let page = scan(from: cursor, count: count)
            keys += page.keys
            cursor = page.next
        } while cursor != 0
        return keys
    }

    /// A machine after `steps` random commands, and the clock it stands at.
    static func random(seed: UInt64, steps: Int) -> (machine: SessionMachine, clock: UInt64) {
        var source = CommandSource(seed: seed)
        var machine = SessionMachine.fresh()
        for _ in 0..<steps {
            source.clock += UInt64(source.random.below(4_000))
            machine.at(source.clock)
            _ = machine.apply(source.next())
        }
        return (machine, source.clock)
    }

    /// `count` values that all end at 5 s, with one in ten at 4 s.
    static func crowded(_ count: Int) -> SessionMachine {
        var machine = SessionMachine.fresh()
        for number in 0..<count {
            let end = MachineTime.test(number % 10 == 0 ? 4_000 : 5_000)
            let set = SetValue(key: key("k\(number)"), value: bytes("v"), expiry: .to(.at(end)))
            _ = machine.apply(.set(set))
        }
        return machine
    }
}

@Suite("Snapshots")
struct SnapshotTests {
    /// Decodes `machine`'s snapshot and compares all that can be seen at once.
    private static func copy(of machine: SessionMachine) throws -> SessionMachine {
        let snapshot = machine.encodedSnapshot()
        let decoded = try SessionMachine(snapshot: snapshot)
        #expect(decoded.digest == machine.digest)
        #expect(decoded.recomputedDigestSum() == machine.records.digestSum)
        #expect(decoded.fullCheck == [])
        #expect(decoded.time == machine.time)
        #expect(decoded.counters == machine.counters)
        #expect(decoded.gauges == machine.gauges)
        #expect(decoded.nextDeadline == machine.nextDeadline)
        #expect(Set(decoded.scanned()) == Set(machine.scanned()))
        #expect(decoded.encodedSnapshot() == snapshot)
        return decoded
    }

    /// Applies the same random commands to both; they must not differ in anything.
    private static func expectEqualFuture(
        _ left: inout SessionMachine,
        _ right: inout SessionMachine,
        from clock: UInt64,
        seed: UInt64
    ) {
        var source = CommandSource(seed: seed)
        source.clock = clock
        for step in 0..<300 {
            source.clock += UInt64(source.random.below(step % 50 == 0 ? 100_000 : 3_000))
            left.at(source.clock)
            right.at(source.clock)
            let command = source.next()
            #expect(left.apply(command) == right.apply(command))
            #expect(left.digest == right.digest)
            let user = bytes("user-\(step % 3)")
            #expect(left.list(user).map(\.info) == right.list(user).map(\.info))
        }
        #expect(left.encodedSnapshot() == right.encodedSnapshot())
        #expect(right.fullCheck == [])
    }

    @Test("an empty machine")
    func empty() throws {
        _ = try Self.copy(of: SessionMachine(seed: HashSeed(low: 1, high: 2)))
        _ = try Self.copy(of: .fresh())
    }

    @Test("a decoded machine goes on like the one that was encoded", arguments: 0..<25)
    func future(seed: UInt64) throws {
        var (machine, clock) = SessionMachine.random(seed: seed, steps: 40 + Int(seed) * 30)
        var decoded = try Self.copy(of: machine)
        Self.expectEqualFuture(&machine, &decoded, from: clock, seed: seed + 1_000)
    }

    @Test("encoded in the middle of carried-over work, at every stage of it")
    func carriedOver() throws {
        var machine = SessionMachine.crowded(3_000)
        var stages = (moving: 0, removing: 0)
        machine.at(9_000)
        while let next = machine.nextDeadline, next <= machine.time {
            stages.moving += machine.records.wheel.pendingLevel > 0 ? 1 : 0
            stages.removing += machine.gauges.values < 3_000 ? 1 : 0
            var decoded = try Self.copy(of: machine)
            machine.at(9_000)
            decoded.at(9_000)
            #expect(decoded.encodedSnapshot() == machine.encodedSnapshot())
        }
        #expect(stages.moving >= 3)
        #expect(stages.removing >= 3)
        #expect(machine.gauges.values == 0)
    }

    @Test("commands that meet carried-over work find the same on both sides", arguments: 0..<5)
    func carriedOverFuture(seed: UInt64) throws {
        var machine = SessionMachine.crowded(1_500)
        for number in 0..<12 {
            _ = machine.apply(.create(login(number, "user-\(number % 3)", idle: 4_500)))
        }
        for _ in 0..<seed { machine.at(9_000) }
        machine.at(4_600)
        var decoded = try Self.copy(of: machine)
        Self.expectEqualFuture(&machine, &decoded, from: 9_000, seed: seed)
    }

    @Test("several sections, and lists longer than one run")
    func long() throws {
        var machine = SessionMachine.crowded(9_000)
        for number in 0..<8 {
            let value = [UInt8](repeating: UInt8(number), count: 90_000)
            _ = machine.apply(.set(SetValue(key: key("big\(number)"), value: value[...])))
        }
        // Free numbers in more than one place.
        for number in stride(from: 0, to: 9_000, by: 7) {
            _ = machine.apply(.delete([key("k\(number)")]))
        }
        var encoder = SnapshotEncoder(machine)
        var sections: [[UInt8]] = []
        while let section = encoder.next() { sections.append(section) }
        #expect(encoder.next() == nil)
        #expect(sections.filter { $0[0] == SnapshotSection.records.rawValue }.count >= 3)
        var decoder = SnapshotDecoder()
        for section in sections { try decoder.append(section[...]) }
        let decoded = try decoder.finish()
        #expect(decoded.digest == machine.digest)
        #expect(decoded.encodedSnapshot() == sections.flatMap { $0 })
        #expect(decoded.fullCheck == [])
    }

    @Test("pieces of any size make the same machine", arguments: [1, 2, 7, 64, 1_000])
    func pieces(size: Int) throws {
        let machine = SessionMachine.random(seed: 5, steps: 100).machine
        let snapshot = machine.encodedSnapshot()
        var decoder = SnapshotDecoder()
        var start = 0
        while start < snapshot.count {
            let end = min(start + size, snapshot.count)
            try decoder.append(snapshot[start..<end])
            start = end
        }
        let decoded = try decoder.finish()
        #expect(decoded.encodedSnapshot() == snapshot)
    }

    @Test("an encoder holds on to the state that it was given")
    func frozen() {
        var machine = SessionMachine.random(seed: 6, steps: 400).machine
        let before = machine.encodedSnapshot()
        var encoder = SnapshotEncoder(machine)
        var bytes = encoder.next() ?? []
        for number in 0..<12 {
            _ = machine.apply(.revoke(RevokeSession(handle: handle(number))))
            _ = machine.apply(.delete([key("key-\(number)")]))
            _ = machine.apply(.set(SetValue(key: key("new-\(number)"), value: [1])))
        }
        while let section = encoder.next() { bytes += section }
        #expect(bytes == before)
        #expect(machine.encodedSnapshot() != before)
    }

    @Test("the largest key and value there may be, and the end of time")
    func extremes() throws {
        var machine = SessionMachine.fresh()
        let longest = Key([UInt8](repeating: 7, count: Limits.keyBytes))
        _ = machine.apply(.set(SetValue(key: longest, value: [])))
        _ = machine.apply(.set(SetValue(key: Key([]), value: [])))
        let never = SetValue(key: key("z"), value: [], expiry: .to(.at(.latest)))
        _ = machine.apply(.set(never))
        _ = machine.apply(.create(login(1, "", idle: .max, lifetime: .max)))
        let decoded = try Self.copy(of: machine)
        #expect(decoded.exists(longest))
        #expect(decoded.expiry(key("z")) == .at(.latest))
        #expect(decoded.status(1) == .valid)
    }

    @Test("the largest record there may be, behind a section that is all but full")
    func largestSection() throws {
        var machine = SessionMachine.fresh()
        // Three bytes of header, two of key, three and one around: one under the target.
        let filling = [UInt8](repeating: 1, count: Limits.snapshotSectionBytes - 10)
        _ = machine.apply(.set(SetValue(key: key("ab"), value: filling[...])))
        let longest = Key([UInt8](repeating: 7, count: Limits.keyBytes))
        let most = [UInt8](repeating: 2, count: Limits.valueBytes)
        let never = ExpiryChange.to(.at(.latest))
        _ = machine.apply(.set(SetValue(key: longest, value: most[...], expiry: never)))
        var encoder = SnapshotEncoder(machine)
        var decoder = SnapshotDecoder()
        var longestSection = 0
        while let section = encoder.next() {
            longestSection = max(longestSection, section.count - SnapshotFormat.frameBytes)
            try decoder.append(section[...])
        }
        #expect(longestSection > Limits.snapshotSectionBytes + Limits.valueBytes)
        #expect(longestSection <= Limits.foreignSectionBytes)
        let decoded = try decoder.finish()
        #expect(decoded.digest == machine.digest)
        #expect(decoded.length(longest) == Limits.valueBytes)
    }
}
