// Dissertation 6.4.1: reads by lease, with the corrections that Lease.swift names.

import RaftCore
import Testing

@Suite("Leases (dissertation 6.4.1)")
struct LeaseTests {
    private static let promise: UInt64 = 900_000_000
    private static let drift: UInt64 = 100
    /// promise * (1 - drift) / (1 + drift)
    private static let length: UInt64 = 736_363_636

    private static func cluster(size: Int = 3, logs: Bool = false) -> Cluster {
        var cluster = Cluster(size: size) {
            $0.promise = promise
            $0.reads = .lease(driftPermille: drift)
        }
        cluster.pass(nanoseconds: promise)
        return cluster
    }

    private static func led() -> Cluster {
        var cluster = cluster()
        cluster.campaign(NodeID(1))
        cluster.tick(NodeID(1), count: 2)
        cluster.settle()
        return cluster
    }

    private static func read(_ cluster: inout Cluster) -> Instant? {
        let before = cluster.readable.count
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 1)))
        return cluster.readable.count > before ? cluster.readable.last?.validUntil : nil
    }

    /// "The leader would use the normal heartbeat mechanism to maintain a lease. Once the leader's
    /// heartbeats were acknowledged by a majority of the cluster, it would extend its lease"
    @Test("a read under a lease needs no message, and says until when it may be made")
    func readsByLease() {
        var cluster = Self.led()
        let until = Self.read(&cluster)
        #expect(cluster.network.isEmpty)
        #expect(until.map { $0 > cluster.members[0].clock } == true)
        #expect(cluster.readable.last?.index == cluster[1].commit)
    }

    @Test("a lease counts from when the heartbeat was sent, not from when it was answered")
    func fromSendTime() {
        var cluster = Self.led()
        cluster.pass(nanoseconds: 2_000_000_000)
        cluster.tick(NodeID(1), count: 2)
        let sentAt = cluster.members[0].clock
        cluster.pass(nanoseconds: 300_000_000)
        cluster.settle()
        #expect(cluster[1].leaseEnd == sentAt.advanced(by: Self.length))
    }

    @Test("where a lease has run out a round of heartbeats takes its place")
    func fallsBack() {
        var cluster = Self.led()
        cluster.pass(nanoseconds: Self.length)
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 7)))
        #expect(cluster.readable.isEmpty)
        #expect(cluster.sent(where: \.isHeartbeat).count == 2)
        cluster.settle()
        #expect(cluster.readable.map(\.validUntil) == [nil])
    }

    @Test("one answer of two is enough of three; of five, one is not")
    func majority() {
        for size in [3, 5] {
            var cluster = Self.cluster(size: size)
            cluster.campaign(NodeID(1))
            for id in 3...UInt64(size) { cluster.isolate(NodeID(id)) }
            cluster.pass(nanoseconds: 2_000_000_000)
            cluster.tick(NodeID(1), count: 2)
            cluster.settle()
            let isLeased = cluster[1].leaseEnd.map { $0 > cluster.members[0].clock } == true
            #expect(isLeased == (size == 3))
        }
    }

    @Test("no lease where reads go by quorum")
    func quorumRule() {
        var cluster = Cluster(size: 3) { $0.promise = Self.promise }
        cluster.pass(nanoseconds: Self.promise)
        cluster.campaign(NodeID(1))
        cluster.tick(NodeID(1), count: 2)
        cluster.settle()
        #expect(cluster[1].isLeader)
        #expect(cluster[1].leaseEnd == nil)
    }

    @Test("no lease before the first commit of the term, whatever was answered")
    func notBeforeFirstCommit() {
        var cluster = Self.cluster()
        cluster.winElection(NodeID(1))
        cluster.network = []
        cluster.tick(NodeID(1), count: 2)
        cluster.settleWithoutAppends()
        #expect(cluster[1].commit == .zero)
        #expect(cluster[1].leaseEnd == nil)
        cluster.run(ticks: 4)
        #expect(cluster[1].commit > .zero)
        #expect(cluster[1].leaseEnd != nil)
    }

    @Test("an answer to an old round extends nothing")
    func oldRound() {
        var cluster = Self.led()
        cluster.tick(NodeID(1), count: 2)
        let heartbeats = cluster.network
        cluster.settle()
        let end = cluster[1].leaseEnd
        cluster.pass(nanoseconds: 300_000_000)
        cluster.network = heartbeats
        cluster.settle()
        #expect(cluster[1].leaseEnd == end)
    }

    @Test("an answer so old that its round is forgotten proves nothing")
    func forgottenRound() {
        var cluster = Self.cluster()
        cluster.campaign(NodeID(1))
        cluster.losing = { $0.from == NodeID(2) }
        cluster.tick(NodeID(1), count: 2)
        let heartbeats = cluster.network.filter { $0.to == NodeID(2) && $0.isHeartbeat }
        // Node 3 keeps the leader in office meanwhile.
        cluster.run(ticks: 2 * 2 * Limits.trackedRounds + 2)
        #expect(cluster[1].isLeader)
        let confirmedAt = cluster[1].progress[1].confirmedAt
        cluster.losing = nil
        cluster.network = heartbeats
        cluster.settle()
        #expect(cluster[1].progress[1].round > .none)
        #expect(cluster[1].progress[1].confirmedAt == confirmedAt)
    }

    @Test("the lease of one leadership is worth nothing in the next")
    func newLeadership() {
        var cluster = Self.led()
        cluster.step(NodeID(1), .received(heartbeat(from: 2, to: 1, term: 2)))
        #expect(cluster[1].leaseEnd == nil)
        cluster.pass(nanoseconds: Self.promise)
        cluster.winElection(NodeID(1))
        #expect(cluster[1].isLeader)
        #expect(cluster[1].leaseEnd == nil)
    }

    // MARK: Handing over

    @Test(
        "no lease during a handover; it returns when nobody was told to campaign"
    )
    func transferPending() {
        var cluster = Self.led()
        cluster.isolate(NodeID(3))
        cluster.commit(1)
        cluster.step(NodeID(1), .transferLeadership(to: NodeID(3)))
        #expect(cluster[1].leaseEnd == nil)
        cluster.run(ticks: cluster[1].configuration.electionTicks + 4)
        #expect(cluster[1].isLeader)
        #expect(!cluster[1].isTransferring)
        #expect(cluster[1].leaseEnd != nil)
    }

    /// The one who was told may get the message at any time, and all promises are void for it.
    @Test("no lease for the rest of the term once somebody was told to campaign")
    func transferForfeits() {
        var cluster = Self.led()
        cluster.step(NodeID(1), .transferLeadership(to: NodeID(3)))
        let order = cluster.network.filter { $0.body == .timeoutNow }
        #expect(order.count == 1)
        cluster.network = []
        cluster.run(ticks: cluster[1].configuration.electionTicks + 20)
        #expect(cluster[1].isLeader)
        #expect(!cluster[1].isTransferring)
        #expect(cluster[1].leaseEnd == nil)
        // It arrives after all: the group follows, in spite of promises made a moment ago.
        cluster.network = order
        cluster.settle()
        #expect(cluster[3].isLeader)
    }

    @Test("a lease read of the turn in which somebody is told to campaign does not hold")
    func readAndTransferInOneTurn() {
        let cluster = Self.led()
        var node = cluster[1]
        var effects = Effects()
        node.setClock(cluster.members[0].clock)
        node.step(.read(ReadToken(rawValue: 1)), into: &effects)
        #expect(effects.readable.count == 1)
        node.step(.transferLeadership(to: NodeID(3)), into: &effects)
        node.flush(into: &effects)
        #expect(effects.send.contains { $0.body == .timeoutNow })
        #expect(effects.readable.isEmpty)
        #expect(effects.unreadable == [ReadToken(rawValue: 1)])
    }

    // MARK: Promises

    @Test("who heard a leader votes for nobody else until the promise is over")
    func promiseBinds() {
        var cluster = Self.led()
        let heardAt = cluster.members[1].clock
        // The ticks of an election timeout alone free nobody.
        cluster.step(NodeID(2), .tick)
        for _ in 0..<40 { cluster.step(NodeID(2), .tick) }
        cluster.network = []
        #expect(cluster[2].role == .follower, "nor does it campaign itself")
        let last = cluster[2].log.last
        cluster.step(NodeID(2), .received(preVoteRequest(from: 3, to: 2, term: 1, last: last)))
        cluster.step(NodeID(2), .received(voteRequest(from: 3, to: 2, term: 2, last: last)))
        cluster.sync(NodeID(2))
        #expect(cluster.votesGranted(to: NodeID(3)) == 0)
        #expect(cluster[2].term == Term(1))
        cluster.members[1].clock = heardAt.advanced(by: Self.promise)
        cluster.step(NodeID(2), .received(voteRequest(from: 3, to: 2, term: 2, last: last)))
        cluster.sync(NodeID(2))
        #expect(cluster.votesGranted(to: NodeID(3)) == 1)
    }

    @Test("a newer term that came by another way does not free a voter of its promise")
    func promiseOutlivesTerm() {
        var cluster = Self.led()
        let stale = message(from: 3, to: 2, term: 5, .appendResponse(.stale))
        cluster.step(NodeID(2), .received(stale))
        #expect(cluster[2].term == Term(5))
        let last = cluster[2].log.last
        cluster.step(NodeID(2), .received(voteRequest(from: 3, to: 2, term: 5, last: last)))
        cluster.sync(NodeID(2))
        #expect(cluster.votesGranted(to: NodeID(3)) == 0)
    }

    @Test("a restarted node keeps the promise that it may have made, as a voter and as a candidate")
    func promiseAfterRestart() {
        var cluster = Self.led()
        cluster.crash(NodeID(2))
        cluster.restart(NodeID(2))
        let startedAt = cluster.members[1].clock
        cluster.network = []
        for _ in 0..<40 { cluster.step(NodeID(2), .tick) }
        #expect(cluster[2].role == .follower)
        #expect(cluster.network.isEmpty)
        let last = position(9, 99)
        cluster.members[1].clock = startedAt.advanced(by: Self.promise - 1)
        cluster.step(NodeID(2), .received(voteRequest(from: 3, to: 2, term: 9, last: last)))
        cluster.sync(NodeID(2))
        #expect(cluster.votesGranted(to: NodeID(3)) == 0)
        cluster.members[1].clock = startedAt.advanced(by: Self.promise)
        cluster.step(NodeID(2), .tick)
        #expect(cluster[2].role == .preCandidate)
    }

    @Test("the promise yields to the candidate whom the leader itself sent")
    func promiseYieldsToTransfer() {
        var cluster = Self.led()
        let last = cluster[2].log.last
        let request = voteRequest(from: 3, to: 2, term: 2, last: last, isTransfer: true)
        cluster.step(NodeID(2), .received(request))
        cluster.sync(NodeID(2))
        #expect(cluster.votesGranted(to: NodeID(3)) == 1)
    }

    @Test("a snapshot's chunk renews the promise as an append does")
    func chunkRenews() {
        var cluster = Self.led()
        cluster.pass(nanoseconds: Self.promise)
        cluster.step(NodeID(2), .received(chunk(term: 1, mark(1, 99), offset: 0)))
        cluster.pass(nanoseconds: Self.promise - 1)
        for _ in 0..<40 { cluster.step(NodeID(2), .tick) }
        #expect(cluster[2].role == .follower)
    }
}
