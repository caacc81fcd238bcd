// Raft section 5.3 and 5.4: one test a sentence of the paper.

import RaftCore
import TestKit
import Testing

@Suite("Log replication (section 5.3)")
struct ReplicationTests {
    /// "When the entry has been safely replicated, the leader applies the entry to its state
    /// machine and returns the result of that execution to the client."
    @Test("an entry of a majority is applied everywhere")
    func replicates() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.propose(7, at: NodeID(1))
        cluster.settle()
        cluster.run(ticks: 3)
        for member in cluster.members {
            #expect(member.applied.map(\.content) == [.noop, .command([7])])
        }
        #expect(cluster.failure == nil)
    }

    /// "issues AppendEntries RPCs in parallel to each of the other servers"
    @Test("the appends leave while the leader's own disk still writes")
    func parallelToDisk() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.propose(7, at: NodeID(1))
        #expect(cluster.members[0].writing != nil)
        #expect(cluster.sent { $0.appendRequest?.entries.count == 1 }.count == 2)
    }

    @Test("two followers are a majority before the leader's own disk is done")
    func commitsBeforeOwnDisk() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.propose(7, at: NodeID(1))
        let proposed = cluster[1].log.last.index
        while !cluster.network.isEmpty {
            cluster.deliver(at: 0)
            cluster.sync(NodeID(2))
            cluster.sync(NodeID(3))
        }
        #expect(cluster.members[0].writing != nil)
        #expect(cluster[1].commit == proposed)
        #expect(cluster.failure == nil)
    }

    @Test("a follower acknowledges only what is durable")
    func acknowledgementWaits() {
        var cluster = Cluster(size: 3)
        let entry = command(1, 1)
        cluster.step(
            NodeID(2),
            .received(append(from: 1, to: 2, term: 1, after: .origin, [entry]))
        )
        #expect(cluster.network.isEmpty)
        cluster.sync(NodeID(2))
        #expect(cluster.network.map(\.appendResponse) == [.accepted(match: LogIndex(1))])
    }

    /// "If followers crash or run slowly, or if network packets are lost, the leader retries
    /// AppendEntries RPCs indefinitely."
    @Test("a lost append is sent again")
    func retries() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.isolate(NodeID(3))
        for byte in 1...5 as ClosedRange<UInt8> {
            cluster.propose(byte, at: NodeID(1))
            cluster.settle()
        }
        cluster.cuts = []
        cluster.run(ticks: 10)
        #expect(cluster[3].log.last == cluster[1].log.last)
        #expect(cluster.members[2].applied.count == cluster.committed.count)
    }

    /// "If the follower does not find an entry in its log with the same index and term, then it
    /// refuses the new entries."
    @Test("a follower refuses entries after a gap")
    func consistencyCheck() {
        var cluster = Cluster(size: 3, logs: [2: [1, 1]])
        let request = append(
            from: 1,
            to: 2,
            term: 2,
            after: position(2, 3),
            [command(2, 4)]
        )
        cluster.step(NodeID(2), .received(request))
        cluster.sync(NodeID(2))
        #expect(cluster[2].log.last == position(1, 2))
        let answers = cluster.network.map(\.appendResponse)
        #expect(answers == [.rejected(previous: LogIndex(3), hint: position(1, 2))])
    }

    /// "If an existing entry conflicts with a new one (same index but different terms), delete the
    /// existing entry and all that follow it" (figure 2)
    @Test("a conflicting suffix is replaced")
    func conflict() {
        var cluster = Cluster(size: 3, logs: [2: [1, 2, 2, 2]])
        let request = append(
            from: 1,
            to: 2,
            term: 3,
            after: position(1, 1),
            [command(3, 2)]
        )
        cluster.step(NodeID(2), .received(request))
        cluster.sync(NodeID(2))
        #expect(cluster[2].log.last == position(3, 2))
        #expect(cluster.members[1].disk.entries.map(\.term) == [Term(1), Term(3)])
    }

    /// "Append any new entries not already in the log" (figure 2): an old request must not cut off
    /// what came after it.
    @Test("an append that arrives late and again truncates nothing")
    func lateAppend() {
        var cluster = Cluster(size: 3)
        let first = append(from: 1, to: 2, term: 1, after: .origin, [command(1, 1)])
        let second = append(from: 1, to: 2, term: 1, after: position(1, 1), [command(1, 2)])
        for request in [first, second, first] { cluster.step(NodeID(2), .received(request)) }
        cluster.sync(NodeID(2))
        cluster.sync(NodeID(2))
        #expect(cluster[2].log.last == position(1, 2))
    }

    /// "set commitIndex = min(leaderCommit, index of last new entry)" (figure 2)
    @Test("a follower commits no further than the request shows its log to agree")
    func followerCommit() {
        var cluster = Cluster(size: 3, logs: [2: [1, 1, 1]])
        let request = append(from: 1, to: 2, term: 2, after: position(1, 1), [], commit: 3)
        cluster.step(NodeID(2), .received(request))
        #expect(cluster[2].commit == LogIndex(1))
    }

    /// Figure 7 of the paper: every way in which a follower's log may differ from a new leader's.
    @Test(
        "a new leader brings any log of figure 7 to its own",
        arguments: [
            [1, 1, 1, 4, 4, 5, 5, 6, 6],
            [1, 1, 1, 4],
            [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
            [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
            [1, 1, 1, 4, 4, 4, 4],
            [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
        ] as [[UInt64]]
    )
    func figure7(terms: [UInt64]) {
        let leaderTerms: [UInt64] = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6]
        var cluster = Cluster(size: 3, logs: [1: leaderTerms, 2: terms, 3: leaderTerms])
        // The term that the leader of figure 7 has reached.
        cluster.step(NodeID(3), .received(voteRequest(from: 2, to: 3, term: 7)))
        cluster.settle()
        cluster.campaign(NodeID(1))
        cluster.run(ticks: 20)
        #expect(cluster[1].isLeader)
        #expect(cluster[2].log.last == cluster[1].log.last)
        cluster.checkLogMatching()
        #expect(cluster.failure == nil)
    }

    @Test("a rejection moves the probe over a whole term at once")
    func hintSkipsTerms() {
        // 500 entries that the leader never had: stepping back by one each would take 500 rounds.
        let own = [UInt64](repeating: 1, count: 10) + [UInt64](repeating: 3, count: 500)
        let others = [UInt64](repeating: 1, count: 10) + [UInt64](repeating: 2, count: 500)
        var cluster = Cluster(size: 3, logs: [1: own, 2: others, 3: own])
        cluster.campaign(NodeID(1))
        let before = cluster.steps
        cluster.run(ticks: 5)
        #expect(cluster[2].log.last == cluster[1].log.last)
        #expect(cluster.steps - before < 150)
    }

    @Test("what is in flight to a follower is bounded, in messages and in bytes")
    func window() {
        var limits = Limits()
        limits.inflightMessagesMax = 4
        var cluster = Cluster(size: 3, limits: limits)
        cluster.campaign(NodeID(1))
        for byte in 0..<20 as Range<UInt8> { cluster.propose(byte, at: NodeID(1)) }
        #expect(cluster.sent { $0.to == NodeID(2) && $0.appendRequest != nil }.count == 4)
        cluster.settle()
        #expect(cluster[2].log.last == cluster[1].log.last)
    }

    @Test("a leader with too many uncommitted bytes refuses, and takes again after a commit")
    func uncommittedBound() {
        var limits = Limits()
        limits.uncommittedBytesMax = 3
        var cluster = Cluster(size: 3, limits: limits)
        cluster.campaign(NodeID(1))
        for byte in 0..<5 as Range<UInt8> { cluster.propose(byte, at: NodeID(1)) }
        #expect(cluster.refused == [.overloaded, .overloaded])
        cluster.settle()
        cluster.propose(9, at: NodeID(1))
        #expect(cluster.refused.count == 2)
    }

    @Test("who does not lead refuses a proposal and names the leader")
    func notLeader() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.run(ticks: 2)
        cluster.propose(1, at: NodeID(2))
        #expect(cluster.refused == [.notLeader(NodeID(1))])
    }
}

