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
