// Members come and go while clients write; and what a node says that is not a member, not yet or
// not any more.

import RaftCore
import SessionMachine
import Testing

@testable import Replica

@Suite
struct MembershipTests {
    private static func group() -> Group {
        var tuning = Tuning(parkingTicks: 30, pendingTicks: 60)
        tuning.snapshotEntries = 10
        tuning.fingerprintEntries = 4
        return Group(tuning: tuning) { $0.limits.trailingEntries = 2 }
    }

    private static func add(
        _ id: NodeID,
        _ promotion: MembershipChange.Promotion = .whenCaughtUp(replacing: nil)
    ) -> MembershipChange {
        .add(id, contact: [1], promotion: promotion)
    }

    /// Lets time pass with a write in every tick until the change is over.
    private static func finish(_ group: inout Group, writing name: String) {
        for number in 0..<100 where group.broken == nil {
            let leader = group.leader ?? group.elect()
            let membership = group[leader].raft.membership
            let isSettled = !membership.members.contains {
                $0.role == .joining || $0.role == .incoming || $0.role == .outgoing
            }
            if isSettled { return }
            group.submit(.write(store("\(name)-\(number)")), at: leader)
            group.tickAll()
        }
        group.fail("the change of members does not end")
    }

    @Test
    func aNewNodeGetsTheSnapshotBecomesAVoterAndCounts() throws {
        var group = Self.group()
        let leader = group.elect()
        group.write(login(1), at: leader)
        for number in 0..<30 { group.write(store("a-\(number)"), at: leader) }
        let new = group.addOutsider()
        group.change(Self.add(new), at: leader)
        guard case .begun? = group.changes.first else {
            Issue.record("the change was not begun")
            return
        }
        Self.finish(&group, writing: "b")
        #expect(group.counts.installs == 1)
        #expect(group[leader].raft.membership.voters == group.ids)
        #expect(group[new].machine.status(1) == .valid)
        #expect(group.membership[new] == group[new].raft.membership)
        expectEqualMachines(&group)
        // Three of four are needed now, and it may be one of them.
        group.crash(group.followers(of: leader)[0])
        #expect(group.write(store("c"), at: leader) == .ok)
        group.restart(group.followers(of: leader)[0])
        expectEqualMachines(&group)
    }

    @Test
    func aLearnerIsPromotedWhenAskedAndComparesItsMachineToo() {
        var group = Self.group()
        let leader = group.elect()
        let new = group.addOutsider()
        group.change(Self.add(new, .onRequest), at: leader)
        group.tickAll(count: 3)
        #expect(group[leader].raft.membership[new]?.role == .learner)
        #expect(!group[leader].raft.membership.isVoter(new))
        // It decides nothing: without it there is a majority, with it there is none.
        group.crash(group.followers(of: leader)[0])
        #expect(group.write(store("a"), at: leader) == .ok)
        group.restart(group.followers(of: leader)[0])
        group.tickAll(count: 3)
        group.change(.promote(new), at: leader)
        Self.finish(&group, writing: "b")
        #expect(group[leader].raft.membership.isVoter(new))
        expectEqualMachines(&group)
    }

    @Test
    func aLearnerThatDiffersIsFenced() {
        var group = Self.group()
        let leader = group.elect()
        let new = group.addOutsider()
        group.change(Self.add(new, .onRequest), at: leader)
        group.tickAll(count: 3)
        group.planted = [new]
        group.members[group.index(of: new)].replica.machine.flip()
        for number in 0..<12 {
            group.write(store("a-\(number)"), at: leader)
            group.tickAll()
        }
        #expect(Array(group.fenced.keys) == [new])
        #expect(group.broken == nil)
    }

    @Test
    func aRemovedFollowerIsHarmlessAndSendsItsClientsAway() {
        var group = Self.group()
        let leader = group.elect()
        let gone = group.followers(of: leader)[0]
        group.change(.remove(gone), at: leader)
        Self.finish(&group, writing: "a")
        #expect(group[leader].raft.membership[gone] == nil)
        let term = group[leader].raft.term
        group.tickAll(count: 60)
        #expect(group.leader == leader)
        #expect(group[leader].raft.term == term)
        let tokens = group.submit([.write(store("b")), .read], at: gone)
        group.tickAll(count: 31)
        // To the leader that it knew last, or nowhere.
        for token in tokens {
            let answer = group.answers[token]?.answer
            #expect(answer?.target == leader || answer?.word == .noLeader)
        }
        #expect(group.write(store("c"), at: leader) == .ok)
        #expect(!group[leader].machine.has("b"))
        #expect(group.broken == nil)
    }

