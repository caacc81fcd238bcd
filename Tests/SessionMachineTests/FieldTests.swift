// SET, UNSET and TAKE on the fields of a session.

import Bytes
import Testing

@testable import SessionMachine

@Suite("Fields of sessions")
struct FieldTests {
    private func field(_ name: String, _ value: String) -> SessionField {
        SessionField(name: bytes(name), value: bytes(value))
    }

    private func set(
        _ number: Int = 1,
        _ fields: SessionField...,
        ifVersion: UInt64? = nil,
        request: UInt64 = 0
    ) -> Command {
        var set = SetFields(handle: handle(number), digest: digest(number), fields: fields)
        set.ifVersion = ifVersion
        set.request = RequestID(rawValue: request)
        return .setFields(set)
    }

    private func unset(_ names: String..., request: UInt64 = 0) -> Command {
        var unset = UnsetFields(
            handle: handle(1),
            digest: digest(1),
            names: names.map { bytes($0) }
        )
        unset.request = RequestID(rawValue: request)
        return .unsetFields(unset)
    }

    private func take(_ name: String, request: UInt64 = 0) -> Command {
        var take = TakeField(handle: handle(1), digest: digest(1), name: bytes(name))
        take.request = RequestID(rawValue: request)
        return .takeField(take)
    }

    private func machine() -> SessionMachine {
        var machine = SessionMachine.fresh()
        var create = login(1, "alice")
        create.fields = [field("a", "1"), field("b", "2")]
        _ = machine.apply(.create(create))
        return machine
    }

    private func fields(of machine: SessionMachine) -> [String] {
        (machine.session(handle(1))?.fields ?? []).map {
            String(decoding: $0.name + [61] + $0.value, as: UTF8.self)
        }
    }

    @Test("a set changes what it names, adds what is new, and keeps the rest and its order")
    func patch() {
        var machine = machine()
        #expect(machine.apply(set(1, field("c", "3"), field("a", "4"))) == .version(2))
        #expect(fields(of: machine) == ["a=4", "b=2", "c=3"])
        #expect(machine.apply(unset("a", "x")) == .integer(1))
        #expect(machine.apply(unset("x")) == .integer(0))
        #expect(machine.session(handle(1))?.version == 3)
        #expect(machine.apply(take("c")) == .value(bytes("3")))
        #expect(machine.apply(take("c")) == .value(nil))
        #expect(fields(of: machine) == ["b=2"])
        #expect(machine.session(handle(1))?.version == 4)
        #expect(machine.checkInvariants() == [])
    }

    @Test("a set of one version does nothing to another")
    func versions() {
        var machine = machine()
        #expect(machine.apply(set(1, field("a", "x"), ifVersion: 1)) == .version(2))
        #expect(machine.apply(set(1, field("a", "y"), ifVersion: 1)) == .conflict(2))
        #expect(fields(of: machine) == ["a=x", "b=2"])
    }

    @Test("a repeated request is answered as the first time, whatever came in between")
    func retries() {
        var machine = machine()
        #expect(machine.apply(set(1, field("a", "x"), ifVersion: 1, request: 7)) == .version(2))
        #expect(machine.apply(set(1, field("a", "y"), request: 8)) == .version(3))
        #expect(machine.apply(set(1, field("a", "x"), ifVersion: 1, request: 7)) == .version(2))
        #expect(fields(of: machine) == ["a=y", "b=2"])
        #expect(machine.apply(take("b", request: 9)) == .value(bytes("2")))
        #expect(machine.apply(set(1, field("b", "new"))) == .version(5))
        #expect(machine.apply(take("b", request: 9)) == .value(bytes("2")))
        #expect(machine.apply(unset("b", request: 10)) == .integer(1))
        #expect(machine.apply(set(1, field("b", "newer"))) == .version(7))
        #expect(machine.apply(unset("b", request: 10)) == .integer(1))
        #expect(fields(of: machine) == ["a=y", "b=newer"])
        #expect(machine.apply(unset("b", request: 9)) == .refused(.requestReused))
    }

    @Test("the last sixteen requests are remembered, through a snapshot too")
    func memory() throws {
        var machine = machine()
        for request in 1...17 as ClosedRange<UInt64> {
            _ = machine.apply(set(1, field("a", "\(request)"), request: request))
        }
        machine = try SessionMachine(snapshot: machine.encodedSnapshot())
        for request in 2...17 as ClosedRange<UInt64> {
            let again = set(1, field("a", "again"), request: request)
            #expect(machine.apply(again) == .version(request + 1))
        }
        #expect(fields(of: machine) == ["a=17", "b=2"])
        #expect(machine.apply(set(1, field("a", "again"), request: 1)) == .version(19))
        #expect(machine.checkInvariants() == [])
    }

    @Test("a session keeps to its limits, and a full one lets go of old answers first")
    func limits() {
        var machine = machine()
        let half = String(repeating: "x", count: Limits.sessionBytes / 2)
        #expect(machine.apply(set(1, field("big", half))) == .version(2))
        #expect(machine.apply(set(1, field("bigger", half))) == .refused(.tooLarge))
        #expect(machine.apply(take("big", request: 5)) == .value(bytes(half)))
        let other = String(repeating: "y", count: Limits.sessionBytes / 2)
        #expect(machine.apply(set(1, field("big", other), request: 6)) == .version(4))
        #expect(machine.apply(take("big", request: 5)) == .value(bytes(other)), "it is forgotten")
        #expect(machine.apply(set(1, field("big", half))) == .version(6), "without an id, too")
        _ = machine.apply(unset("big"))
        let many = (0..<Limits.fields).map { field("field-\($0)", "") }
        let all = SetFields(handle: handle(1), digest: digest(1), fields: many)
        #expect(machine.apply(.setFields(all)) == .refused(.tooLarge))
        #expect(fields(of: machine) == ["a=1", "b=2"])
        #expect(machine.checkInvariants() == [])
    }

    /// What becomes of connect-redis#328 and spring-session#2021 here: a slow request that saves
    /// after the logout brings nothing back, whole or in part.
    @Test("what comes after the session's end is told so, and leaves nothing behind")
    func late() {
        var machine = machine()
        _ = machine.apply(.revoke(RevokeSession(handle: handle(1))))
        let before = machine.gauges
        for command in [set(1, field("a", "late")), unset("a"), take("a")] {
            #expect(machine.apply(command) == .ended(.revoked))
        }
        #expect(machine.apply(set(2, field("a", "nobody"))) == .unknown)
        #expect(machine.gauges == before)
        #expect(machine.session(handle(1)) == nil)
    }

    @Test("who has the handle and not the secret changes nothing")
    func secret() {
        var machine = machine()
        let wrong = SetFields(handle: handle(1), digest: digest(2), fields: [field("a", "x")])
        #expect(machine.apply(.setFields(wrong)) == .unknown)
        #expect(fields(of: machine) == ["a=1", "b=2"])
    }

    @Test("a change of fields is no use of the session")
    func noUse() {
        var machine = machine()
        machine.at(500_000)
        _ = machine.apply(set(1, field("a", "x")))
        #expect(machine.session(handle(1))?.lastTouch == .test(0))
        machine.at(1_100_000)
        #expect(machine.apply(set(1, field("a", "y"))) == .ended(.expired))
    }
}
