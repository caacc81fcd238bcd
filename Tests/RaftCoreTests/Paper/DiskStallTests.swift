// A disk that hangs must not take the group with it; and who should rather lead.

import Testing

@testable import RaftCore

@Suite("A hung disk")
struct DiskStallTests {
    private static let stall = 15

    private static func led() -> Cluster {
        var cluster = Cluster(size: 3) { $0.diskStallTicks = stall }
        cluster.campaign(NodeID(1))
        cluster.run(ticks: 2)
        return cluster
    }

    @Test("a leader whose disk hangs steps down, and another takes over")
    func leaderStepsDown() {
        var cluster = Self.led()
        cluster.hung = [NodeID(1)]
        cluster.propose(1, at: NodeID(1))
        cluster.run(ticks: Self.stall)
        #expect(cluster[1].isLeader, "not before the time is over")
        cluster.run(ticks: 1)
        #expect(!cluster[1].isLeader)
        cluster.run(ticks: 40)
        #expect(cluster.leader.map { $0 != NodeID(1) } == true)
        let commit = cluster.committed.count
        if let leader = cluster.leader { cluster.propose(2, at: leader) }
        cluster.run(ticks: 2)
        #expect(cluster.committed.count > commit)
        #expect(cluster.failure == nil)
    }

    @Test("acknowledgements that wait for a hung disk do not pile up")
    func heldAcknowledgements() {
        var cluster = Self.led()
        cluster.hung = [NodeID(2)]
        for byte in 0..<50 as Range<UInt8> {
            cluster.propose(byte, at: NodeID(1))
            cluster.settle()
        }
        #expect(cluster[2].log.last == cluster[1].log.last)
        cluster.run(ticks: 10)
        #expect(cluster[2].durability.held.count <= 2)
        #expect((cluster[2].durability.inFlight?.held.count ?? 0) <= 2)
        cluster.hung = []
        cluster.settle()
        #expect(cluster[1].progress.allSatisfy { $0.match == cluster[1].log.last.index })
    }

    @Test("a disk that is slow but answers in time costs nobody the leadership")
    func slowDisk() {
        var cluster = Self.led()
        for byte in 0..<5 as Range<UInt8> {
            cluster.hung = [NodeID(1)]
            cluster.propose(byte, at: NodeID(1))
            cluster.run(ticks: Self.stall - 1)
            cluster.hung = []
            cluster.settle()
        }
        #expect(cluster[1].isLeader)
        #expect(cluster[1].term == Term(1))
    }

    @Test("an idle disk is no hung disk")
    func idleDisk() {
        var cluster = Self.led()
        cluster.run(ticks: 10 * Self.stall)
        #expect(cluster[1].isLeader)
    }

    @Test("a follower whose disk hangs does not campaign, not even when told to")
    func followerDoesNotCampaign() {
        var cluster = Self.led()
        cluster.hung = [NodeID(2)]
        cluster.propose(1, at: NodeID(1))
        cluster.run(ticks: Self.stall + 1)
        cluster.isolate(NodeID(2))
        cluster.tick(NodeID(2), count: 100)
        #expect(cluster[2].role == .follower)
        #expect(cluster[2].term == Term(1))
        cluster.step(NodeID(2), .received(message(from: 1, to: 2, term: 1, .timeoutNow)))
        #expect(cluster[2].role == .follower)
    }

    @Test("a node whose disk answers again may lead again")
    func recovers() {
        var cluster = Self.led()
        cluster.hung = [NodeID(1)]
        cluster.propose(1, at: NodeID(1))
        cluster.run(ticks: 60)
        #expect(!cluster[1].isLeader)
        cluster.hung = []
        cluster.run(ticks: 5)
        let leader = cluster.leader ?? NodeID(0)
        cluster.step(leader, .transferLeadership(to: NodeID(1)))
        cluster.run(ticks: 2)
        #expect(cluster[1].isLeader)
        #expect(cluster.failure == nil)
    }

    @Test("without a limit a leader waits for its disk as long as it takes")
    func noLimit() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.hung = [NodeID(1)]
        cluster.propose(1, at: NodeID(1))
        cluster.run(ticks: 200)
        #expect(cluster[1].isLeader)
    }
}

@Suite("Priority")
struct PriorityTests {
    @Test("a preferred node's timeouts lie in the first half of the range")
    func timeouts() {
        var longest: [Priority: Int] = [:]
        for priority in [Priority.normal, .preferred] {
            for seed in 1...200 as ClosedRange<UInt64> {
                var cluster = Cluster(size: 3, seed: seed) { $0.priority = priority }
                var ticks = 0
                while cluster[1].role == .follower {
                    cluster.tick(NodeID(1))
                    ticks += 1
                }
                #expect(ticks >= cluster[1].configuration.electionTicks)
                longest[priority] = max(longest[priority] ?? 0, ticks)
            }
        }
        #expect(longest[.normal] == 19)
        #expect(longest[.preferred] == 14)
    }

    @Test("a preferred node mostly leads from the start")
    func mostlyLeads() {
        var won = 0
        for seed in 1...100 as ClosedRange<UInt64> {
            var cluster = Cluster(size: 3, seed: seed) {
                $0.priority = $0.id == NodeID(2) ? .preferred : .normal
            }
            cluster.elect()
            if cluster.leader == NodeID(2) { won += 1 }
        }
        #expect(won > 60)
        #expect(won < 100, "others still can: it is no condition")
    }
}