    @Test
    func aLeaderThatRemovesItselfServesUntilItIsOver() {
        var group = Self.group()
        let old = group.elect()
        group.write(login(1), at: old)
        let write = group.answers.ask(.write(store("a")), at: old)
        group.turn(old) { replica, effects in
            replica.changeMembership(.remove(old), ChangeToken(rawValue: 1))
            replica.submit(.write(store("a")), write, into: &effects)
        }
        group.settle()
        #expect(group.answers.words([write]) == [.applied])
        #expect(!group[old].isLeader)
        group.tickAll(count: 30)
        let new = group.leader
        #expect(new != nil)
        #expect(new != old)
        let tokens = group.submit([.read, .write(store("b")), .validate(proof(1))], at: old)
        group.tickAll(count: 31)
        for token in tokens {
            let answer = group.answers[token]?.answer
            #expect(answer?.target == new || answer?.word == .noLeader)
        }
        if let new { #expect(group.validate(1, at: new) == .valid) }
        #expect(group.broken == nil)
    }

    /// A node that was never added knows nobody.
    @Test
    func anOutsiderParksItsRequestsAndNeverCampaigns() {
        var group = Self.group()
        let leader = group.elect()
        let new = group.addOutsider()
        let early = group.submit(.write(store("a")), at: new)
        group.tickAll(count: 30)
        #expect(group.answers[early] == nil)
        group.tickAll()
        #expect(group.answers.words([early]) == [.noLeader])
        #expect(group[new].raft.role == .follower)
        #expect(group[new].raft.term == .zero)
        let late = group.submit(.write(store("b")), at: new)
        group.change(Self.add(new, .onRequest), at: leader)
        group.tickAll(count: 3)
        #expect(group.answers[late]?.answer.target == leader)
        expectEqualMachines(&group)
    }

    @Test
    func changesAreRefusedWithTheReason() {
        var group = Self.group()
        let leader = group.elect()
        group.change(.remove(NodeID(2)), at: group.followers(of: leader)[0])
        group.change(.promote(NodeID(9)), at: leader)
        group.change(Self.add(NodeID(2)), at: leader)
        group.isolate(leader)
        group.change(Self.add(NodeID(5)), at: leader)
        let position = group[leader].raft.log.last
        group.change(.remove(NodeID(2)), at: leader)
        #expect(
            group.changes == [
                .refused(.notLeader(leader)), .refused(.unknownMember(NodeID(9))),
                .refused(.idUsed(highest: NodeID(3))), .begun(position), .refused(.inProgress),
            ]
        )
        #expect(group.broken == nil)
    }

    @Test
    func threeNodesAreReplacedOneByOneUnderTraffic() {
        var group = Self.group()
        group.elect()
        var replaced = 0
        for round in 0..<3 {
            let leader = group.leader ?? group.elect()
            let voters = group[leader].raft.membership.voters
            let new = group.addOutsider()
            let change = Self.add(new, .whenCaughtUp(replacing: voters[0]))
            // Writes before it and after it, and in the same turn.
            group.turn(leader) { replica, _ in
                replica.changeMembership(change, ChangeToken(rawValue: 1))
            }
            let write = group.submit(.write(store("round-\(round)")), at: leader)
            guard case .begun? = group.changes.last else { continue }
            Self.finish(&group, writing: "more-\(round)")
            #expect(group.answers.words([write]) == [.applied])
            group.tickAll(count: 20)
            replaced += 1
        }
        #expect(replaced == 3)
        let leader = group.elect()
        #expect(group[leader].raft.membership.voters == [4, 5, 6].map { NodeID($0) })
        for id in group[leader].raft.membership.voters {
            #expect(group[id].machine.digest == group[leader].machine.digest)
            for round in 0..<3 {
                let isThere = group[id].machine.has("round-\(round)")
                #expect(isThere)
            }
        }
        #expect(group.broken == nil)
    }
}
