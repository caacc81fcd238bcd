// The bounds of `Limits` as the machine keeps them when it applies: exactly at the limit it stores,
// one above it refuses and changes nothing but the count of commands.

import Bytes
import Testing

@testable import SessionMachine

@Suite("Limits")
struct LimitTests {
    private var machine = SessionMachine.fresh()

    private mutating func expectRefused(
        _ command: Command,
        as refusal: Refusal = .tooLarge,
        at location: SourceLocation = #_sourceLocation
    ) {
        let records = machine.records.digestSum
        let gauges = machine.gauges
        #expect(machine.apply(command) == .refused(refusal), sourceLocation: location)
        #expect(machine.records.digestSum == records, sourceLocation: location)
        #expect(machine.gauges == gauges, sourceLocation: location)
    }

    private mutating func isCreated(_ create: CreateSession) -> Bool {
        guard case .created = machine.apply(.create(create)) else { return false }
        return machine.checkInvariants() == []
    }

    private func zeros(_ count: Int) -> ArraySlice<UInt8> {
        [UInt8](repeating: 0, count: count)[...]
    }

    @Test("without a free record number nothing new is stored, and the old can still be changed")
    mutating func full() {
        _ = machine.apply(.set(SetValue(key: key("old"), value: bytes("1"))))
        _ = machine.apply(.create(login(1, "alice")))
        // Only the count says so: four thousand million records fit no test.
        tamper(&machine.records, \.payloads) { payloads in
            tamper(&payloads, \.count) { $0 = Limits.recordSlots }
        }
        #expect(machine.records.isFull)
        #expect(machine.apply(.set(SetValue(key: key("new"), value: []))) == .refused(.full))
        #expect(machine.apply(.create(login(2, "bob"))) == .refused(.full))
        let evicting = login(2, "alice", cap: .evictAbove(1))
        #expect(machine.apply(.create(evicting)) == .refused(.full))
        #expect(machine.status(1) == .valid)
        #expect(machine.status(2) == .unknown)
        #expect(machine.apply(.set(SetValue(key: key("old"), value: bytes("2")))) == .ok)
        #expect(machine.get(key("old")) == bytes("2"))
        let absent = SetValue(key: key("new"), value: [], condition: .ifPresent)
        #expect(machine.apply(.set(absent)) == .notStored)
        let past = SetValue(key: key("new"), value: [], expiry: .to(.at(.zero)))
        #expect(machine.apply(.set(past)) == .ok)
        #expect(machine.apply(.touch([handle(1)])) == .touched(1))
        guard case .created = machine.apply(.create(login(1, "alice"))) else {
            Issue.record("a retry needs no room")
            return
        }
        // A number that is given back is room again.
        #expect(machine.apply(.delete([key("old")])) == .integer(1))
        #expect(!machine.records.isFull)
        #expect(machine.apply(.set(SetValue(key: key("new"), value: []))) == .ok)
        #expect(machine.records.isFull)
    }

    @Test("keys and values")
    mutating func values() {
        let longest = Key(zeros(Limits.keyBytes))
        #expect(machine.apply(.set(SetValue(key: longest, value: []))) == .ok)
        #expect(machine.exists(longest))
        expectRefused(.set(SetValue(key: Key(zeros(Limits.keyBytes + 1)), value: [])))
        let value = zeros(Limits.valueBytes + 1)
        expectRefused(.set(SetValue(key: key("a"), value: value)))
        #expect(machine.apply(.set(SetValue(key: key("a"), value: value.dropLast()))) == .ok)
        #expect(machine.length(key("a")) == Limits.valueBytes)
        // A refused overwrite leaves what was there.
        expectRefused(.set(SetValue(key: key("a"), value: value)))
    }

    @Test("a session's subject")
    mutating func subject() {
        var create = login(1, "")
        create.subject = zeros(Limits.subjectBytes + 1)
        expectRefused(.create(create))
        create.subject = zeros(Limits.subjectBytes)
        #expect(isCreated(create))
    }

