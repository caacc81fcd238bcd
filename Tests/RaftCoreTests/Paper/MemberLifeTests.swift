// Dissertation 4.2: how a node comes into a group and how it leaves.

import RaftCore
import Testing

@Suite("Members that come and go (dissertation 4.2)")
struct MemberLifeTests {
    // MARK: Coming

    /// Section 4.2.1: the leader replicates to the new server "until it has caught up", then
    /// reconfigures. In a group in which nothing else happens, too.
    @Test("a learner is promoted once it has caught up, without anything else being proposed")
    func promotion() {
        var cluster = Cluster(size: 3, outsiders: 1)
        cluster.campaign(NodeID(1))
        cluster.add(4, .whenCaughtUp(replacing: nil))
        cluster.run(ticks: 6)
        #expect(cluster.committedMemberships == ["1 2 3 ^4", "1 2 3 +4", "1 2 3 4"])
        #expect(cluster[4].membership.words == "1 2 3 4")
        #expect(cluster.failure == nil)
    }

    @Test("a new learner gets the log although nothing new is proposed")
    func learnerInIdleGroup() {
        var cluster = Cluster(size: 3, outsiders: 1)
        cluster.campaign(NodeID(1))
        cluster.commit(3)
        cluster.add(4)
        cluster.run(ticks: 4)
        #expect(cluster[4].log.last == cluster[1].log.last)
    }

    @Test("a node takes another's place in one joint step")
    func replacement() {
        var cluster = Cluster(size: 3, outsiders: 1)
        cluster.campaign(NodeID(1))
        cluster.add(4, .whenCaughtUp(replacing: NodeID(3)))
        cluster.commit(1)
        cluster.run(ticks: 6)
        #expect(cluster.committedMemberships == ["1 2 3 ^4/3", "1 2 -3 +4", "1 2 4"])
    }

    @Test("the leader itself can be replaced")
    func leaderReplaced() {
        var cluster = Cluster(size: 3, outsiders: 1)
        cluster.campaign(NodeID(1))
        cluster.add(4, .whenCaughtUp(replacing: NodeID(1)))
        cluster.commit(1)
        cluster.run(ticks: 20)
        #expect(cluster.committedMemberships == ["1 2 3 ^4/1", "-1 2 3 +4", "2 3 4"])
        #expect(cluster.leader.map { $0 != NodeID(1) } == true)
        #expect(cluster.failure == nil)
    }

    @Test("who is replaced may have left before")
    func replacedLeftBefore() {
        var cluster = Cluster(size: 3, outsiders: 1)
        cluster.campaign(NodeID(1))
        cluster.isolate(NodeID(4))
        cluster.add(4, .whenCaughtUp(replacing: NodeID(3)))
        cluster.change(.remove(NodeID(3)), at: NodeID(1))
        cluster.cuts = []
        cluster.commit(1)
        cluster.run(ticks: 6)
        #expect(cluster.committedMemberships.suffix(2) == ["1 2 +4", "1 2 4"])
    }

    @Test("a learner that lacks entries is not promoted, on request or by itself")
    func notCaughtUp() {
        var limits = Limits()
        limits.promotionLagMax = 4
        var cluster = Cluster(size: 3, outsiders: 2, limits: limits)
        cluster.campaign(NodeID(1))
        cluster.isolate(NodeID(4))
        cluster.isolate(NodeID(5))
        cluster.add(4)
        cluster.add(5, .whenCaughtUp(replacing: nil))
        cluster.commit(10)
        cluster.change(.promote(NodeID(4)), at: NodeID(1))
        #expect(cluster.lastRefusal == .notCaughtUp(entries: 13))
        #expect(cluster[1].membership.words == "1 2 3 ~4 ^5")
        cluster.cuts = []
        cluster.commit(1)
        cluster.run(ticks: 6)
        #expect(cluster[1].membership.words == "1 2 3 ~4 5")
        cluster.change(.promote(NodeID(4)), at: NodeID(1))
        cluster.run(ticks: 2)
        #expect(cluster[1].membership.words == "1 2 3 4 5")
    }

    @Test("a learner comes and goes without a joint phase")
    func learnerLeaves() {
        var cluster = Cluster(size: 3, outsiders: 1)
        cluster.campaign(NodeID(1))
        cluster.add(4)
        cluster.change(.remove(NodeID(4)), at: NodeID(1))
        #expect(cluster.committedMemberships == ["1 2 3 ~4", "1 2 3"])
        #expect(cluster[1].membership.highestID == NodeID(4))
    }

    // MARK: Leaving

