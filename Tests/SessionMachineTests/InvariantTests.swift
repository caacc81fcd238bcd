// A check that cannot fail is worth nothing: each sentence of `checkInvariants` is made to come out
// here by planting the one fault that it is about.

import Testing

@testable import SessionMachine

@Suite("Invariants")
struct InvariantTests {
    /// Record numbers of `machine`.
    private static let expiring: RecordID = 0
    private static let lasting: RecordID = 1
    private static let session: RecordID = 2
    private static let second: RecordID = 3
    private static let tombstone: RecordID = 4
    private static let freed: RecordID = 5

    /// One record of each kind, two sessions of one subject, a free number.
    private static var machine: SessionMachine {
        var machine = SessionMachine.fresh()
        let expiry = ExpiryChange.to(.after(Milliseconds(5_000)))
        _ = machine.apply(.set(SetValue(key: key("a"), value: bytes("1"), expiry: expiry)))
        _ = machine.apply(.set(SetValue(key: key("b"), value: bytes("2"))))
        _ = machine.apply(.create(login(1, "alice")))
        _ = machine.apply(.create(login(2, "alice")))
        _ = machine.apply(.create(login(3, "bob")))
        _ = machine.apply(.set(SetValue(key: key("c"), value: bytes("3"))))
        _ = machine.apply(.revoke(RevokeSession(handle: handle(3))))
        _ = machine.apply(.delete([key("c")]))
        return machine
    }

    /// What the checks say about the machine with a fault in it.
    private static func told(_ plant: (inout SessionMachine) -> Void) -> [String] {
        var machine = Self.machine
        plant(&machine)
        return machine.checkInvariants()
    }

    private static func hash(_ text: String) -> UInt32 { machine.hash(bytes(text)) }

    @Test("without a fault there is nothing to tell")
    func healthy() {
        let machine = Self.machine
        #expect(machine.checkInvariants() == [])
        #expect(machine.records.kind(Self.expiring) == .value)
        #expect(machine.records.kind(Self.session) == .session)
        #expect(machine.records.kind(Self.second) == .session)
        #expect(machine.records.kind(Self.tombstone) == .tombstone)
        #expect(machine.records.payload(Self.freed).isEmpty)
    }

    // MARK: Records

    @Test("a malformed value: a key over its limit, or longer than the record")
    func malformedValue() {
        let long = [UInt8](repeating: 9, count: Limits.keyBytes + 1)
        for payload in [ValueLayout.payload(key: Key(long), value: []), [1, 200, 0, 65], [1]] {
            let told = Self.told { $0.records.replace(Self.lasting, with: payload, deadline: nil) }
            #expect(told == ["value 1 malformed"])
        }
    }

    @Test("a record of no kind")
    func noKind() {
        let told = Self.told { $0.records.replace(Self.lasting, with: [9, 0, 0], deadline: nil) }
        #expect(told == ["record 1 is of no kind"])
    }

    @Test("a malformed session: bytes behind its end, or too few")
    func malformedSession() {
        for isLonger in [true, false] {
            let told = Self.told { machine in
                let payload = machine.records.payload(Self.session)
                let wrong = isLonger ? payload + [0] : Array(payload[..<60])
                let deadline = machine.records.deadline(Self.session)
                machine.records.replace(Self.session, with: wrong, deadline: deadline)
            }
            #expect(told == ["session 2 malformed"])
        }
    }

    @Test("a malformed tombstone: bytes behind its end, or an end that is none")
    func malformedTombstone() {
        for isLonger in [true, false] {
            let told = Self.told { machine in
                var payload = machine.records.payload(Self.tombstone)
                if isLonger { payload.append(0) } else { payload[SessionLayout.end] = 3 }
                let deadline = machine.records.deadline(Self.tombstone)
                machine.records.replace(Self.tombstone, with: payload, deadline: deadline)
            }
            #expect(told == ["tombstone 4 malformed"])
        }
    }

