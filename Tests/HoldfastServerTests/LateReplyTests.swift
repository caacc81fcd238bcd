// Replies that are good up to a moment: what a lease allowed, and no longer does when it is
// written, must leave no byte behind.

import Commands
import HoldfastWire
import NIOCore
import RaftCore
import Replica
import Testing

@testable import HoldfastServer

@Suite("Late replies", .serialized)
struct LateReplyTests {
    @Test("a reply that is late leaves nothing, and the next one stands in its place")
    func late() throws {
        let bench = try Bench()
        bench.receive("GET k\r\n")
        let first = bench.connection.complete(bench.target(0), validUntil: .zero) {
            $0.bulk("stale")
        }
        #expect(first == .late)
        #expect(try bench.written() == "")
        let second = bench.connection.complete(bench.target(0), validUntil: .distantFuture) {
            $0.bulk("fresh")
        }
        #expect(second == .written)
        #expect(try bench.written() == "$5\r\nfresh\r\n")
        // It was the only reply to that request.
        bench.connection.complete(bench.target(0)) { $0.bulk("again") }
        #expect(try bench.written() == "")
    }

    @Test("a late reply takes nothing of those before it, nor of those behind")
    func between() throws {
        let bench = try Bench()
        bench.receive("GET a\r\nGET b\r\nGET c\r\n")
        bench.connection.complete(bench.target(0)) { $0.bulk("A") }
        let late = bench.connection.complete(bench.target(1), validUntil: .zero) { $0.bulk("x") }
        #expect(late == .late)
        bench.connection.complete(bench.target(2), validUntil: .distantFuture) { $0.bulk("C") }
        // Behind the front too.
        bench.receive("GET d\r\n")
        let behind = bench.connection.complete(bench.target(3), validUntil: .zero) { $0.bulk("x") }
        #expect(behind == .late)
        #expect(try bench.written() == "$1\r\nA\r\n")
        bench.connection.complete(bench.target(1)) { $0.bulk("B") }
        bench.connection.complete(bench.target(3)) { $0.bulk("D") }
        #expect(try bench.written() == "$1\r\nB\r\n$1\r\nC\r\n$1\r\nD\r\n")
    }

    @Test("the reactor keeps a read whose lease is over, to ask anew")
    func reactor() throws {
        let bench = try Bench()
        bench.receive("GET k\r\n")
        let group = try #require(bench.reactor.groups.compactMap(\.self).first)
        let read = GroupRequest(
            group: group.id,
            slot: 0,
            action: .read(.count),
            target: bench.target(0)
        )
        let now = WallClock.now()
        bench.reactor.carryOut(.readable(validUntil: .zero), to: read, group, now)
        #expect(group.lateReads.count == 1)
        #expect(try bench.written() == "")
        let before = bench.reactor.requests.count
        bench.reactor.askAgain(group)
        #expect(group.lateReads.isEmpty)
        #expect(bench.reactor.requests.count == before + 1)
        bench.reactor.carryOut(.readable(validUntil: .distantFuture), to: read, group, now)
        #expect(group.lateReads.isEmpty)
        #expect(try bench.written() == ":0\r\n")
    }
}

@Suite("Reasons to stop")
struct FatalTests {
    @Test("a state that differs from the others' has an exit code of its own")
    func diverged() {
        #expect(FatalReason.diverged("group 3").exitCode == 76)
        #expect(FatalReason.diverged("group 3").message == "group 3")
        #expect(FatalReason.violation("").exitCode == 70)
    }
}
