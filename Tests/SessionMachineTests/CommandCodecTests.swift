import Bytes
import TestKit
import Testing

@testable import SessionMachine

@Suite("Command codec")
struct CommandCodecTests {
    private func encoded(_ command: Command) -> [UInt8] {
        var writer = ByteWriter()
        command.encode(into: &writer)
        return writer.bytes
    }

    private func decoded(_ bytes: [UInt8]) throws -> Command {
        var reader = ByteReader(bytes)
        let command = try Command(from: &reader)
        try reader.expectEnd()
        return command
    }

    @Test("every command is read back as it was written")
    func roundTrip() throws {
        var source = CommandSource(seed: 1)
        for _ in 0..<5_000 {
            let command = source.next()
            #expect(try decoded(encoded(command)) == command)
        }
    }

    @Test("a login with everything set is read back")
    func fullLogin() throws {
        var create = login(1, "alice", cap: .rejectAbove(7))
        create.fields = [
            SessionField(name: bytes("a"), value: bytes("1")),
            SessionField(name: [], value: []),
        ]
        create.ip = bytes("2001:db8::1")
        create.agent = bytes("Mozilla/5.0")
        create.device = bytes("phone")
        create.assurance = 3
        create.methods = bytes("pwd,otp")
        create.policy = bytes("strict")
        #expect(try decoded(encoded(.create(create))) == .create(create))
    }

    @Test("tags are part of the log format")
    func tags() {
        #expect(encoded(.time) == [64])
        let vote = Attestation.Vote(node: 2, digest: StateDigest(rawValue: 0x0807_0605_0403_0201))
        #expect(
            encoded(.attest(Attestation(index: 9, votes: [vote])))
                == [65, 9, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8]
        )
        #expect(encoded(.persist(key("k"))) == [37, 1, 0x6b])
        #expect(
            encoded(.set(SetValue(key: key("k"), value: bytes("v"))))
                == [32, 0, 0, 0, 1, 0x6b, 1, 0x76]
        )
    }

    @Test("every prefix of a command is an error")
    func prefixes() {
        var source = CommandSource(seed: 2)
        for _ in 0..<300 {
            let whole = encoded(source.next())
            for length in 0..<whole.count {
                #expect(throws: DecodeError.self) { try decoded(Array(whole[..<length])) }
            }
        }
    }

    @Test("lengths over their limits are refused before anything is allocated")
    func limits() {
        var writer = ByteWriter()
        writer.write(CommandTag.persist.rawValue)
        writer.writeCount(Limits.keyBytes + 1)
        #expect(throws: DecodeError.tooLarge(Limits.keyBytes + 1)) {
            try decoded(writer.bytes)
        }
        var touch = ByteWriter()
        touch.write(CommandTag.touch.rawValue)
        touch.writeCount(Limits.handlesPerTouch)
        #expect(throws: DecodeError.truncated) { try decoded(touch.bytes) }
    }

    @Test("an attestation names each node once, in order, and no more than a group has")
    func attestationBounds() {
        let two: [UInt8] = [65, 9, 2, 3] + Array(repeating: 0, count: 8)
        #expect(throws: DecodeError.invalid("votes out of order")) {
            try decoded(two + [3] + Array(repeating: 0, count: 8))
        }
        #expect(throws: DecodeError.invalid("votes out of order")) {
            try decoded(two + [2] + Array(repeating: 0, count: 8))
        }
        #expect(throws: DecodeError.truncated) { try decoded(two) }
        #expect(throws: DecodeError.tooLarge(Limits.votesPerAttestation + 1)) {
            try decoded([65, 9, UInt8(Limits.votesPerAttestation + 1)])
        }
    }

    @Test("an attestation changes nothing but the count of commands")
    func attestationIsCounted() {
        var machine = SessionMachine.fresh()
        _ = machine.apply(.set(SetValue(key: key("k"), value: bytes("v"))))
        var counted = machine
        let vote = Attestation.Vote(node: 1, digest: machine.digest)
        #expect(machine.apply(.attest(Attestation(index: 1, votes: [vote]))) == .ok)
        #expect(machine.digest != counted.digest)
        _ = counted.apply(.time)
        #expect(machine.encodedSnapshot() == counted.encodedSnapshot())
    }

    @Test("EXPIRE without a time is refused")
    func expireWithoutTime() {
        #expect(throws: DecodeError.self) { try decoded([36, 1, 0x6b, 0, 0]) }
    }

    /// Decodes and applies whatever decodes. The count of survivors shows that the test is not
    /// idle.
    private func attack(_ bytes: [UInt8], _ machine: inout SessionMachine) -> Int {
        var reader = ByteReader(bytes)
        var applied = 0
        while !reader.isAtEnd, let command = try? Command(from: &reader) {
            _ = machine.apply(command)
            applied += 1
        }
        return applied
    }

    @Test("30,000 random byte strings never trap")
    func randomBytes() {
        var random = SeededRandom(3)
        var machine = SessionMachine.fresh()
        var applied = 0
        for _ in 0..<30_000 {
            var bytes = random.bytes(random.below(120))
            let tags: [UInt8] = [1, 2, 3, 4, 5, 32, 33, 34, 35, 36, 37, 64, 65]
            if !bytes.isEmpty, random.below(4) > 0 { bytes[0] = tags[random.below(tags.count)] }
            applied += attack(bytes, &machine)
        }
        #expect(applied > 1_000)
        #expect(machine.fullCheck == [])
    }

    @Test("40,000 mutated commands never trap, and leave the state sound")
    func mutatedBytes() {
        var source = CommandSource(seed: 4)
        var machine = SessionMachine.fresh()
        var applied = 0
        for round in 0..<40_000 {
            var bytes = encoded(source.next())
            for _ in 0...source.random.below(3) {
                let position = source.random.below(bytes.count)
                switch source.random.below(3) {
                case 0: bytes[position] ^= 1 << UInt8(source.random.below(8))
                case 1: bytes[position] = UInt8(truncatingIfNeeded: source.random.next())
                default: bytes.insert(0xff, at: position)
                }
            }
            applied += attack(bytes, &machine)
            if round % 500 == 0 {
                machine.at(UInt64(round) * 100)
                #expect(machine.fullCheck == [])
            }
        }
        #expect(applied > 10_000)
    }
}

