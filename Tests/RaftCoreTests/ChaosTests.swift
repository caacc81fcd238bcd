import RaftCore
import TestKit
import Testing

/// Random schedules over whole groups. They keep the core honest by itself.
@Suite("A group under a hostile network and failing nodes")
struct ChaosTests {
    /// What happened in all runs together; a run in which nothing happens proves nothing.
    private struct Counts {
        var committed = 0
        var leaders = 0
        var reads = 0
        var snapshots = 0
        var memberships = 0
    }

    @Test("keeps every invariant, and recovers once healed")
    func randomSchedules() throws {
        var counts = Counts()
        for seed in 1...100 {
            try run(seed, &counts)
        }
        print("chaos: 100 seeds, \(counts)")
        #expect(counts.committed > 5_000)
        #expect(counts.leaders > 100)
        #expect(counts.reads > 2_000)
        #expect(counts.snapshots > 50)
        #expect(counts.memberships > 200)
    }

    private func run(_ seed: Int, _ counts: inout Counts) throws {
        var limits = Limits()
        limits.trailingEntries = [0, 3, 1_000][seed % 3]
        limits.snapshotChunkBytesMax = 400
        limits.snapshotBytesPerTickMax = 800
        limits.promotionLagMax = 8
        var cluster = Cluster(
            size: [1, 3, 3, 4, 5][seed % 5],
            outsiders: [0, 2][seed % 2],
            seed: UInt64(seed),
            limits: limits
        )
        var schedule = SeededRandom(UInt64(seed) &* 7_919)
        let lossPercent = [0, 0, 5, 20][Int(schedule.next() % 4)]
        let crashPermille = [0, 1, 4][Int(schedule.next() % 3)]
        for _ in 0..<5_000 where cluster.failure == nil {
            disturb(&cluster, &schedule, lossPercent: lossPercent, crashPermille: crashPermille)
        }
        cluster.checkLogMatching()
        try #require(cluster.failure == nil, "seed \(seed): \(cluster.failure ?? "")")
        counts.committed += cluster.committed.count
        counts.leaders += cluster.leaders.count
        counts.reads += cluster.readable.count
        counts.snapshots += cluster.installed
        counts.memberships += cluster.committed.count { entry in
            if case .membership = entry.content { true } else { false }
        }
        try heal(&cluster, seed)
    }

    private func disturb(
        _ cluster: inout Cluster,
        _ random: inout SeededRandom,
        lossPercent: Int,
        crashPermille: Int
    ) {
        let ids = cluster.members.map(\.node.id)
        let id = ids[Int(random.next() % UInt64(ids.count))]
        if !cluster.members[cluster.index(of: id)].isUp {
            if random.chance(3) { cluster.restart(id) }
        } else if Int(random.next() % 1_000) < crashPermille {
            cluster.crash(id)
        }
        switch random.next() % 15 {
        case 0: cluster.tick(id)
        case 1: cluster.propose(UInt8(random.next() % 251), at: cluster.leader ?? id)
        case 2: cluster.sync(id)
        case 3: cluster.step(id, .read(ReadToken(rawValue: random.next())))
        case 4 where random.chance(2): cluster.step(id, .transferLeadership(to: ids[0]))
        case 5 where random.chance(3): toggleCut(&cluster, &random, ids)
        case 6 where random.chance(30): cluster.cut(id)
        case 7 where random.chance(20): change(&cluster, &random, id)
        case 8, 9, 10: cluster.work(id)
        default:
            guard !cluster.network.isEmpty else { return }
            let place = Int(random.next() % UInt64(min(cluster.network.count, 8)))
            if random.chance(lossPercent) {
                cluster.network.remove(at: place)
            } else {
                if random.chance(lossPercent / 2) { cluster.network.append(cluster.network[place]) }
                cluster.deliver(at: place)
            }
        }
    }

    private func change(_ cluster: inout Cluster, _ random: inout SeededRandom, _ id: NodeID) {
        let target: MembershipChange
        let membership = cluster[(cluster.leader ?? id).rawValue].membership
        switch random.next() % 4 {
        case 0: target = .remove(id)
        case 1: target = .promote(id)
        case 2: target = .add(id, contact: [], promotion: .onRequest)
        default:
            let replaced = random.chance(50) ? membership.voters.first : nil
            target = .add(id, contact: [], promotion: .whenCaughtUp(replacing: replaced))
        }
        // Enough voters to go on in the end, should none of the others ever be added.
        if case .remove = target, membership.voters.count <= 2 { return }
        cluster.step(
            cluster.leader ?? id,
            .changeMembership(target, ChangeToken(rawValue: random.next()))
        )
    }

    private func toggleCut(_ cluster: inout Cluster, _ random: inout SeededRandom, _ ids: [NodeID])
    {
        guard let from = ids.randomElement(using: &random),
            let to = ids.randomElement(using: &random)
        else { return }
        if cluster.cuts.count > 2 { cluster.cuts = [] } else { cluster.cuts.insert([from, to]) }
    }

    private func heal(_ cluster: inout Cluster, _ seed: Int) throws {
        cluster.cuts = []
        for member in cluster.members { cluster.restart(member.node.id) }
        cluster.settle()
        cluster.elect()
        try #require(cluster.failure == nil, "seed \(seed): \(cluster.failure ?? "")")
        let floor = cluster.committed.count
        // A transfer of the hostile phase may still be open; it ends within an election timeout.
        for _ in 0..<60 {
            if let leader = cluster.leader { cluster.propose(252, at: leader) }
            cluster.settle()
            for member in cluster.members { cluster.tick(member.node.id) }
        }
        cluster.settle()
        #expect(cluster.failure == nil, "seed \(seed): \(cluster.failure ?? "")")
        #expect(cluster.committed.count > floor, "seed \(seed): no progress after healing")
        // The last entries may be committed at the leader only, until its next heartbeat.
        let members = cluster.leader.map { cluster[$0.rawValue].membership.members } ?? []
        for member in cluster.members where members.contains(where: { $0.id == member.node.id }) {
            let isCurrent = member.applied.count + 3 > cluster.committed.count
            #expect(isCurrent, "seed \(seed): a node is behind")
        }
    }

    @Test("the same seed gives the same run")
    func determinism() {
        func trace() -> [[Entry]] {
            (UInt64(1)...6).map { seed in
                var cluster = Cluster(size: 3, seed: seed)
                var schedule = SeededRandom(seed)
                for _ in 0..<2_000 {
                    disturb(&cluster, &schedule, lossPercent: 10, crashPermille: 1)
                }
                return cluster.committed
            }
        }
        let first = trace()
        #expect(first.joined().count > 100)
        #expect(trace() == first)
    }
}