    /// Section 4.2.2: "a leader that is removed from the configuration steps down once the C_new
    /// entry is committed", "it does not count itself in majorities".
    @Test(
        "a removed leader leads until C_new is committed by the others, and does not count itself"
    )
    func removedLeader() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.step(NodeID(1), .changeMembership(.remove(NodeID(1)), ChangeToken(rawValue: 1)))
        #expect(cluster[1].membership.words == "-1 2 3")
        // With one of them away the old majority is there, the new one is not.
        cluster.isolate(NodeID(3))
        cluster.run(ticks: 6)
        #expect(cluster[1].membership.words == "-1 2 3")
        cluster.cuts = []
        var budget = 100
        while cluster[1].membership.isJoint, budget > 0 {
            budget -= 1
            cluster.tick(NodeID(1))
            while !cluster.network.isEmpty, cluster[1].membership.isJoint {
                for member in cluster.members { cluster.sync(member.node.id) }
                cluster.deliver(at: 0)
            }
        }
        #expect(cluster[1].membership.words == "2 3")
        let last = cluster[1].log.last.index
        cluster.isolate(NodeID(3))
        cluster.run(ticks: 6)
        #expect(cluster[1].isLeader, "1 and 2 have C_new: one of two is no majority of it")
        #expect(cluster[1].commit < last)
        cluster.cuts = []
        cluster.run(ticks: 4)
        #expect(!cluster[1].isLeader)
        #expect(cluster.committedMemberships.last == "2 3")
        // Nobody waited for an election timeout.
        #expect(cluster.leader.map { $0 != NodeID(1) } == true)
        #expect(cluster.failure == nil)
    }

    /// Section 4.2.2: "a server that is not part of its own latest configuration should still start
    /// new elections, as it might still be needed until the C_new entry is committed". Here nobody
    /// but the removed leader has C_new, and without its vote the old majority cannot be had.
    @Test("a removed leader campaigns while its C_new is not committed")
    func removedLeaderIsNeeded() {
        var cluster = Cluster(size: 1, outsiders: 1)
        cluster.elect()
        cluster.step(
            NodeID(1),
            .changeMembership(
                .add(NodeID(2), contact: [], promotion: .whenCaughtUp(replacing: NodeID(1))),
                ChangeToken(rawValue: 1)
            )
        )
        var budget = 1_000
        while cluster[1].membership.words != "2", budget > 0 {
            budget -= 1
            for id in [1, 2] as [UInt64] { cluster.sync(NodeID(id)) }
            if cluster.network.isEmpty { cluster.tick(NodeID(1)) } else { cluster.deliver(at: 0) }
        }
        #expect(cluster[1].membership.words == "2")
        #expect(cluster[2].membership.words == "-1 +2")
        cluster.network = []
        cluster.sync(NodeID(1))
        cluster.crash(NodeID(1))
        cluster.restart(NodeID(1))
        cluster.run(ticks: 60)
        #expect(cluster.committedMemberships.last == "2")
        #expect(cluster[2].isLeader)
        #expect(cluster.failure == nil)
    }

    @Test("a removed leader does not campaign again")
    func removedLeaderStaysQuiet() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.change(.remove(NodeID(1)), at: NodeID(1))
        cluster.run(ticks: 4)
        cluster.tick(NodeID(1), count: 200)
        #expect(cluster[1].role == .follower)
        #expect(cluster.network.isEmpty)
    }

    /// Section 4.2.3: removed servers "can disrupt the cluster". PreVote and the live leader keep
    /// them from it.
    @Test("a removed node that does not know it disturbs nobody")
    func removedNodeIsHarmless() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.isolate(NodeID(3))
        cluster.change(.remove(NodeID(3)), at: NodeID(1))
        cluster.run(ticks: 4)
        #expect(cluster.committedMemberships.last == "1 2")
        cluster.cuts = []
        let term = cluster[1].term
        cluster.run(ticks: 100)
        #expect(cluster[3].membership.isVoter(NodeID(3)))
        #expect(cluster[1].isLeader)
        #expect(cluster[1].term == term)
        // Nor when the leader dies: its log lacks what a majority of the others has.
        cluster.crash(NodeID(1))
        cluster.tick(NodeID(2), count: 30)
        cluster.network = cluster.network.filter { $0.to == NodeID(3) || $0.from == NodeID(3) }
        for _ in 0..<60 {
            cluster.tick(NodeID(3))
            cluster.settle()
        }
        #expect(!cluster[3].isLeader)
    }

    @Test("who is removed gets no more of the log")
    func removedGetsNothing() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.change(.remove(NodeID(3)), at: NodeID(1))
        cluster.propose(1, at: NodeID(1))
        cluster.tick(NodeID(1), count: 4)
        #expect(cluster.sent { $0.to == NodeID(3) }.isEmpty)
        #expect(!cluster.sent { $0.to == NodeID(2) }.isEmpty)
    }

    @Test("a group shrinks to one and grows again")
    func shrinkAndGrow() {
        var cluster = Cluster(size: 3, outsiders: 2)
        cluster.campaign(NodeID(1))
        cluster.change(.remove(NodeID(2)), at: NodeID(1))
        cluster.change(.remove(NodeID(3)), at: NodeID(1))
        #expect(cluster[1].membership.words == "1")
        cluster.commit(1)
        cluster.add(4, .whenCaughtUp(replacing: nil))
        cluster.commit(1)
        cluster.run(ticks: 6)
        cluster.add(5, .whenCaughtUp(replacing: NodeID(1)))
        cluster.commit(1)
        cluster.run(ticks: 20)
        #expect(cluster.committedMemberships.last == "4 5")
        #expect(cluster.failure == nil)
    }
}
