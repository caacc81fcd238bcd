// A change of members must not be the last thing that a group decides; and what waits for members
// must not wait for those who have left.

import RaftCore
import Testing

@Suite("Changes that keep a group alive")
struct QuorumKeptTests {
    private static func group(_ size: Int, outsiders: Int = 0) -> Cluster {
        var cluster = Cluster(size: size, outsiders: outsiders)
        cluster.campaign(NodeID(1))
        cluster.commit(2)
        cluster.run(ticks: 2)
        return cluster
    }

    private static func silence(_ id: UInt64, in cluster: inout Cluster) {
        cluster.isolate(NodeID(id))
        // Two quorum checks: nothing of what it said before counts any more.
        cluster.run(ticks: 2 * cluster[1].configuration.electionTicks)
    }

    @Test("a living voter is not removed while the others could not decide without it")
    func refused() {
        var cluster = Self.group(3)
        Self.silence(3, in: &cluster)
        cluster.change(.remove(NodeID(2)), at: NodeID(1))
        #expect(cluster.changes == [.refused(.wouldLoseQuorum)])
        // The dead one may go, and then the group may shrink further.
        cluster.change(.remove(NodeID(3)), at: NodeID(1))
        cluster.change(.remove(NodeID(2)), at: NodeID(1))
        cluster.commit(1)
        #expect(cluster[1].membership.words == "1")
        #expect(cluster.failure == nil)
    }

    @Test("a dead voter is replaced")
    func replaced() {
        var cluster = Self.group(3, outsiders: 1)
        Self.silence(3, in: &cluster)
        cluster.change(
            .add(NodeID(4), contact: [], promotion: .whenCaughtUp(replacing: NodeID(3))),
            at: NodeID(1)
        )
        cluster.run(ticks: 20)
        #expect(cluster[1].membership.words == "1 2 4")
    }

    @Test("a learner is not promoted while it is silent, by hand neither")
    func silentLearner() {
        var cluster = Self.group(3, outsiders: 1)
        cluster.change(.add(NodeID(4), contact: [], promotion: .onRequest), at: NodeID(1))
        cluster.run(ticks: 4)
        Self.silence(4, in: &cluster)
        cluster.change(.promote(NodeID(4)), at: NodeID(1))
        #expect(cluster.changes.last == .refused(.notCaughtUp(entries: 0)))
        cluster.cuts = []
        cluster.run(ticks: 4)
        cluster.change(.promote(NodeID(4)), at: NodeID(1))
        #expect(cluster[1].membership.words == "1 2 3 4")
    }

    /// Found by reading: the round's answer came from one who had left by then, and every later
    /// read waited behind it.
    @Test("reads go on when the one who was to answer has left the group")
    func readsAfterShrinking() {
        var cluster = Self.group(2)
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 1)))
        // The round is out; its answer comes when its sender is no member any more.
        let heartbeats = cluster.network.filter(\.isHeartbeat)
        #expect(heartbeats.count == 1)
        cluster.network.removeAll(where: \.isHeartbeat)
        cluster.losing = { $0.isHeartbeat }
        cluster.change(.remove(NodeID(2)), at: NodeID(1))
        #expect(cluster[1].membership.words == "1")
        cluster.losing = nil
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 2)))
        cluster.settle()
        #expect(cluster.readable.map(\.token.rawValue) == [1, 2])
        #expect(cluster.failure == nil)
    }

    /// Section 4.2.2: one of the others takes over at once; not one that is dead.
    @Test("a removed leader hands over to one that it hears of")
    func successor() {
        var cluster = Self.group(4)
        Self.silence(2, in: &cluster)
        cluster.record = []
        cluster.change(.remove(NodeID(1)), at: NodeID(1))
        let told = (cluster.record ?? []).flatMap(\.effects.send).filter { $0.body == .timeoutNow }
        #expect(told.map(\.to) == [NodeID(3)] || told.map(\.to) == [NodeID(4)])
    }

    @Test(
        "a removed leader calls whom it has told to campaign before, unless that one is behind",
        arguments: [true, false]
    )
    func successorChosen(isBehind: Bool) {
        var cluster = Self.group(4)
        let two = NodeID(2)
        let change = MembershipChange.remove(NodeID(1))
        cluster.step(NodeID(1), .changeMembership(change, ChangeToken(rawValue: 1)))
        cluster.losing = { ![$0.from, $0.to].contains(two) }
        cluster.settle()
        #expect(cluster[1].membership.isJoint, "2 alone has acknowledged it")
        cluster.record = []
        cluster.losing = { isBehind ? [$0.from, $0.to].contains(two) : $0.body == .timeoutNow }
        cluster.step(NodeID(1), .transferLeadership(to: two))
        for _ in 0..<20 where cluster[1].isLeader {
            for id in [UInt64(1), 3, 4] { cluster.tick(NodeID(id)) }
            cluster.settle()
        }
        #expect(cluster[1].membership.words == "2 3 4")
        #expect((cluster[3].log.last.index > cluster[2].log.last.index) == isBehind)
        let told = (cluster.record ?? []).flatMap(\.effects.send).filter { $0.body == .timeoutNow }
        #expect(told.count == 2)
        #expect(told.first?.to == two)
        #expect((told.last?.to == two) != isBehind)
        #expect(cluster.failure == nil)
    }

    @Test("other targets do not put off a leader's look at its quorum")
    func alternatingTransfers() {
        var cluster = Self.group(3)
        cluster.isolate(NodeID(1))
        for round in 0..<(3 * cluster[1].configuration.electionTicks) where cluster[1].isLeader {
            let target = NodeID(UInt64(2 + round % 2))
            cluster.step(NodeID(1), .transferLeadership(to: target))
            cluster.tick(NodeID(1))
        }
        #expect(!cluster[1].isLeader)
    }
}
