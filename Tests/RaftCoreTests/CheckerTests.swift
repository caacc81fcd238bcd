// The judges judged: each check that the harness and `Invariants.swift` make is shown a state that
// it must refuse.

import RaftCore
import Testing

@Suite("The checkers of the core fail when they must")
struct CheckerTests {
    @Test("two nodes that apply different entries at one index")
    func divergentStateMachines() {
        var cluster = Cluster(size: 3, logs: [1: [1], 2: [1], 3: [1]])
        cluster.committed = [command(1, 1, 99)]
        cluster.campaign(NodeID(1))
        #expect(
            cluster.failure?.contains("applied two entries") == true
                || cluster.failure?.contains("lacks committed entry") == true
        )
    }

    @Test("a leader that lacks what was committed")
    func incompleteLeader() {
        var cluster = Cluster(size: 3)
        cluster.committed = [command(5, 1)]
        cluster.campaign(NodeID(1))
        #expect(cluster.failure?.contains("lacks committed entry") == true)
    }

    @Test("two leaders in one term")
    func twoLeaders() {
        var cluster = Cluster(size: 3)
        cluster.leaders[Term(1)] = NodeID(3)
        cluster.campaign(NodeID(1))
        #expect(cluster.failure == "two leaders in one term")
    }

    @Test("logs that agree at a position and differ before it")
    func logMatching() {
        var cluster = Cluster(size: 3, logs: [1: [1, 2], 2: [1, 2], 3: [1, 2]])
        cluster.checkLogMatching()
        #expect(cluster.failure == nil)
        cluster = Cluster(size: 2, logs: [1: [1, 3], 2: [2, 3]])
        cluster.checkLogMatching()
        #expect(cluster.failure?.contains("log matching") == true)
    }

    @Test("a group in which nobody can win")
    func nobodyElected() {
        var stuck = Cluster(size: 3)
        for id in 1...3 as ClosedRange<UInt64> { stuck.isolate(NodeID(id)) }
        stuck.elect(ticksMax: 50)
        #expect(stuck.failure == "nobody was elected")
    }

    @Test("a node whose term, commit or vote goes back between two moments")
    func transitions() {
        var cluster = Cluster(size: 3)
        let young = cluster[1]
        cluster.campaign(NodeID(1))
        cluster.propose(1, at: NodeID(1))
        cluster.settle()
        let old = cluster[1]
        #expect(old.brokenTransition(from: young) == nil)
        #expect(young.brokenTransition(from: old) == "the term fell")
        var rival = Cluster(size: 3)
        rival.step(NodeID(1), .received(voteRequest(from: 2, to: 1, term: 1)))
        #expect(rival[1].brokenTransition(from: old) == "commit fell")
        let candidate = Self.candidate()
        #expect(rival[1].brokenTransition(from: candidate) == "the vote changed within a term")
    }

    @Test("a mute node that votes, in the term it was in or in a new one", arguments: [0, 1])
    func muteVote(termSeen: UInt64) {
        func node(_ vote: NodeID?, in term: Term) -> RaftNode {
            RaftNode(
                configuration: RaftConfiguration(id: NodeID(1), seed: 1),
                hardState: HardState(term: term, vote: vote, isMute: true),
                snapshot: SnapshotMark(
                    position: .origin,
                    membership: Membership(voters: [NodeID(1), NodeID(2)])
                )
            )
        }
        let before = node(nil, in: Term(termSeen))
        let after = node(NodeID(2), in: Term(1))
        #expect(after.brokenTransition(from: before) == "a mute node votes")
        #expect(node(nil, in: Term(1)).brokenTransition(from: before) == nil)
    }

    private static func candidate() -> RaftNode {
        var cluster = Cluster(size: 3)
        cluster.becomeCandidate(NodeID(1))
        return cluster[1]
    }
}
