// What a node says of its own removal, and when.

import RaftCore
import Replica
import Testing

@testable import HoldfastServer

@Suite("A node that is removed", .serialized)
struct RemovalTests {
    private let report = "this node was removed from group 0"

    @Test("a removal is not reported while it may be taken back, nor after it was")
    func takenBack() throws {
        let bench = try Bench(peers: [23])
        let group = try #require(bench.reactor.groups[0])
        let members = group.replica.raft.membership
        let others = Membership(
            members: members.members.filter { $0.id != bench.node.id },
            highestID: members.highestID
        )
        bench.reactor.membershipChanged(members, group)
        #expect(group.part == .member)
        bench.reactor.membershipChanged(others, group)
        bench.reactor.settleRemoval(from: group)
        #expect(group.part == .leaving)
        #expect(bench.words.all(with: report).isEmpty)
        // Another leader has cut the entry off.
        bench.reactor.membershipChanged(members, group)
        bench.reactor.settleRemoval(from: group)
        #expect(group.part == .member)
        #expect(bench.words.all(with: report).isEmpty)
    }

    @Test("a removal is reported when it is applied, once")
    func applied() throws {
        // Its groups have no members: what was applied lacks this node.
        let bench = try Bench(first: .join)
        let group = try #require(bench.reactor.groups[0])
        bench.reactor.membershipChanged(.none, group)
        #expect(group.part == .unknown)
        group.part = .member
        bench.reactor.membershipChanged(.none, group)
        for _ in 0..<3 { bench.reactor.settleRemoval(from: group) }
        #expect(group.part == .removed)
        #expect(bench.words.all(with: report).count == 1)
    }

    @Test("a removal that others have told is reported once, and again after a return")
    func told() throws {
        let bench = try Bench()
        let group = try #require(bench.reactor.groups[0])
        let members = group.replica.raft.membership
        for times in 1...2 {
            bench.reactor.membershipChanged(members, group)
            for _ in 0..<3 { bench.reactor.reportRemoval(from: group) }
            #expect(bench.words.all(with: report).count == times)
        }
    }
}
