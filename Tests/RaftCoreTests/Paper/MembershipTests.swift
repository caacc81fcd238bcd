// Raft section 6, dissertation chapter 4: who is a member, from when, and who may change that.

import RaftCore
import Testing

@Suite("Cluster membership changes (dissertation chapter 4)")
struct MembershipTests {
    /// "A server always uses the latest configuration in its log, regardless of whether the entry
    /// is committed." (section 6)
    @Test("a membership is in force from when it is appended, at the leader and at a follower")
    func inForceAtOnce() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.isolate(NodeID(3))
        let commit = cluster[1].commit
        cluster.step(NodeID(1), .changeMembership(.remove(NodeID(3)), ChangeToken(rawValue: 1)))
        #expect(cluster[1].membership.words == "1 2 -3")
        let request = cluster.network.first { $0.to == NodeID(2) && $0.appendRequest != nil }
        if let request { cluster.step(NodeID(2), .received(request)) }
        #expect(cluster[2].membership.words == "1 2 -3")
        #expect(cluster[1].commit == commit)
        #expect(cluster[2].commit <= commit)
    }

    /// Section 4.1: "a server must be prepared to fall back to the previous configuration in its
    /// log"
    @Test("a membership that is cut off the log is not in force any more")
    func rollback() {
        var cluster = Cluster(size: 3)
        let first = append(
            from: 1,
            to: 2,
            term: 1,
            after: .origin,
            [command(1, 1), members(1, 2, "1 2 3 ~4"), members(1, 3, "1 2 3 +4")]
        )
        cluster.step(NodeID(2), .received(first))
        #expect(cluster[2].membership.words == "1 2 3 +4")
        let second = append(from: 3, to: 2, term: 2, after: position(1, 2), [command(2, 3)])
        cluster.step(NodeID(2), .received(second))
        #expect(cluster[2].membership.words == "1 2 3 ~4")
        let third = append(from: 1, to: 2, term: 3, after: position(1, 1), [command(3, 2)])
        cluster.step(NodeID(2), .received(third))
        #expect(cluster[2].membership.words == "1 2 3")
        #expect(cluster.failure == nil)
    }

    @Test("a membership that is not committed is in force again after a restart")
    func restart() {
        var cluster = Cluster(size: 3)
        let request = append(from: 1, to: 2, term: 1, after: .origin, [members(1, 1, "1 2 -3")])
        cluster.step(NodeID(2), .received(request))
        cluster.sync(NodeID(2))
        cluster.crash(NodeID(2))
        cluster.restart(NodeID(2))
        #expect(cluster[2].membership.words == "1 2 -3")
        #expect(cluster[2].commit == .zero)
    }

    /// Section 4.2.1: non-voting servers "are not counted toward majorities"
    @Test("a learner is no part of a majority, and never campaigns")
    func learner() {
        var cluster = Cluster(size: 3, outsiders: 2)
        cluster.campaign(NodeID(1))
        cluster.add(4)
        cluster.add(5)
        #expect(cluster[1].membership.words == "1 2 3 ~4 ~5")
        cluster.commit(2)
        cluster.isolate(NodeID(2))
        cluster.isolate(NodeID(3))
        let commit = cluster[1].commit
        cluster.commit(1)
        #expect(cluster[4].log.last == cluster[1].log.last)
        #expect(cluster[1].commit == commit)
        cluster.crash(NodeID(1))
        cluster.tick(NodeID(4), count: 200)
        #expect(cluster[4].role == .follower)
        // It asks the leader that it knew what it has acknowledged, and nobody for a vote.
        let isQuiet = cluster.network.allSatisfy(\.isHomecomingRequest)
        #expect(isQuiet)
    }

    /// Section 4.1: a server grants votes "without consulting its current configuration": it may be
    /// a voter already and not know it.
    @Test("a learner answers a request for its vote")
    func learnerVotes() {
        var cluster = Cluster(size: 3, outsiders: 1)
        cluster.step(NodeID(4), .received(voteRequest(from: 2, to: 4, term: 3)))
        cluster.sync(NodeID(4))
        #expect(cluster.votesGranted(to: NodeID(2)) == 1)
        cluster.step(NodeID(4), .received(preVoteRequest(from: 2, to: 4, term: 3, last: .origin)))
        #expect(cluster.votesGranted(to: NodeID(2)) == 2)
    }

    /// "servers process incoming RPC requests without consulting their current configurations"
    @Test("the requests of a node that is not a member are taken")
    func strangersAreServed() {
        var cluster = Cluster(size: 3)
        let request = append(from: 9, to: 2, term: 4, after: .origin, [members(4, 1, "1 2 3 9")])
        cluster.step(NodeID(2), .received(request))
        cluster.sync(NodeID(2))
        #expect(cluster[2].leader == NodeID(9))
        #expect(cluster[2].membership.words == "1 2 3 9")
        #expect(cluster.network.map(\.appendResponse) == [.accepted(match: LogIndex(1))])
        cluster.step(NodeID(3), .received(voteRequest(from: 9, to: 3, term: 5)))
        cluster.sync(NodeID(3))
        #expect(cluster.votesGranted(to: NodeID(9)) == 1)
    }

    @Test("a node that waits to be added never campaigns")
    func joinerWaits() {
        var cluster = Cluster(size: 3, outsiders: 1)
        cluster.tick(NodeID(4), count: 1_000)
        cluster.step(NodeID(4), .received(message(from: 1, to: 4, term: 0, .timeoutNow)))
        #expect(cluster[4].role == .follower)
        #expect(cluster[4].term == .zero)
        #expect(cluster.network.isEmpty)
    }

    // MARK: One at a time

    /// Section 6.1 of the dissertation's predecessor, kept in 4.1: "a leader must not append a new
    /// configuration entry until the previous one has been committed"
    @Test("a second change waits for the first")
    func oneAtATime() {
        var cluster = Cluster(size: 3, outsiders: 2)
        cluster.campaign(NodeID(1))
        cluster.isolate(NodeID(2))
        cluster.isolate(NodeID(3))
        cluster.add(4)
        #expect(cluster.lastRefusal == nil)
        cluster.add(5)
        #expect(cluster.lastRefusal == .inProgress)
        cluster.cuts = []
        cluster.run(ticks: 6)
        cluster.add(5)
        #expect(cluster.lastRefusal == nil)
        #expect(cluster[1].membership.words == "1 2 3 ~4 ~5")
    }

    /// The correction of July 2015: no change before the leader has committed an entry of its term.
    @Test("no change begins before the first commit of the term")
    func notBeforeFirstCommit() {
        var cluster = Cluster(size: 3, outsiders: 1)
        cluster.winElection(NodeID(1))
        cluster.step(NodeID(1), .changeMembership(.remove(NodeID(3)), ChangeToken(rawValue: 1)))
        #expect(cluster.lastRefusal == .inProgress)
        #expect(cluster[1].membership.words == "1 2 3")
        cluster.settle()
        cluster.change(.remove(NodeID(3)), at: NodeID(1))
        #expect(cluster.lastRefusal == nil)
    }

    @Test("a change that an earlier leader began holds up the next leader's")
    func acrossLeaders() {
        let entries = [command(1, 1), members(1, 2, "1 2 3 ~4")]
        var cluster = Cluster(size: 5, voters: 3, entries: entries)
        cluster.winElection(NodeID(2))
        #expect(cluster[2].membership.words == "1 2 3 ~4")
        cluster.step(NodeID(2), .changeMembership(.remove(NodeID(3)), ChangeToken(rawValue: 1)))
        #expect(cluster.lastRefusal == .inProgress)
        cluster.run(ticks: 4)
        cluster.change(.remove(NodeID(3)), at: NodeID(2))
        #expect(cluster.lastRefusal == nil)
        cluster.run(ticks: 4)
        #expect(cluster[2].membership.words == "1 2 ~4")
    }

    @Test("no change begins while leadership is being handed over")
    func notDuringTransfer() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.isolate(NodeID(3))
        cluster.commit(1)
        cluster.step(NodeID(1), .transferLeadership(to: NodeID(3)))
        cluster.change(.remove(NodeID(2)), at: NodeID(1))
        #expect(cluster.lastRefusal == .inProgress)
    }

    // MARK: What is refused

    @Test("an id is never used twice, not even after its node was removed")
    func idsAreNotReused() {
        var cluster = Cluster(size: 3, outsiders: 2)
        cluster.campaign(NodeID(1))
        cluster.add(5)
        cluster.change(.remove(NodeID(5)), at: NodeID(1))
        for id in [1, 3, 4, 5] as [UInt64] {
            cluster.add(id)
            #expect(cluster.lastRefusal == .idUsed(highest: NodeID(5)))
        }
        // Over a snapshot and a restart too.
        cluster.snapshot(1)
        cluster.crash(NodeID(1))
        cluster.restart(NodeID(1))
        cluster.network = []
        cluster.elect()
        let leader = cluster.leader?.rawValue ?? 0
        cluster.add(5, at: leader)
        #expect(cluster.lastRefusal == .idUsed(highest: NodeID(5)))
        #expect(cluster[1].membership.highestID == NodeID(5))
    }

    @Test("what makes no sense is refused, and changes nothing")
    func refusals() {
        var cluster = Cluster(size: 2, outsiders: 1)
        cluster.campaign(NodeID(1))
        cluster.run(ticks: 2)
        let large = [UInt8](repeating: 7, count: Limits.contactBytesMax + 1)
        let four = NodeID(4)
        let cases: [(MembershipChange, MembershipRefusal)] = [
            (.remove(NodeID(9)), .unknownMember(NodeID(9))),
            (.promote(NodeID(9)), .unknownMember(NodeID(9))),
            (.promote(NodeID(2)), .alreadyVoter(NodeID(2))),
            (.add(four, contact: large, promotion: .onRequest), .tooLarge),
            (
                .add(four, contact: [], promotion: .whenCaughtUp(replacing: NodeID(9))),
                .unknownMember(NodeID(9))
            ),
        ]
        for (change, refusal) in cases {
            cluster.change(change, at: NodeID(1))
            #expect(cluster.lastRefusal == refusal)
        }
        cluster.change(.remove(NodeID(1)), at: NodeID(2))
        #expect(cluster.lastRefusal == .notLeader(NodeID(1)))
        cluster.change(.remove(NodeID(2)), at: NodeID(1))
        cluster.change(.remove(NodeID(1)), at: NodeID(1))
        #expect(cluster.lastRefusal == .lastVoter)
        #expect(cluster.committedMemberships == ["1 -2", "1"])
    }

    @Test("a group has at most so many members")
    func membersMax() {
        var cluster = Cluster(size: 1)
        cluster.elect()
        for id in 2...UInt64(Limits.membersMax) {
            cluster.step(
                NodeID(1),
                .changeMembership(
                    .add(NodeID(id), contact: [], promotion: .onRequest),
                    ChangeToken(rawValue: id)
                )
            )
            cluster.network = []
            cluster.settle()
        }
        #expect(cluster[1].membership.members.count == Limits.membersMax)
        cluster.step(
            NodeID(1),
            .changeMembership(
                .add(NodeID(99), contact: [], promotion: .onRequest),
                ChangeToken(rawValue: 99)
            )
        )
        #expect(cluster.lastRefusal == .tooLarge)
    }
}
