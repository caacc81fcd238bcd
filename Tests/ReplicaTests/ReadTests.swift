// Reads and validates: barriers, and what must be logged before an answer may leave.

import RaftCore
import Replica
import SessionMachine
import Testing

@Suite
struct ReadTests {
    @Test
    func aReadWaitsForItsBarrier() throws {
        var group = Group()
        let leader = group.elect()
        let token = group.submit(.read, at: leader)
        #expect(group.answers[token] == nil)
        // The followers hear the heartbeats of its round; their answers are on their way.
        while let place = group.network.firstIndex(where: { $0.from == leader }) {
            group.deliver(at: place)
        }
        #expect(group.answers[token] == nil)
        #expect(!group.network.isEmpty)
        group.deliver(at: 0)
        let given = try #require(group.answers[token])
        #expect(given.answer.word == .readable)
        #expect(given.node == leader)
        #expect(group.broken == nil)
    }

    /// An answer that was on its way when the read was asked says nothing about it.
    @Test
    func anEarlierRoundOfHeartbeatsConfirmsNoLaterRead() {
        var group = Group()
        let leader = group.elect()
        let early = group.submit(.read, at: leader)
        while let place = group.network.firstIndex(where: { $0.from == leader }) {
            group.deliver(at: place)
        }
        let late = group.submit(.read, at: leader)
        group.isolateOutgoing(leader)
        group.settle()
        #expect(group.answers[early]?.answer.word == .readable)
        #expect(group.answers[late] == nil)
        #expect(group.broken == nil)
    }

    @Test
    func aReadSeesEveryWriteThatWasAnsweredBeforeIt() throws {
        var group = Group()
        let leader = group.elect()
        for number in 0..<20 {
            group.write(store("a", "\(number)"), at: leader)
            let token = group.submit(.read, at: leader)
            group.settle()
            let machine = try #require(group.answers[token]?.machine)
            #expect(machine.get(key("a")) == bytes("\(number)"))
        }
        #expect(group.broken == nil)
    }

    /// A new leader may not know yet what is committed: its first read waits for its own entry.
    @Test
    func aNewLeaderReadsWhatTheOldOneAcknowledged() throws {
        var group = Group()
        let old = group.elect()
        let new = group.followers(of: old)[0]
        let write = group.submit(.write(store("a")), at: old)
        // Committed and answered at the old leader; no follower hears of the commit.
        while group.answers[write] == nil, group.broken == nil {
            for id in group.ids { group.sync(id) }
            if !group.network.isEmpty { group.deliver(at: 0) }
        }
        group.network = []
        #expect(!group[new].machine.has("a"))
        group.crash(old)
        let read = group.submit(.read, at: new)
        #expect(group.answers[read]?.answer.target == old)
        // Parked once the old leader is given up, and asked for in the very turn of the election.
        group.tick(group.followers(of: old)[1], count: 10)
        group.tick(new, count: 20)
        let again = group.submit(.read, at: new)
        while !group[new].isLeader, group.broken == nil {
            for id in group.ids { group.sync(id) }
            group.network.isEmpty ? group.tick(new) : group.deliver(at: 0)
        }
        // Everybody confirms the new leader; that its entry is stored, nobody can say yet.
        while !group.network.isEmpty { group.deliver(at: 0) }
        #expect(group.answers[again] == nil)
        group.settle()
        let machine = try #require(group.answers[again]?.machine)
        #expect(machine.has("a"))
        #expect(group.broken == nil)
    }

    @Test
    func aDeposedLeaderNeverSaysReadable() {
        var group = Group()
        let old = group.elect()
        group.write(login(1), at: old)
        group.isolate(old)
        let new = group.followers(of: old)[0]
        group.campaign(new)
        group.write(logout(1), at: new)
        #expect(group[old].isLeader)
        let requests: [Request] = [.read, .validate(proof(1)), .validate(proof(1, .look))]
        let tokens = group.submit(requests, at: old)
        // Old answers from before its isolation do not help it either.
        for _ in 0..<20 {
            group.tick(old)
            group.settle()
        }
        #expect(!group[old].isLeader)
        #expect(group.answers.words(tokens) == [nil, nil, nil])
        group.heal()
        group.tickAll(count: 5)
        #expect(tokens.map { group.answers[$0]?.answer.target } == [new, new, new])
        #expect(group.validate(1, at: new) == .revoked)
        expectEqualMachines(&group)
    }

    /// Patience is counted from the arrival, however often a request moves.
    @Test
    func readsOfALeaderThatStepsDownAreParkedAndThenGivenUp() {
        var group = Group(tuning: Tuning(parkingTicks: 60, pendingTicks: 60))
        let leader = group.elect()
        group.isolate(leader)
        let tokens = group.submit([.read, .validate(proof(1))], at: leader)
        group.settle()
        var ticks = 0
        while group[leader].isLeader {
            group.tick(leader)
            ticks += 1
        }
        #expect(group.answers.order.isEmpty)
        group.tick(leader, count: 60 - ticks)
        #expect(group.answers.order.isEmpty)
        group.tick(leader)
        #expect(group.answers.words(tokens) == [.noLeader, .noLeader])
        #expect(group.broken == nil)
    }

    /// A read and a write come in the same turn as the word of the next leader.
    @Test
    func whatIsGatheredInTheTurnOfADepositionIsRedirected() throws {
        var group = Group()
        let old = group.elect()
        group.isolate(old)
        let new = group.followers(of: old)[0]
        group.campaign(new)
        group.heal()
        group.tick(new, count: 2)
        let word = try #require(group.network.first { $0.to == old })
        let requests: [Request] = [.write(store("a")), .read, .validate(proof(1))]
        let tokens = requests.map { group.answers.ask($0, at: old) }
        group.turn(old) { replica, effects in
            for (request, token) in zip(requests, tokens) {
                replica.submit(request, token, into: &effects)
            }
            replica.receive(word, at: .zero)
        }
        #expect(tokens.map { group.answers[$0]?.answer.target } == [new, new, new])
        group.settle()
        #expect(!group[new].machine.has("a"))
        expectEqualMachines(&group)
    }
}

extension Group {
    /// Whatever a node sends from now on is lost; it still hears the others.
    mutating func isolateOutgoing(_ id: NodeID) {
        for other in followers(of: id) { cuts.insert([id, other]) }
    }
}