    @Test("a session whose timer is not its deadline's, and a tombstone without one")
    func wrongDeadlines() {
        let late = Self.told { $0.records.setDeadline(Self.session, .test(7)) }
        #expect(late == ["session 2: deadline"])
        let none = Self.told { $0.records.setDeadline(Self.second, nil) }
        #expect(none == ["session 3: deadline"])
        let forEver = Self.told { $0.records.setDeadline(Self.tombstone, nil) }
        #expect(forEver == ["tombstone 4 is for ever"])
    }

    @Test("sums that do not add up: bytes, digest, free numbers")
    func sums() {
        let bytes = Self.told { machine in tamper(&machine.records, \.payloadBytes) { $0 += 1 } }
        #expect(bytes == ["payload bytes do not add up"])
        let digest = Self.told { machine in tamper(&machine.records, \.digestSum) { $0 ^= 1 } }
        #expect(digest == ["digest is not the sum"])
        let flipped = Self.told { machine in
            tamper(&machine.records, \.payloads) { $0[Int(Self.lasting)][4] ^= 1 }
        }
        #expect(flipped == ["digest is not the sum"])
        let lost = Self.told { machine in
            tamper(&machine.records, \.free) { _ = $0.removeLast() }
        }
        #expect(lost == ["free numbers do not add up"])
    }

    @Test("a free number that is in use, or has a timer")
    func freeNumbers() {
        let used = Self.told { $0.records.restoreFree(Self.lasting) }
        #expect(used == ["free numbers do not add up", "free number 1 is in use"])
        let timed = Self.told { machine in
            machine.records.withWheel { $0.schedule(Self.freed, at: .test(9)) }
        }
        #expect(timed == ["free number 5 has a timer"])
    }

    // MARK: Indexes

