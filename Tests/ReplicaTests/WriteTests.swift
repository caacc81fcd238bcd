// Writes: how they are gathered, where they wait, and what their clients are told.

import RaftCore
import Replica
import SessionMachine
import Testing

@Suite
struct WriteTests {
    @Test
    func aWriteIsAnsweredAfterCommitAndApplyAndNotBefore() throws {
        var group = Group()
        let leader = group.elect()
        let before = group[leader].applied
        let token = group.submit(.write(store("a")), at: leader)
        #expect(group.answers[token] == nil)
        // Its own disk is not a quorum.
        group.sync(leader)
        #expect(group.answers[token] == nil)
        #expect(!group[leader].machine.has("a"))
        // Nor is an append that a follower has in memory.
        while !group.network.isEmpty { group.deliver(at: 0) }
        #expect(group.answers[token] == nil)
        group.settle()
        let given = try #require(group.answers[token])
        #expect(given.answer.outcome == .ok)
        #expect(given.applied > before)
        #expect(group[leader].machine.has("a"))
        #expect(group.broken == nil)
    }

    @Test
    func withoutAQuorumAWriteIsNotAnswered() {
        var group = Group()
        let leader = group.elect()
        group.isolate(leader)
        let token = group.submit(.write(store("a")), at: leader)
        group.settle()
        #expect(group.answers[token] == nil)
        #expect(!group[leader].machine.has("a"))
        #expect(group.broken == nil)
    }

    @Test
    func theWritesOfATurnAreOneEntryAndAreAnsweredInTheirOrder() throws {
        var group = Group()
        let leader = group.elect()
        let before = group[leader].raft.log.last.index
        let writes: [Command] = [
            login(1), login(1), store("a"), .delete([key("a")]), .delete([key("a")]), logout(1),
        ]
        let tokens = group.submit(writes.map { .write($0) }, at: leader)
        group.settle()
        #expect(group[leader].raft.log.last.index == before.next)
        #expect(group.answers.order == tokens)
        let outcomes = tokens.map { group.answers[$0]?.answer.outcome }
        // The second login is a retry of the first, and what they say is the same.
        #expect(outcomes[0] == outcomes[1])
        #expect(outcomes[2...] == [.ok, .integer(1), .integer(0), .revoked(1)])
        expectEqualMachines(&group)
    }

    @Test
    func manyWritesOfATurnAreSeveralEntriesInOrder() {
        var group = Group()
        let leader = group.elect()
        let before = group[leader].raft.log.last.index
        let count = ReplicaLimits.entryCommandsMax + 10
        let tokens = group.submit((0..<count).map { .write(store("a", "\($0)")) }, at: leader)
        // Larger than what an entry takes: the next one is another entry's first.
        let large = String(repeating: "x", count: ReplicaLimits.entryBytesMax)
        let more = group.submit((0..<2).map { .write(store("b\($0)", large)) }, at: leader)
        group.settle()
        #expect(group[leader].raft.log.last.index == before.advanced(by: 4))
        #expect(group.answers.order == tokens + more)
        #expect(group[leader].machine.get(key("a")) == bytes("\(count - 1)"))
        expectEqualMachines(&group)
    }

    @Test
    func aFollowerRedirectsToTheLeader() {
        var group = Group()
        let leader = group.elect()
        let requests: [Request] = [.write(store("a")), .read, .validate(proof(1))]
        for follower in group.followers(of: leader) {
            let tokens = group.submit(requests, at: follower)
            #expect(tokens.map { group.answers[$0]?.answer.target } == [leader, leader, leader])
        }
        group.settle()
        #expect(!group[leader].machine.has("a"))
        #expect(group.broken == nil)
    }

    @Test
    func aWriteIsParkedWhileNobodyLeadsAndAnsweredAfterTheElection() {
        var group = Group()
        let tokens = group.ids.map { group.submit(.write(store("\($0.rawValue)")), at: $0) }
        #expect(group.answers.order.isEmpty)
        let leader = group.elect()
        group.tickAll(count: 3)
        for (id, token) in zip(group.ids, tokens) {
            let answer = group.answers[token]?.answer
            if id == leader {
                #expect(answer?.outcome == .ok)
            } else {
                #expect(answer?.target == leader)
            }
        }
        expectEqualMachines(&group)
    }

    @Test
    func aRequestThatIsParkedTooLongIsToldThatNobodyLeads() {
        let tuning = Tuning(parkingTicks: 30, pendingTicks: 60)
        var group = Group(tuning: tuning)
        let first = NodeID(1)
        group.isolate(first)
        let early = group.submit([.write(store("a")), .read, .validate(proof(1))], at: first)
        group.tick(first, count: 10)
        let late = group.submit(.write(store("b")), at: first)
        group.tick(first, count: 20)
        #expect(group.answers.order.isEmpty)
        group.tick(first)
        #expect(group.answers.words(early) == [.noLeader, .noLeader, .noLeader])
        #expect(group.answers[late] == nil)
        group.tick(first, count: 10)
        #expect(group.answers.words([late]) == [.noLeader])
        group.heal()
        let leader = group.elect()
        #expect(!group[leader].machine.has("a"))
        #expect(!group[leader].machine.has("b"))
        #expect(group.broken == nil)
    }

    @Test
    func aFullParkingLotIsOverloaded() {
        var group = Group()
        let first = NodeID(1)
        let count = ReplicaLimits.parkedRequestsMax
        group.submit(Array(repeating: .read, count: count), at: first)
        #expect(group.answers.order.isEmpty)
        let token = group.submit(.write(store("a")), at: first)
        #expect(group.answers.words([token]) == [.overloaded])
        #expect(group.answers.order.count == 1)
        #expect(group.broken == nil)
    }

    @Test
    func tooManyPendingWritesAreOverloadedUntilTheyAreAnswered() {
        var group = Group()
        let leader = group.elect()
        let count = ReplicaLimits.pendingWritesMax
        let (half, rest) = (count / 2, count - count / 2)
        group.submit(Array(repeating: .write(.time), count: half), at: leader)
        let tokens = group.submit(Array(repeating: .write(.time), count: rest + 2), at: leader)
        #expect(group.answers.words(Array(tokens.suffix(2))) == [.overloaded, .overloaded])
        #expect(group.answers.order.count == 2)
        group.settle()
        #expect(group.answers.order.count == count + 2)
        let next = group.submit(.write(store("a")), at: leader)
        group.settle()
        #expect(group.answers.words([next]) == [.applied])
        expectEqualMachines(&group)
    }
}

/// All machines of a group at rest are the same.
func expectEqualMachines(
    _ group: inout Group,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    group.rest()
    let digests = Set(group.members.map(\.replica.machine.digest))
    #expect(digests.count == 1, sourceLocation: sourceLocation)
    let applied = Set(group.members.map(\.replica.applied))
    #expect(applied.count == 1, sourceLocation: sourceLocation)
    #expect(group.broken == nil, sourceLocation: sourceLocation)
}
