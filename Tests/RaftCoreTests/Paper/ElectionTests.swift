// Raft section 5.2 and 5.4.1, dissertation 6.2 (CheckQuorum) and 9.6 (PreVote): a test a sentence.

import RaftCore
import Testing

@Suite("Leader election (section 5.2)")
struct ElectionTests {
    /// "When servers start up, they begin as followers"
    @Test("servers start as followers")
    func startsAsFollower() {
        let cluster = Cluster(size: 3)
        for id in 1...3 as ClosedRange<UInt64> {
            #expect(cluster[id].role == .follower)
            #expect(cluster[id].term == .zero)
            #expect(cluster[id].vote == nil)
        }
    }

    /// "If a follower receives no communication over a period of time called the election timeout,
    /// then it assumes there is no viable leader and begins an election"
    @Test("a silent leader is missed after an election timeout")
    func campaignsAfterTimeout() {
        var cluster = Cluster(size: 3)
        // No timeout is shorter than `electionTicks`, none as long as twice that.
        let shortest = cluster[1].configuration.electionTicks
        cluster.tick(NodeID(1), count: shortest - 1)
        #expect(cluster[1].role == .follower)
        cluster.tick(NodeID(1), count: shortest)
        #expect(cluster[1].role == .preCandidate)
        #expect(cluster[1].term == .zero, "asking changes no term (dissertation 9.6)")
    }

    /// "To begin an election, a follower increments its current term and transitions to candidate
    /// state. It then votes for itself"
    @Test("a candidate starts a term and votes for itself")
    func candidateVotesForItself() {
        var cluster = Cluster(size: 3)
        cluster.becomeCandidate(NodeID(1))
        #expect(cluster[1].role == .candidate)
        #expect(cluster[1].term == Term(1))
        #expect(cluster[1].vote == NodeID(1))
    }

    @Test("A request for votes leaves only once the candidate's own vote is durable")
    func requestsWaitForOwnVote() {
        var cluster = Cluster(size: 3)
        cluster.becomeCandidate(NodeID(1))
        #expect(cluster.sent(where: \.isVoteRequest).isEmpty)
        cluster.sync(NodeID(1))
        #expect(cluster.sent(where: \.isVoteRequest).count == 2)
    }

    /// "A candidate wins an election if it receives votes from a majority of the servers"
    @Test("votes of a majority win")
    func majorityWins() {
        var cluster = Cluster(size: 5)
        cluster.isolate(NodeID(4))
        cluster.isolate(NodeID(5))
        cluster.campaign(NodeID(1))
        #expect(cluster[1].isLeader)
        #expect(cluster.failure == nil)
    }

    @Test("A minority elects nobody, and raises no term by trying")
    func minorityDoesNot() {
        var cluster = Cluster(size: 5)
        for id in 3...5 as ClosedRange<UInt64> { cluster.isolate(NodeID(id)) }
        cluster.campaign(NodeID(1))
        #expect(!cluster[1].isLeader)
        #expect(cluster[1].term == .zero)
    }

    /// "Each server will vote for at most one candidate in a given term, on a
    /// first-come-first-served basis"
    @Test("one vote a term")
    func oneVoteATerm() {
        var cluster = Cluster(size: 3)
        let voter = NodeID(3)
        cluster.step(voter, .received(voteRequest(from: 1, to: 3, term: 1)))
        cluster.step(voter, .received(voteRequest(from: 2, to: 3, term: 1)))
        cluster.sync(voter)
        #expect(cluster[3].vote == NodeID(1))
        #expect(cluster.votesGranted(to: NodeID(1)) == 1)
        #expect(cluster.votesGranted(to: NodeID(2)) == 0)
    }

    @Test("The same candidate that asks again gets the same answer")
    func repeatedRequest() {
        var cluster = Cluster(size: 3)
        cluster.step(NodeID(3), .received(voteRequest(from: 1, to: 3, term: 1)))
        cluster.sync(NodeID(3))
        cluster.step(NodeID(3), .received(voteRequest(from: 1, to: 3, term: 1)))
        #expect(cluster.votesGranted(to: NodeID(1)) == 2)
    }

