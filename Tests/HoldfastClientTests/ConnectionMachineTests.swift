import NIOCore
import Testing

@testable import HoldfastClient

/// Stands for a caller; its identity is the request's id.
private final class Caller: Sendable {
    let name: String
    init(_ name: String) { self.name = name }
}

private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
private let bounds = ConnectionMachine<Caller>.Bounds(
    connect: .seconds(1),
    attempt: .seconds(6),
    silence: .seconds(1),
    inFlight: 2,
    waiting: 3
)

private func machine(ready: Bool = true) -> ConnectionMachine<Caller> {
    var machine = ConnectionMachine<Caller>(bounds: bounds, now: start)
    guard ready else { return machine }
    machine.connected()
    _ = machine.replied()
    return machine
}

extension ConnectionMachine<Caller> {
    fileprivate mutating func submit(_ caller: Caller, seconds: Int64 = 10) -> Caller? {
        let deadline = start + .seconds(seconds)
        return submit(
            .init(
                id: ObjectIdentifier(caller),
                caller: caller,
                bytes: ByteBuffer(string: caller.name),
                deadline: deadline
            )
        )
    }

    /// What goes out now.
    fileprivate mutating func sent(at time: NIODeadline = start) -> [String] {
        var sent: [String] = []
        while let bytes = nextToSend(now: time) { sent.append(String(buffer: bytes)) }
        return sent
    }

    /// Who gets the next reply.
    fileprivate mutating func reply() -> String {
        switch replied() {
        case .deliver(let caller): caller.name
        case .drop: "(dropped)"
        case .greeted: "(greeted)"
        case .close: "(close)"
        }
    }
}

@Suite struct ConnectionMachineTests {
    private let a = Caller("a")
    private let b = Caller("b")
    private let c = Caller("c")
    private let d = Caller("d")

    @Test func `Each reply goes to the caller who asked, in order`() {
        var machine = machine()
        _ = (machine.submit(a), machine.submit(b))
        #expect(machine.sent() == ["a", "b"])
        #expect([machine.reply(), machine.reply()] == ["a", "b"])
        #expect(machine.isIdle)
    }

    @Test func `Nothing goes out before the greeting is answered`() {
        var machine = machine(ready: false)
        #expect(machine.submit(a) == nil)
        #expect(machine.sent() == [])
        machine.connected()
        #expect(machine.sent() == [])
        #expect(machine.reply() == "(greeted)")
        #expect(machine.sent() == ["a"])
    }

    @Test func `No more are in flight than allowed, and the next goes with a reply`() {
        var machine = machine()
        _ = (machine.submit(a), machine.submit(b), machine.submit(c))
        #expect(machine.sent() == ["a", "b"])
        #expect(machine.reply() == "a")
        #expect(machine.sent() == ["c"])
    }

    @Test func `A full queue gives the caller back`() {
        var machine = machine(ready: false)
        _ = (machine.submit(a), machine.submit(b), machine.submit(c))
        #expect(machine.submit(d)?.name == "d")
    }

    @Test func `A caller who left in flight leaves a place that swallows the reply`() {
        var machine = machine()
        _ = (machine.submit(a), machine.submit(b))
        _ = machine.sent()
        #expect(machine.abandon(ObjectIdentifier(a))?.sent == true)
        #expect(machine.abandon(ObjectIdentifier(a)) == nil)
        #expect([machine.reply(), machine.reply()] == ["(dropped)", "b"])
    }

    @Test func `A caller who left before sending is never sent`() {
        var machine = machine()
        _ = (machine.submit(a), machine.submit(b), machine.submit(c))
        _ = machine.sent()
        #expect(machine.abandon(ObjectIdentifier(c))?.sent == false)
        _ = machine.reply()
        #expect(machine.sent() == [])
    }

    @Test func `A reply that nobody asked for closes`() {
        var machine = machine()
        #expect(machine.reply() == "(close)")
    }

    @Test func `Closing tells who was sent`() {
        var machine = machine()
        _ = (machine.submit(a), machine.submit(b), machine.submit(c))
        _ = machine.sent()
        let left = machine.close()
        #expect(left.map(\.caller.name) == ["a", "b", "c"])
        #expect(left.map(\.sent) == [true, true, false])
        #expect(machine.submit(d)?.name == "d")
        #expect(machine.nextTick() == nil)
    }

    @Test func `Deadlines end the waiting and the sent alike`() {
        var machine = machine()
        _ = (machine.submit(a, seconds: 2), machine.submit(b), machine.submit(c, seconds: 2))
        _ = machine.sent()
        machine.heard(now: start + .seconds(2))
        let (expired, verdict) = machine.tick(now: start + .seconds(2))
        #expect(expired.map(\.caller.name) == ["a", "c"])
        #expect(expired.map(\.sent) == [true, false])
        #expect(verdict == .fine)
        #expect([machine.reply(), machine.reply()] == ["(dropped)", "b"])
    }

    @Test func `Silence raises suspicion once an interval, and bytes quiet it`() {
        var machine = machine()
        _ = machine.submit(a)
        _ = machine.sent()
        #expect(machine.nextTick() == start + .seconds(1))
        #expect(machine.tick(now: start + .seconds(1)).verdict == .suspect)
        #expect(machine.tick(now: start + .milliseconds(1_500)).verdict == .fine)
        machine.heard(now: start + .milliseconds(1_900))
        #expect(machine.tick(now: start + .milliseconds(2_800)).verdict == .fine)
        #expect(machine.nextTick() == start + .milliseconds(2_900))
    }

    @Test func `An idle connection is never suspected`() {
        var machine = machine()
        #expect(machine.nextTick() == nil)
        #expect(machine.tick(now: start + .seconds(100)).verdict == .fine)
        _ = machine.submit(a, seconds: 200)
        _ = machine.sent(at: start + .seconds(100))
        #expect(machine.nextTick() == start + .seconds(101))
    }

    @Test func `A request that waits too long closes the connection`() {
        var machine = machine()
        _ = machine.submit(a)
        _ = machine.sent()
        machine.heard(now: start + .milliseconds(5_900))
        #expect(machine.tick(now: start + .milliseconds(5_999)).verdict == .fine)
        #expect(machine.tick(now: start + .seconds(6)).verdict == .close("no reply in time"))
    }

    @Test func `A connect that takes too long closes`() {
        var machine = machine(ready: false)
        #expect(machine.nextTick() == start + .seconds(1))
        #expect(machine.tick(now: start + .seconds(1)).verdict == .close("no connection in time"))
    }
}
