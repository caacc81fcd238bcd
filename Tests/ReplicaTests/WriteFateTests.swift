// What became of a write whose leader lost its place: certain loss, unknown fate, or done. "Nothing
// was done" is a promise: the client may try again elsewhere.

import RaftCore
import Replica
import SessionMachine
import Testing

@Suite
struct WriteFateTests {
    /// A leader that is cut off with `count` writes in its log, each an entry of its own, and a
    /// group that has elected another leader meanwhile.
    private static func deposed(
        writes count: Int,
        _ group: inout Group
    ) -> (old: NodeID, new: NodeID, tokens: [RequestToken]) {
        let old = group.elect()
        group.isolate(old)
        let tokens = (0..<count).map { group.submit(.write(store("lost-\($0)")), at: old) }
        group.settle()
        let new = group.followers(of: old)[0]
        group.campaign(new)
        return (old, new, tokens)
    }

    @Test
    func anOverwrittenWriteIsCertainNotToHappen() {
        var group = Group()
        let (old, new, tokens) = Self.deposed(writes: 1, &group)
        #expect(group.write(store("kept"), at: new) == .ok)
        #expect(group.answers[tokens[0]] == nil)
        group.heal()
        group.tickAll(count: 3)
        #expect(group.answers.words(tokens) == [.noLeader])
        for id in [old, new] {
            #expect(!group[id].machine.has("lost-0"))
            #expect(group[id].machine.has("kept"))
        }
        expectEqualMachines(&group)
    }

    @Test
    func aWriteThatWaitsTooLongIsUnknown() {
        var group = Group(tuning: Tuning(parkingTicks: 30, pendingTicks: 20))
        let leader = group.elect()
        group.isolate(leader)
        let tokens = group.submit([.write(store("a")), .write(store("b"))], at: leader)
        group.tick(leader, count: 20)
        #expect(group.answers.order.isEmpty)
        group.tick(leader)
        #expect(group.answers.words(tokens) == [.unknown, .unknown])
        // It may yet happen, and is not answered again when it does.
        group.heal()
        group.elect()
        group.tickAll(count: 5)
        #expect(group.answers.order == tokens)
        expectEqualMachines(&group)
    }

    @Test
    func aWriteThatADeposedLeaderReplicatedIsStillAnsweredAsDone() {
        var group = Group()
        let old = group.elect()
        let new = group.followers(of: old)[0]
        let token = group.submit(.write(store("a")), at: old)
        // The new leader has the entry on its disk; the old one never hears of it.
        while let place = group.network.firstIndex(where: { $0.to == new }) {
            group.deliver(at: place)
        }
        group.network = []
        group.sync(new)
        group.isolate(old)
        group.sync(old)
        group.campaign(new)
        #expect(group.answers[token] == nil)
        group.heal()
        group.tickAll(count: 3)
        #expect(group.answers[token]?.answer.outcome == .ok)
        #expect(group[old].isLeader == false)
        expectEqualMachines(&group)
    }

    /// The new leader's log is shorter than what the old one still waits for. Elected again, the
    /// old one proposes at indices at which its own lost writes stood.
    @Test
    func aReelectedLeaderTellsItsNewWritesFromItsLostOnes() {
        var group = Group()
        let (old, new, lost) = Self.deposed(writes: 6, &group)
        group.heal()
        group.tickAll(count: 3)
        #expect(group.answers.words([lost[0]]) == [.noLeader])
        #expect(group.answers[lost[5]] == nil)
        group.crash(new)
        group.campaign(old)
        let kept = (0..<8).map { number in
            let token = group.submit(.write(store("kept-\(number)")), at: old)
            group.settle()
            #expect(group.answers[token]?.answer.word == .applied, "write \(number)")
            return token
        }
        #expect(group.answers.words(kept) == Array(repeating: .applied, count: 8))
        #expect(group.answers.words(lost) == Array(repeating: .noLeader, count: 6))
        #expect(!group[old].machine.has("lost-5"))
        group.restart(new)
        expectEqualMachines(&group)
    }