    @Test("A vote is remembered across a restart, and not given twice")
    func voteSurvivesRestart() {
        var cluster = Cluster(size: 3)
        cluster.step(NodeID(3), .received(voteRequest(from: 1, to: 3, term: 1)))
        cluster.sync(NodeID(3))
        cluster.crash(NodeID(3))
        cluster.restart(NodeID(3))
        cluster.step(NodeID(3), .received(voteRequest(from: 2, to: 3, term: 1)))
        cluster.sync(NodeID(3))
        #expect(cluster.votesGranted(to: NodeID(2)) == 0)
    }

    @Test("A granted vote does not leave before it is durable")
    func voteWaitsForDisk() {
        var cluster = Cluster(size: 3)
        cluster.step(NodeID(3), .received(voteRequest(from: 1, to: 3, term: 1)))
        #expect(cluster.network.isEmpty)
        cluster.sync(NodeID(3))
        #expect(cluster.votesGranted(to: NodeID(1)) == 1)
    }

    /// "The voter denies its vote if its own log is more up-to-date than that of the candidate"
    /// (5.4.1)
    @Test(
        "a voter denies a log that is behind its own",
        arguments: [
            (LogPosition(term: Term(1), index: LogIndex(9)), false),  // an older term, if longer
            (LogPosition(term: Term(2), index: LogIndex(1)), false),  // the same term, shorter
            (LogPosition(term: Term(2), index: LogIndex(2)), true),  // the same
            (LogPosition(term: Term(2), index: LogIndex(3)), true),  // longer
            (LogPosition(term: Term(3), index: LogIndex(1)), true),  // a newer term, if shorter
        ]
    )
    func upToDateLogs(last: LogPosition, isGranted: Bool) {
        var cluster = Cluster(size: 3, logs: [3: [1, 2]])
        cluster.step(NodeID(3), .received(voteRequest(from: 1, to: 3, term: 5, last: last)))
        cluster.sync(NodeID(3))
        #expect(cluster.votesGranted(to: NodeID(1)) == (isGranted ? 1 : 0))
    }

    /// "If the leader's term is at least as large as the candidate's current term, then the
    /// candidate recognizes the leader as legitimate and returns to follower state"
    @Test("a candidate yields to a leader of its term")
    func candidateYields() {
        var cluster = Cluster(size: 3)
        cluster.becomeCandidate(NodeID(1))
        cluster.step(NodeID(1), .received(heartbeat(from: 2, to: 1, term: 1)))
        #expect(cluster[1].role == .follower)
        #expect(cluster[1].leader == NodeID(2))
    }

    /// "If the term in the RPC is smaller than the candidate's current term, then the candidate
    /// rejects the RPC and continues in candidate state"
    @Test("a candidate refuses a leader of an older term")
    func candidateKeepsItsTerm() {
        var cluster = Cluster(size: 3)
        cluster.becomeCandidate(NodeID(1))
        cluster.step(NodeID(1), .received(heartbeat(from: 2, to: 1, term: 0)))
        #expect(cluster[1].role == .candidate)
        #expect(
            cluster.network.contains { $0.to == NodeID(2) && $0.body == .appendResponse(.stale) }
        )
    }

    /// "If a candidate or leader discovers that its term is out of date, it immediately reverts to
    /// follower state" (5.1)
    @Test("a stale leader steps down")
    func staleLeaderStepsDown() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.step(NodeID(1), .received(heartbeat(from: 2, to: 1, term: 9)))
        #expect(cluster[1].role == .follower)
        #expect(cluster[1].term == Term(9))
    }

    @Test("Election timeouts are drawn from a range, and anew for each wait")
    func timeoutsVary() {
        var seen: Set<Int> = []
        for seed in 1...40 as ClosedRange<UInt64> {
            var cluster = Cluster(size: 3, seed: seed)
            var ticks = 0
            while cluster[1].role == .follower {
                cluster.tick(NodeID(1))
                ticks += 1
            }
            seen.insert(ticks)
        }
        let shortest = Cluster(size: 3)[1].configuration.electionTicks
        #expect(seen.allSatisfy { (shortest..<2 * shortest).contains($0) })
        #expect(seen.count > shortest / 2)
    }

    @Test("A group of one elects itself, once its vote is on its disk")
    func singleNode() {
        var cluster = Cluster(size: 1)
        cluster.becomeCandidate(NodeID(1))
        #expect(!cluster[1].isLeader)
        cluster.settle()
        #expect(cluster[1].isLeader)
        #expect(cluster.failure == nil)
    }
}