    @Test("a name that finds another record, or none")
    func names() {
        let twice = Self.told { machine in
            let payload = machine.records.payload(Self.lasting)
            let id = machine.records.insert(payload, deadline: nil)
            machine.values.insert(id, hash: Self.hash("b"))
        }
        #expect(twice == ["record 5 is not what its name finds"])
        let lost = Self.told { $0.values.remove(Self.lasting, hash: Self.hash("b")) }
        #expect(
            lost == ["record 1 is not what its name finds", "the value index has other entries"]
        )
        let handle = Self.machine.hash(handle(1))
        let gone = Self.told { $0.sessions.remove(Self.session, hash: handle) }
        #expect(gone.contains("record 2 is not what its name finds"))
        #expect(gone.contains("the session index has other entries"))
    }

    @Test("entries of the indexes that no record accounts for")
    func otherEntries() {
        let value = Self.told { $0.values.insert(Self.freed, hash: 77) }
        #expect(value == ["the value index has other entries"])
        let session = Self.told { $0.sessions.insert(Self.freed, hash: 77) }
        #expect(session == ["the session index has other entries", "a session is in no list"])
        let tombstone = Self.told { $0.tombstones += 1 }
        #expect(tombstone == ["tombstones are miscounted", "a session is in no list"])
    }

    @Test("an index with a wrong bucket, or a wrong count")
    func buckets() {
        var index = HashIndex()
        for hash in 0..<UInt32(40) { index.insert(hash, hash: hash) }
        #expect(index.checkInvariants() == [])
        var miscounted = index
        tamper(&miscounted, \.count) { $0 += 1 }
        #expect(miscounted.checkInvariants() == ["the index is miscounted"])
        let moved = index.bucket(0).count
        #expect(moved > 0)
        index.misplace(bucket: 0, to: 1)
        let wrong = [String](repeating: "a wrong bucket", count: moved)
        #expect(index.checkInvariants() == wrong)
        let told = Self.told { $0.values = index }
        #expect(told.contains("a wrong bucket"))
        let sessions = Self.told { machine in tamper(&machine.sessions, \.count) { $0 += 1 } }
        #expect(sessions.contains("the index is miscounted"))
    }

    // MARK: Subjects

    /// Lists of subjects made by hand.
    private static func listing(_ entries: (RecordID, String)...) -> [String] {
        told { machine in
            machine.subjects = SubjectIndex()
            for (record, subject) in entries {
                machine.subjects.append(
                    record,
                    subject: bytes(subject),
                    hash: hash(subject),
                    in: machine.records
                )
            }
        }
    }

    @Test("subject lists: right, lacking one, out of order")
    func lists() {
        #expect(Self.listing((Self.session, "alice"), (Self.second, "alice")) == [])
        #expect(Self.listing((Self.session, "alice")) == ["a session is in no list"])
        let outOfOrder = Self.listing((Self.second, "alice"), (Self.session, "alice"))
        #expect(outOfOrder == ["a subject list is out of order"])
        let twice = Self.listing((Self.session, "alice"), (Self.session, "alice"))
        #expect(twice == ["a subject list is out of order"])
    }

    @Test("a subject list with what is not its own")
    func foreignLists() {
        let ended = Self.listing(
            (Self.session, "alice"),
            (Self.second, "alice"),
            (Self.tombstone, "bob")
        )
        #expect(ended == ["a subject list holds an ended session", "a session is in no list"])
        // Planted by another login that takes over the record's bytes.
        let another = Self.told { machine in
            let sequence = SessionView(payload: machine.records.payload(Self.second)).sequence
            let create = login(2, "carol")
            let payload = SessionLayout.payload(of: create, at: machine.time, sequence: sequence)
            let deadline = machine.records.deadline(Self.second)
            machine.records.replace(Self.second, with: payload, deadline: deadline)
        }
        #expect(another == ["a subject list holds another's session"])
        let empty = Self.told { $0.subjects.emptyList(0) }
        #expect(empty == ["an empty subject list", "a session is in no list"])
    }

    // MARK: The wheel

    private static func toldOfWheel(_ plant: (inout TimerWheel) -> Void) -> [String] {
        told { machine in machine.records.withWheel { plant(&$0) } }
    }

    @Test("a wheel whose bitmap does not show its slots")
    func bitmap() {
        let slot = 5 * TimerWheel.slotsPerLevel + 1
        let extra = Self.toldOfWheel { $0.occupied[5] |= 2 }
        #expect(extra == ["slot \(slot): bitmap"])
        var level = 0
        let lacking = Self.toldOfWheel { wheel in
            level = wheel.slot(for: .test(5_000)) / TimerWheel.slotsPerLevel
            wheel.occupied[level] = 0
        }
        #expect(!lacking.isEmpty)
        #expect(lacking.allSatisfy { $0.hasSuffix(": bitmap") })
    }

    @Test("a wheel with a timer in another slot than its own")
    func wrongSlot() {
        let told = Self.toldOfWheel { $0.nodes[Int(Self.expiring)].deadline += 1 << 40 }
        #expect(told.count == 2)
        #expect(told.contains("digest is not the sum"))
        #expect(told.contains { $0.hasPrefix("timer 0 in slot ") })
        // The same when the wheel turns away under its timers.
        let turned = Self.toldOfWheel { $0.current = .zero }
        #expect(turned.contains { $0.hasPrefix("timer 2 in slot ") })
    }

    @Test("a wheel with a wrong link or a wrong count")
    func links() {
        let back = Self.toldOfWheel { $0.nodes[Int(Self.expiring)].previous = 3 }
        #expect(back == ["timer 0: back link"])
        let count = Self.toldOfWheel { $0.count += 1 }
        #expect(count == ["4 timers linked, 5 counted", "4 deadlines, 5 counted"])
        let unlinked = Self.toldOfWheel { wheel in
            let slot = wheel.slot(for: .test(5_000))
            wheel.heads[slot] = TimerWheel.none
            wheel.occupied[slot / TimerWheel.slotsPerLevel] = 0
        }
        #expect(unlinked.contains("3 timers linked, 4 counted"))
        let circle = Self.toldOfWheel { $0.nodes[Int(Self.expiring)].next = Self.expiring }
        #expect(circle.contains { $0.hasSuffix("timers linked, 4 counted") })
    }

    @Test("a wheel ahead of its machine")
    func ahead() {
        let told = Self.told { machine in
            machine.records.withWheel { $0.current = .test(1) }
        }
        #expect(told.contains("the wheel is ahead of machine time"))
    }
}