    @Test
    func whatWasGatheredInTheTurnOfATransferWaitsForTheNewLeader() {
        var group = Group()
        let leader = group.elect()
        let target = group.followers(of: leader)[0]
        let token = group.answers.ask(.write(store("a")), at: leader)
        group.turn(leader) { replica, effects in
            replica.submit(.write(store("a")), token, into: &effects)
            replica.transferLeadership(to: target)
        }
        #expect(group.answers[token] == nil)
        group.settle()
        group.tickAll(count: 3)
        #expect(group.answers[token]?.answer.target == target)
        for id in group.ids { #expect(!group[id].machine.has("a")) }
        expectEqualMachines(&group)
    }

    @Test
    func aWriteDuringATransferIsRedirectedToItsTarget() {
        var group = Group()
        let leader = group.elect()
        let target = group.followers(of: leader)[1]
        group.turn(leader) { replica, _ in replica.transferLeadership(to: target) }
        let tokens = group.submit([.write(store("a")), .read], at: leader)
        #expect(group.answers.order.isEmpty)
        group.settle()
        group.tickAll(count: 3)
        #expect(group.leader == target)
        #expect(tokens.map { group.answers[$0]?.answer.target } == [target, target])
        #expect(!group[target].machine.has("a"))
        expectEqualMachines(&group)
    }

    @Test
    func aTransferThatIsGivenUpServesWhoWaitedForItsEnd() {
        var group = Group()
        let leader = group.elect()
        let target = group.followers(of: leader)[1]
        group.crash(target)
        group.turn(leader) { replica, _ in replica.transferLeadership(to: target) }
        let tokens = group.submit([.write(store("a")), .read], at: leader)
        group.settle()
        #expect(group.answers.order.isEmpty)
        group.tickAll(count: 11)
        #expect(group.leader == leader)
        #expect(group.answers.words(tokens) == [.applied, .readable])
        group.restart(target)
        expectEqualMachines(&group)
    }

    /// Two writes of one client: the first waits for the election, the second comes in the very
    /// turn in which it is won.
    @Test
    func parkedWritesGoBeforeThoseOfTheTurnOfTheElection() throws {
        var group = Group()
        let first = NodeID(1)
        let parked = group.submit(.write(store("a", "first")), at: first)
        let fresh = group.answers.ask(.write(store("a", "second")), at: first)
        // Ticks until the vote that wins is on its way to the candidate.
        var vote: Message?
        for _ in 0..<10_000 where vote == nil {
            if let place = group.network.firstIndex(where: { $0.isGrantedVote(to: first) }) {
                vote = group.network.remove(at: place)
            } else if !group.network.isEmpty {
                group.deliver(at: 0)
            } else if let writing = group.members.first(where: { $0.writing != nil }) {
                group.sync(writing.replica.raft.id)
            } else {
                group.tick(first)
            }
        }
        let winning = try #require(vote)
        group.sync(first)
        group.turn(first) { replica, effects in
            replica.receive(winning, at: .zero)
            replica.submit(.write(store("a", "second")), fresh, into: &effects)
        }
        #expect(group[first].isLeader)
        group.settle()
        #expect(group.answers.order == [parked, fresh])
        #expect(group[first].machine.get(key("a")) == bytes("second"))
        expectEqualMachines(&group)
    }

    @Test
    func aCrashedLeaderAnswersNobodyAfterItsRestart() {
        var group = Group()
        let leader = group.elect()
        let token = group.submit(.write(store("a")), at: leader)
        group.crash(leader)
        group.settle()
        group.restart(leader)
        group.elect()
        group.tickAll(count: 5)
        #expect(group.answers[token] == nil)
        #expect(group.answers.open.isEmpty)
        expectEqualMachines(&group)
    }
}

extension Message {
    fileprivate func isGrantedVote(to candidate: NodeID) -> Bool {
        guard to == candidate, case .voteResponse(let vote) = body else { return false }
        return vote.granted
    }
}
