// A node that is asked for its vote by one that is behind it has what that one lacks: it may
// campaign though it is no voter by its own log, or nobody could (dissertation 4.2.2, and one step
// further).

import RaftCore
import TestKit
import Testing

@Suite("A node that is asked for its vote from behind")
struct AskedFromBehindTests {
    private let four = NodeID(4)

    /// Nodes 1 to 3 and the learner 4, with the same two entries; 4 is cut off from all of them.
    private func group() -> Cluster {
        var cluster = Cluster(
            size: 4,
            voters: 3,
            entries: [members(1, 1, "1 2 3 ~4"), command(1, 2)]
        )
        cluster.isolate(four)
        return cluster
    }

    /// Node 2 asks 4 with a log that ends one entry before.
    private func ask(_ cluster: inout Cluster) {
        let term = cluster[4].term.rawValue
        let question = preVoteRequest(from: 2, to: 4, term: term, last: position(1, 1))
        cluster.step(four, .received(question))
    }

    /// Ticks node 4 until it campaigns; nil where it does not within `limit`.
    private func ticksToCampaign(_ cluster: inout Cluster, limit: Int) -> Int? {
        for tick in 1...limit {
            cluster.tick(four)
            if cluster[4].role != .follower { return tick }
        }
        return nil
    }

    @Test("a learner campaigns once for each question, and is a follower again after it")
    func once() {
        var cluster = group()
        #expect(ticksToCampaign(&cluster, limit: 200) == nil)
        for _ in 0..<3 {
            ask(&cluster)
            #expect(ticksToCampaign(&cluster, limit: 100) != nil)
            cluster.tick(four, count: 100)
            #expect(cluster[4].role == .follower, "nobody answered it")
            #expect(ticksToCampaign(&cluster, limit: 200) == nil)
        }
        #expect(cluster.failure == nil)
    }

    @Test("it waits as long as a voter would before it does")
    func waits() {
        var cluster = group()
        // It has heard nobody for long.
        cluster.tick(four, count: 200)
        ask(&cluster)
        let election = cluster[4].configuration.electionTicks
        cluster.tick(four, count: election / 2)
        // Further questions do not put it off.
        ask(&cluster)
        let rest = ticksToCampaign(&cluster, limit: 100)
        #expect(rest.map { $0 >= election - election / 2 } == true)
        #expect(rest.map { $0 < 2 * election } == true)
    }

    @Test("a question does not make it believe that it hears its leader again")
    func silentLeader() {
        var cluster = group()
        let election = cluster[4].configuration.electionTicks
        var term = cluster[4].term.rawValue
        // Until one has been silent for long enough not to be heard any more, and is remembered
        // still: timeouts are drawn.
        repeat {
            term += 1
            cluster.step(four, .received(heartbeat(from: 1, to: 4, term: term)))
            cluster.tick(four, count: election)
        } while cluster[4].leader == nil && term < 20
        #expect(cluster[4].leader == NodeID(1))
        cluster.pass(nanoseconds: cluster[4].configuration.promise)
        ask(&cluster)
        let request = voteRequest(from: 2, to: 4, term: term + 1, last: position(1, 2))
        cluster.step(four, .received(request))
        #expect(cluster[4].term.rawValue == term + 1)
        #expect(cluster[4].vote == NodeID(2))
    }

    /// 1 counts on the vote of 4 by an entry that nobody else has, 4 has an entry of a later leader
    /// that is dead, and 2 has never heard of 4.
    @Test("it needs the votes of those that do not know it", arguments: [true, false])
    func unknownToVoters(isAnswered: Bool) {
        var cluster = Cluster(size: 3, outsiders: 1)
        let first = [command(1, 1), members(1, 2, "1 2 3 ~4")]
        let logs: [UInt64: [Entry]] = [
            1: first + [members(1, 3, "1 2 3 +4")], 2: [command(1, 1)], 4: first + [command(2, 3)],
        ]
        for (id, entries) in logs {
            let index = cluster.index(of: NodeID(id))
            cluster.members[index].isUp = false
            cluster.members[index].disk.hardState = HardState(term: Term(2))
            cluster.members[index].disk.entries = entries
            cluster.restart(NodeID(id))
        }
        cluster.crash(NodeID(3))
        if !isAnswered { cluster.losing = { $0.from == NodeID(2) && $0.to == NodeID(4) } }
        cluster.run(ticks: 300)
        #expect((cluster.leader != nil) == isAnswered)
        #expect((cluster[2].log.last.index >= LogIndex(4)) == isAnswered)
    }

    @Test("a leader that it hears answers the question")
    func leaderHeard() {
        var cluster = group()
        ask(&cluster)
        let term = cluster[4].term.rawValue
        cluster.step(four, .received(heartbeat(from: 1, to: 4, term: term)))
        #expect(ticksToCampaign(&cluster, limit: 200) == nil)
    }

    @Test("who knows of no voters has nobody to ask")
    func withoutMembers() {
        var cluster = Cluster(size: 3, outsiders: 1)
        // The entry that adds it is not among them.
        cluster.network = [append(from: 1, to: 4, term: 1, after: .origin, [command(1, 1)])]
        cluster.deliver(at: 0)
        cluster.sync(four)
        cluster.tick(four, count: 200)
        let question = preVoteRequest(from: 2, to: 4, term: 1, last: .origin)
        cluster.step(four, .received(question))
        #expect(cluster[4].log.last == position(1, 1))
        #expect(cluster[4].membership == .none)
        #expect(ticksToCampaign(&cluster, limit: 200) == nil)
    }

    @Test("a campaign that its leader told it to begin is the one it has")
    func toldToCampaign() {
        var cluster = group()
        ask(&cluster)
        let term = cluster[4].term.rawValue
        cluster.step(four, .received(message(from: 1, to: 4, term: term, .timeoutNow)))
        #expect(cluster[4].role == .candidate)
        cluster.tick(four, count: 100)
        #expect(cluster[4].role == .follower)
        #expect(ticksToCampaign(&cluster, limit: 200) == nil)
        #expect(cluster[4].term.rawValue == term + 1)
    }

    @Test("a question that comes while it campaigns is over when it leads")
    func elected() {
        var cluster = group()
        cluster.pass(nanoseconds: cluster[4].configuration.promise)
        ask(&cluster)
        cluster.cuts = []
        for _ in 0..<100 where cluster[4].role != .candidate {
            cluster.tick(four)
            while cluster[4].role == .preCandidate, !cluster.network.isEmpty {
                cluster.deliver(at: 0)
            }
        }
        ask(&cluster)
        #expect(cluster[4].role == .candidate)
        // The invariants of a leader are looked at after every step.
        cluster.network = (UInt64(1)...2).map {
            let answer = VoteResponse(granted: true)
            return message(from: $0, to: 4, term: cluster[4].term.rawValue, .voteResponse(answer))
        }
        while !cluster.network.isEmpty { cluster.deliver(at: 0) }
        #expect(cluster[4].isLeader)
        #expect(cluster.failure == nil)
    }
}
