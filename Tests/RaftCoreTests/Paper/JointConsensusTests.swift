// Raft section 6 and dissertation 4.3: while a membership is joint, two majorities decide.

import RaftCore
import Testing

@Suite("Joint consensus (section 6, dissertation 4.3)")
struct JointConsensusTests {
    /// Old {1, 2, 3}, new {1, 4, 5}. Three of five nodes are a majority of all of them and decide
    /// nothing by themselves.
    private static let cases: [(down: [UInt64], decides: Bool)] = [
        ([], true), ([2], true), ([4], true), ([2, 4], true), ([3, 5], true),
        ([2, 3], false), ([4, 5], false), ([2, 3, 4], false),
    ]

    /// The same for old {1, 2, 3}, new {1, 2, 4}.
    private static let replaceCases: [(down: [UInt64], decides: Bool)] = [
        ([], true), ([2], true), ([3], true), ([4], true), ([3, 4], true),
        ([2, 3], false), ([2, 4], false), ([2, 3, 4], false),
    ]

    private static func isolate(_ down: [UInt64], in cluster: inout Cluster) {
        for id in down { cluster.isolate(NodeID(id)) }
    }

    /// "Agreement (for elections and entry commitment) requires separate majorities from both the
    /// old and new configurations"
    @Test("elections need a majority of the old and one of the new", arguments: cases)
    func elections(down: [UInt64], decides: Bool) {
        var cluster = Cluster(size: 5, voters: 3, entries: [members(1, 1, "1 -2 -3 +4 +5")])
        Self.isolate(down, in: &cluster)
        cluster.campaign(NodeID(1))
        #expect((cluster.leaders[Term(2)] == NodeID(1)) == decides)
        #expect(cluster.failure == nil)
    }

    @Test("entries commit on a majority of the old and one of the new", arguments: cases)
    func commitment(down: [UInt64], decides: Bool) {
        var cluster = Cluster(size: 5, voters: 3, entries: [members(1, 1, "1 -2 -3 +4 +5")])
        cluster.winElection(NodeID(1))
        cluster.network = []
        Self.isolate(down, in: &cluster)
        cluster.run(ticks: 6)
        #expect((cluster[1].commit >= LogIndex(2)) == decides)
        #expect(cluster.failure == nil)
    }

    @Test(
        "reads are confirmed by a majority of the old and one of the new",
        arguments: replaceCases
    )
    func reads(down: [UInt64], decides: Bool) {
        var cluster = Cluster.inJointPhase()
        #expect(cluster[1].membership.words == "1 2 -3 +4")
        Self.isolate(down, in: &cluster)
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 1)))
        cluster.settleWithoutAppends()
        #expect(cluster.readable.count == (decides ? 1 : 0))
        #expect(cluster[1].membership.isJoint)
    }

    @Test("a lease rests on a majority of the old and one of the new", arguments: replaceCases)
    func leases(down: [UInt64], decides: Bool) {
        var cluster = Cluster.inJointPhase {
            $0.promise = 500_000_000
            $0.reads = .lease(driftPermille: 100)
        }
        // The leases of before are over.
        cluster.pass(nanoseconds: 10_000_000_000)
        Self.isolate(down, in: &cluster)
        cluster.tick(NodeID(1), count: 2)
        cluster.settleWithoutAppends()
        let end = cluster[1].leaseEnd ?? .zero
        #expect((end > cluster.members[0].clock) == decides)
        #expect(cluster[1].membership.isJoint)
    }

    @Test("a leader that misses a majority of either steps down", arguments: replaceCases)
    func checkQuorum(down: [UInt64], decides: Bool) {
        var cluster = Cluster.inJointPhase()
        Self.isolate(down, in: &cluster)
        for _ in 0..<2 * cluster[1].configuration.electionTicks {
            cluster.tick(NodeID(1))
            cluster.settleWithoutAppends()
        }
        #expect(cluster[1].isLeader == decides)
    }

    /// "Log entries are replicated to all servers in both configurations."
    @Test("the joint entry goes to the old and the new, the one that leaves it to the new only")
    func replication() {
        var cluster = Cluster.inJointPhase()
        cluster.run(ticks: 5)
        let joint = cluster.committed.first { $0.content == .membership(Membership("1 2 -3 +4")) }
        #expect(joint.map { cluster[3].log.contains($0.position) } == true)
        #expect(joint.map { cluster[4].log.contains($0.position) } == true)
        #expect(cluster[1].membership.words == "1 2 4")
        #expect(cluster[4].membership.words == "1 2 4")
        #expect(cluster[3].membership.words == "1 2 -3 +4")
    }

    /// "Any server from either configuration may serve as leader."
    @Test(
        "a new leader ends the joint phase that it found in its log",
        arguments: [2, 4] as [UInt64]
    )
    func inherited(heir: UInt64) {
        var cluster = Cluster.inJointPhase()
        let joint = cluster[1].log.last
        for id in [2, 3, 4] as [UInt64] { cluster.cuts.insert([NodeID(id), NodeID(1)]) }
        cluster.tick(NodeID(1), count: 6)
        cluster.settle()
        let isThere = cluster[heir].log.contains(joint)
        #expect(isThere)
        #expect(cluster[1].commit < joint.index)
        cluster.crash(NodeID(1))
        cluster.cuts = []
        // Nobody refuses for the dead leader's sake.
        for id in [2, 3, 4] as [UInt64] { cluster.tick(NodeID(id), count: 10) }
        cluster.network = []
        cluster.campaign(NodeID(heir))
        cluster.run(ticks: 10)
        #expect(cluster.leaders[Term(2)] == NodeID(heir))
        #expect(cluster[heir].membership.words == "1 2 4")
        #expect(cluster.committedMemberships.last == "1 2 4")
        #expect(cluster.failure == nil)
    }

    /// Dissertation 4.3: C_new may be appended once the joint entry is committed, not before.
    @Test("the joint phase is not left before its entry is committed")
    func leavesAfterCommit() {
        var cluster = Cluster.inJointPhase()
        let joint = cluster[1].log.last.index
        cluster.isolate(NodeID(2))
        cluster.isolate(NodeID(3))
        cluster.run(ticks: 6)
        #expect(cluster[1].log.last.index == joint)
        #expect(cluster[1].commit < joint)
        cluster.cuts = []
        cluster.run(ticks: 6)
        #expect(cluster[1].membership.words == "1 2 4")
    }
}