@Suite("Entry payload")
struct EntryPayloadTests {
    @Test("an entry gives its time and its commands one by one")
    func roundTrip() throws {
        var source = CommandSource(seed: 5)
        let commands = (0..<100).map { _ in source.next() }
        let bytes = EntryPayload.encode(time: .test(5), commands)
        var entry = try EntryPayload(decoding: bytes[...])
        #expect(entry.time == .test(5))
        #expect(entry.count == 100)
        var read: [Command] = []
        while let command = try entry.next() { read.append(command) }
        #expect(read == commands)
        #expect(try entry.next() == nil)
    }

    @Test("commands that were encoded before give the same entry")
    func preEncoded() {
        var source = CommandSource(seed: 6)
        let commands = (0..<10).map { _ in source.next() }
        var writer = ByteWriter()
        for command in commands { command.encode(into: &writer) }
        let joined = EntryPayload.encode(
            time: .test(1),
            count: 10,
            encodedCommands: writer.bytes[...]
        )
        #expect(joined == EntryPayload.encode(time: .test(1), commands))
    }

    @Test("an empty entry moves the clock")
    func timeEntry() throws {
        var machine = SessionMachine.fresh()
        var outcomes: [Outcome] = []
        let none: [Command] = []
        try machine.apply(entry: EntryPayload.encode(time: .test(9), none)[...], into: &outcomes)
        #expect(outcomes.isEmpty)
        #expect(machine.time == .test(9))
    }

    @Test("another version, a foreign time, and left-over bytes are errors")
    func malformed() throws {
        var bytes = EntryPayload.encode(time: .test(0), [Command.time])
        var extended = try EntryPayload(decoding: (bytes + [0])[...])
        #expect(try extended.next() == .time)
        #expect(throws: DecodeError.trailingBytes(1)) { try extended.next() }
        bytes[0] = 2
        #expect(throws: DecodeError.unknownTag(2)) { try EntryPayload(decoding: bytes[...]) }
        var writer = ByteWriter()
        writer.write(EntryPayload.formatVersion)
        writer.writeVarint(UInt64(Int64.max) + 1)
        writer.writeCount(0)
        let late = writer.bytes
        #expect(throws: DecodeError.self) { try EntryPayload(decoding: late[...]) }
    }

    @Test("20,000 mutated entries never trap")
    func mutated() {
        var source = CommandSource(seed: 7)
        var machine = SessionMachine.fresh()
        var whole = 0
        for _ in 0..<20_000 {
            let commands = (0..<source.random.below(5)).map { _ in source.next() }
            var bytes = EntryPayload.encode(time: .test(1), commands)
            bytes[source.random.below(bytes.count)] ^= UInt8(1 + source.random.below(255))
            var outcomes: [Outcome] = []
            if (try? machine.apply(entry: bytes[...], into: &outcomes)) != nil { whole += 1 }
        }
        #expect(whole > 1_000)
        #expect(machine.fullCheck == [])
    }
}
