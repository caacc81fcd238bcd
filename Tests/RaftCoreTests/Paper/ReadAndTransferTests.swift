// ReadIndex (dissertation 6.4), leadership transfer (3.10), and what may leave before the disk is
// done (section 5, "persistent state").

import RaftCore
import Testing

@Suite("Linearizable reads by ReadIndex (dissertation 6.4)")
struct ReadIndexTests {
    @Test("a barrier holds after a round of heartbeats, at the commit index of its start")
    func confirmed() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        let commit = cluster[1].commit
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 5)))
        #expect(cluster.readable.isEmpty)
        cluster.settle()
        #expect(cluster.readable.map(\.token.rawValue) == [5])
        #expect(cluster.readable.map(\.index) == [commit])
    }

    /// "it needs to make sure that its own log is the latest": a leader that was replaced behind a
    /// partition must not serve.
    @Test("a deposed leader confirms nothing")
    func deposedLeader() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.isolate(NodeID(1))
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 5)))
        cluster.run(ticks: 60)
        #expect(cluster.leader != NodeID(1))
        #expect(cluster.readable.isEmpty)
        #expect(cluster.unreadable.map(\.rawValue) == [5])
    }

    /// "the leader must have the latest information on which entries are committed": not before the
    /// first commit of its term.
    @Test("a new leader's barrier waits for the first commit of its term")
    func waitsForNoop() {
        var cluster = Cluster(size: 3, logs: [1: [1, 1], 2: [1, 1], 3: [1, 1]])
        cluster.winElection(NodeID(1))
        #expect(cluster[1].commit == .zero)
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 5)))
        cluster.settle()
        #expect(cluster.readable.map(\.index) == [cluster[1].commit])
        #expect(cluster[1].commit >= LogIndex(3))
    }

    @Test("barriers that arrive together share one round")
    func batched() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        for token in 0..<50 as Range<UInt64> {
            cluster.step(NodeID(1), .read(ReadToken(rawValue: token)))
        }
        // One round runs for the first; the others wait for the next, and share it.
        let rounds = cluster.sent { if case .heartbeat = $0.body { true } else { false } }.count
        #expect(rounds == 2)
        cluster.settle()
        #expect(cluster.readable.count == 50)
    }

    @Test("an answer to an earlier round confirms nothing later")
    func staleAnswer() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 1)))
        let earlier = cluster.network
        cluster.settle()
        #expect(cluster.readable.count == 1)
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 2)))
        cluster.network = earlier
        cluster.settle()
        #expect(cluster.readable.count == 1)
    }

    @Test("a group of one needs nobody's word")
    func single() {
        var cluster = Cluster(size: 1)
        cluster.elect()
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 1)))
        #expect(cluster.readable.count == 1)
    }

    @Test("a follower confirms nothing")
    func follower() {
        var cluster = Cluster(size: 3)
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 1)))
        #expect(cluster.unreadable.count == 1)
    }
}

@Suite("Leadership transfer (dissertation 3.10)")
struct TransferTests {
    @Test("the target leads, without waiting for an election timeout")
    func transfers() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.step(NodeID(1), .transferLeadership(to: NodeID(3)))
        cluster.settle()
        #expect(cluster[3].isLeader)
        #expect(!cluster[1].isLeader)
        #expect(cluster.failure == nil)
    }

    /// "The prior leader stops accepting new client requests. The prior leader fully updates the
    /// target server's log to match its own"
    @Test("proposals are refused meanwhile, and the target has the whole log")
    func targetCatchesUp() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.isolate(NodeID(3))
        for byte in 1...9 as ClosedRange<UInt8> { cluster.propose(byte, at: NodeID(1)) }
        cluster.settle()
        cluster.step(NodeID(1), .transferLeadership(to: NodeID(3)))
        cluster.propose(10, at: NodeID(1))
        #expect(cluster.refused == [.transferring])
        #expect(cluster.sent { $0.body == .timeoutNow }.isEmpty)
        cluster.cuts = []
        cluster.run(ticks: 8)
        #expect(cluster[3].isLeader)
        #expect(cluster.committed.count == 11)
    }

    /// "If leadership transfer does not complete after about an election timeout, the prior leader
    /// aborts the transfer and resumes accepting client requests."
    @Test("a transfer to a dead node is given up")
    func givenUp() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        cluster.crash(NodeID(3))
        cluster.step(NodeID(1), .transferLeadership(to: NodeID(3)))
        #expect(cluster[1].isTransferring)
        cluster.run(ticks: cluster[1].configuration.electionTicks + 1)
        #expect(cluster[1].isLeader)
        #expect(!cluster[1].isTransferring)
    }

    @Test("a transfer to nobody of the group, or to itself, is no transfer")
    func noTarget() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        for target in [1, 4, .max] as [UInt64] {
            cluster.step(NodeID(1), .transferLeadership(to: NodeID(target)))
            #expect(!cluster[1].isTransferring)
        }
    }
}

@Suite("What may leave before the disk is done")
struct DurabilityTests {
    @Test("at most one batch is with the disk; what comes meanwhile is the next one")
    func oneBatch() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        for byte in 1...5 as ClosedRange<UInt8> { cluster.propose(byte, at: NodeID(1)) }
        #expect(cluster.members[0].writing?.entries.count == 1)
        cluster.sync(NodeID(1))
        #expect(cluster.members[0].writing?.entries.count == 4)
    }

    /// The ABA race: entries were handed to the disk, cut, and replaced by others at the same
    /// index. The word that the first write is done must not vouch for the second.
    @Test("a write that was overtaken by a cut vouches for nothing")
    func overtakenWrite() {
        var cluster = Cluster(size: 3)
        let old = append(from: 1, to: 2, term: 1, after: .origin, [command(1, 1, 1)])
        let new = append(from: 3, to: 2, term: 2, after: .origin, [command(2, 1, 2)])
        cluster.step(NodeID(2), .received(old))
        cluster.step(NodeID(2), .received(new))
        cluster.sync(NodeID(2))
        let early = cluster.sent { $0.to == NodeID(3) && $0.appendResponse != nil }
        #expect(early.isEmpty, "entry 1 of term 2 is not on the disk yet")
        #expect(cluster[2].log.durable == .zero)
        cluster.sync(NodeID(2))
        let late = cluster.sent { $0.to == NodeID(3) }.map(\.appendResponse)
        #expect(late == [.accepted(match: LogIndex(1))])
    }

    @Test("a hint may leave at once: a rejection promises nothing")
    func rejectionLeavesAtOnce() {
        var cluster = Cluster(size: 3)
        let request = append(from: 1, to: 2, term: 1, after: position(1, 5), [])
        cluster.step(NodeID(2), .received(request))
        #expect(cluster.network.count == 1)
        #expect(cluster.members[1].writing != nil, "the term is being written")
    }

    @Test("what was applied once is applied again after a restart, from the first entry")
    func restart() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        for byte in 1...20 as ClosedRange<UInt8> {
            cluster.propose(byte, at: NodeID(1))
            cluster.settle()
        }
        for id in 1...3 as ClosedRange<UInt64> { cluster.crash(NodeID(id)) }
        for id in 1...3 as ClosedRange<UInt64> { cluster.restart(NodeID(id)) }
        cluster.network = []
        cluster.elect()
        cluster.run(ticks: 5)
        #expect(cluster.members.allSatisfy { $0.applied.count >= 21 })
        #expect(cluster.failure == nil)
    }
}