    @Test("a session's fields: how many, and all bytes together")
    mutating func fields() {
        var create = login(1, "alice")
        create.fields = (0...Limits.fields).map { number in
            SessionField(name: bytes("\(number)"), value: [])
        }
        expectRefused(.create(create))
        create.fields.removeLast()
        #expect(isCreated(create))
        #expect(machine.session(handle(1))?.fields == create.fields)

        var large = login(2, "alice")
        let rest = Limits.sessionBytes - "alice".utf8.count - 1
        large.fields = [SessionField(name: bytes("f"), value: zeros(rest + 1))]
        expectRefused(.create(large))
        large.fields = [SessionField(name: bytes("f"), value: zeros(rest))]
        #expect(isCreated(large))
        // What counts is the sum of all strings.
        large.handle = handle(3)
        large.ip = [1]
        expectRefused(.create(large))
    }

    @Test("notes of revocations")
    mutating func notes() {
        #expect(isCreated(login(1, "alice")))
        let over = zeros(Limits.reasonBytes + 1)
        for note in [RevocationNote(reason: over), RevocationNote(actor: over)] {
            expectRefused(.revoke(RevokeSession(handle: handle(1), note: note)))
            expectRefused(.revokeAll(RevokeSubject(subject: bytes("alice"), note: note)))
        }
        #expect(machine.status(1) == .valid)
        let most = RevocationNote(reason: over.dropLast(), actor: over.dropLast())
        let revoke = RevokeSession(handle: handle(1), note: most)
        #expect(machine.apply(.revoke(revoke)) == .revoked(1))
        #expect(machine.checkInvariants() == [])
    }

    @Test("sessions of one subject: no cap reaches beyond the module's limit")
    mutating func sessionsPerSubject() {
        let limit = Limits.sessionsPerSubject
        for number in 0..<limit { _ = machine.apply(.create(login(number, "alice"))) }
        #expect(machine.gauges.sessions == limit)
        for cap in [SubjectCap.unlimited, .rejectAbove(.max)] {
            let create = login(limit, "alice", cap: cap)
            #expect(machine.apply(.create(create)) == .limitReached)
        }
        #expect(machine.apply(.create(login(limit + 1, "bob"))) != .limitReached)
        let evicting = machine.apply(.create(login(limit, "alice", cap: .evictAbove(.max))))
        guard case .created(_, evicted: 1) = evicting else {
            Issue.record("\(evicting)")
            return
        }
        #expect(machine.status(0) == .revoked)
        #expect(machine.status(1) == .valid)
        #expect(machine.list(bytes("alice")).count == limit)
        #expect(
            machine.apply(.create(login(limit + 2, "carol", cap: .evictAbove(0)))) == .limitReached
        )
    }

    @Test("timer work in one entry: so many steps, and more for more commands")
    mutating func timerSteps() {
        for number in 0..<4_000 {
            let expiry = ExpiryChange.to(.at(.test(10)))
            let set = SetValue(key: key("k\(number)"), value: [], expiry: expiry)
            _ = machine.apply(.set(set))
        }
        var machine = self.machine
        machine.beginEntry(at: .test(20), commandCount: 0)
        #expect(machine.gauges.values >= 4_000 - Limits.timerStepsPerEntry)
        #expect(machine.gauges.values < 4_000)
        // What is carried over is over all the same.
        #expect((0..<4_000).allSatisfy { machine.get(key("k\($0)")) == nil })
        #expect(machine.checkInvariants() == [])
        #expect(machine.nextDeadline.map { $0 <= machine.time } == true)
        var large = self.machine
        large.beginEntry(at: .test(20), commandCount: 1_000)
        #expect(large.gauges.values == 0)
        var hostile = self.machine
        hostile.beginEntry(at: .test(20), commandCount: .min)
        #expect(hostile.digest == machine.digest)
        hostile.beginEntry(at: .test(20), commandCount: .max)
        #expect(hostile.gauges.values == 0)
    }
}