@Suite("Commitment (section 5.4)")
struct CommitTests {
    /// Figure 8: an entry of an earlier term on a majority is not committed by counting.
    @Test("\"Raft never commits log entries from previous terms by counting replicas\"")
    func figure8() {
        // S1 led term 2 and got its entry to S2; S5 led term 3 alone.
        var cluster = Cluster(
            size: 5,
            logs: [1: [1, 2], 2: [1, 2], 3: [1], 4: [1], 5: [1, 3]]
        )
        cluster.isolate(NodeID(5))
        cluster.isolate(NodeID(4))
        // (c) S1 leads again, and its entry of term 2 reaches S3: a majority. The entry of its own
        // term does not.
        cluster.winElection(NodeID(1))
        let leader = cluster[1]
        cluster.network = []
        let upToTerm2 = append(
            from: 1,
            to: 3,
            term: leader.term.rawValue,
            after: position(1, 1),
            [leader.log[LogIndex(2)]]
        )
        cluster.step(NodeID(3), .received(upToTerm2))
        cluster.sync(NodeID(3))
        for id in [2, 3] as [UInt64] {
            let match = AppendResponse.accepted(match: LogIndex(2))
            cluster.step(
                NodeID(1),
                .received(
                    message(from: id, to: 1, term: leader.term.rawValue, .appendResponse(match))
                )
            )
        }
        #expect(cluster[1].commit == .zero)
        // (e) Once an entry of its own term is on a majority, all before it are committed.
        cluster.run(ticks: 10)
        #expect(cluster[1].commit == cluster[1].log.last.index)
        #expect(cluster.failure == nil)
    }

    @Test("a leader opens its term with an entry of its own (section 8)")
    func noop() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(2))
        #expect(cluster.committed.map(\.content) == [.noop])
        #expect(cluster.committed.map(\.term) == [cluster[2].term])
    }

    @Test("an append answer for more than the leader has is not counted")
    func impossibleMatch() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        let term = cluster[1].term.rawValue
        let answer = AppendResponse.accepted(match: LogIndex(.max))
        cluster.step(
            NodeID(1),
            .received(message(from: 2, to: 1, term: term, .appendResponse(answer)))
        )
        cluster.propose(3, at: NodeID(1))
        cluster.run(ticks: 5)
        #expect(cluster.failure == nil)
        #expect(cluster[2].log.last == cluster[1].log.last)
    }
}