@Suite("PreVote and CheckQuorum (dissertation 9.6 and 6.2)")
struct DisruptionTests {
    @Test("A node that comes back from isolation does not depose a live leader")
    func returningNode() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        let term = cluster[1].term
        cluster.isolate(NodeID(3))
        for _ in 0..<100 {
            for id in 1...3 as ClosedRange<UInt64> { cluster.tick(NodeID(id)) }
            cluster.settle()
        }
        cluster.cuts = []
        for _ in 0..<100 {
            for id in 1...3 as ClosedRange<UInt64> { cluster.tick(NodeID(id)) }
            cluster.settle()
        }
        #expect(cluster[1].isLeader)
        #expect(cluster[1].term == term)
        #expect(cluster[3].leader == NodeID(1))
    }

    @Test("A voter that hears a leader grants no pre-vote, and disregards a request for votes")
    func voterHearsLeader() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        let last = cluster[2].log.last
        cluster.step(NodeID(2), .received(preVoteRequest(from: 3, to: 2, term: 1, last: last)))
        cluster.step(NodeID(2), .received(voteRequest(from: 3, to: 2, term: 9, last: last)))
        cluster.sync(NodeID(2))
        #expect(cluster[2].term == Term(1))
        #expect(cluster.votesGranted(to: NodeID(3)) == 0)
    }

    @Test("A pre-vote changes nothing at the voter")
    func preVoteIsPure() {
        var cluster = Cluster(size: 3)
        cluster.step(NodeID(2), .received(preVoteRequest(from: 3, to: 2, term: 0, last: .origin)))
        #expect(cluster[2].term == .zero)
        #expect(cluster[2].vote == nil)
        #expect(cluster.members[1].writing == nil)
        #expect(cluster.votesGranted(to: NodeID(3)) == 1)
    }

    @Test("An answer to an older question is not counted")
    func stalePreVote() {
        var cluster = Cluster(size: 3)
        cluster.tick(NodeID(1), count: 2 * cluster[1].configuration.electionTicks)
        let body = Message.Body.preVoteResponse(
            PreVoteResponse(proposedTerm: Term(7), granted: true)
        )
        cluster.step(NodeID(1), .received(message(from: 2, to: 1, term: 0, body)))
        #expect(cluster[1].role == .preCandidate)
    }

    /// "A leader in Raft steps down if an election timeout elapses without a successful round of
    /// heartbeats to a majority of its cluster"
    @Test("a leader without a majority steps down")
    func checkQuorum() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.isolate(NodeID(1))
        for _ in 0..<2 * cluster[1].configuration.electionTicks {
            cluster.tick(NodeID(1))
            cluster.settle()
        }
        #expect(!cluster[1].isLeader)
    }

    @Test("A leader that one follower still hears, of five, steps down too; with two it stays")
    func checkQuorumOfFive() {
        for reachable in [1, 2] as [UInt64] {
            var cluster = Cluster(size: 5)
            cluster.campaign(NodeID(1))
            for id in (2 + reachable)...5 { cluster.isolate(NodeID(id)) }
            for _ in 0..<3 * cluster[1].configuration.electionTicks {
                cluster.tick(NodeID(1))
                cluster.settle()
            }
            #expect(cluster[1].isLeader == (reachable == 2))
        }
    }
}
