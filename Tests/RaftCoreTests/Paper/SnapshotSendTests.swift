// Raft section 7, the leader's side: who gets a snapshot, how it travels, and what a node's own
// snapshot means to its log.

import RaftCore
import TestKit
import Testing

@Suite("InstallSnapshot, the sender (section 7)")
struct SnapshotSendTests {
    private static func limits(adjust: (inout Limits) -> Void = { _ in }) -> Limits {
        var limits = Limits()
        limits.trailingEntries = 0
        limits.snapshotChunkBytesMax = 400
        adjust(&limits)
        return limits
    }

    /// Node 3 missed ten entries, which the leader, 1, has compacted. The way to it is open again.
    private static func lagging(_ limits: Limits = limits(), size: Int = 3) -> Cluster {
        var cluster = Cluster(size: size, limits: limits)
        cluster.campaign(NodeID(1))
        cluster.run(ticks: 2)
        cluster.isolate(NodeID(3))
        cluster.commit(10)
        cluster.snapshot(1)
        cluster.cuts = []
        cluster.record = []
        return cluster
    }

    /// The follower gets all of the leader's snapshot, and finds that it cannot use it.
    private static func damage(_ snapshot: SnapshotMark, in cluster: inout Cluster) {
        var budget = 1_000
        while budget > 0, !cluster.members[2].work.contains(where: { $0.isReceive }) {
            budget -= 1
            for member in cluster.members where member.node.id != NodeID(3) {
                cluster.sync(member.node.id)
                cluster.work(member.node.id)
            }
            if cluster.network.isEmpty { cluster.tick(NodeID(1)) } else { cluster.deliver(at: 0) }
        }
        #expect(budget > 0, "it has come in")
        cluster.members[2].work = []
        cluster.step(NodeID(3), .snapshotDamaged(snapshot.position))
    }

    private static func fetches(_ cluster: Cluster) -> [SnapshotFetch] {
        (cluster.record ?? []).flatMap(\.effects.fetch)
    }

    /// "The leader must occasionally send snapshots to followers that lag behind. This happens when
    /// the leader has already discarded the next log entry that it needs to send to a follower."
    @Test("a follower that needs compacted entries gets the snapshot, and then the log")
    func sendsSnapshot() {
        var cluster = Self.lagging()
        cluster.commit(1)
        cluster.run(ticks: 8)
        #expect(cluster.installed == 1)
        #expect(cluster[3].log.last == cluster[1].log.last)
        #expect(cluster.members[2].applied == cluster.members[0].applied)
        #expect(Self.fetches(cluster).map(\.offset) == [0, 400, 800])
        #expect(cluster.failure == nil)
    }

    @Test("a follower that needs no compacted entry gets no snapshot")
    func noSnapshotNeeded() {
        var cluster = Self.lagging(Self.limits { $0.trailingEntries = 100 })
        cluster.commit(1)
        cluster.run(ticks: 8)
        #expect(cluster.installed == 0)
        #expect(cluster[3].log.last == cluster[1].log.last)
    }

    @Test("one chunk at a time is on its way to a follower")
    func stopAndWait() {
        var cluster = Self.lagging()
        var most = 0
        for _ in 0..<2_000 where cluster.failure == nil {
            for member in cluster.members {
                cluster.sync(member.node.id)
                cluster.work(member.node.id)
            }
            most = max(most, cluster.sent { $0.snapshotChunk != nil }.count)
            if cluster.network.isEmpty { cluster.tick(NodeID(1)) } else { cluster.deliver(at: 0) }
        }
        #expect(cluster.installed == 1)
        #expect(most == 1)
    }

    @Test("a chunk that was lost is sent again, and no other")
    func resumed() {
        var cluster = Self.lagging()
        cluster.losing = { $0.snapshotChunk?.offset == 400 }
        cluster.run(ticks: 12)
        #expect(cluster.installed == 0)
        cluster.losing = nil
        cluster.run(ticks: 12)
        #expect(cluster.installed == 1)
        let offsets = Self.fetches(cluster).map(\.offset)
        #expect(offsets.count { $0 == 0 } == 1)
        #expect(offsets.count { $0 == 400 } > 1)
        #expect(offsets.count { $0 == 800 } == 1)
    }

    @Test("answers that were lost cost no more than the chunk that they were for")
    func lostAnswers() {
        var cluster = Self.lagging()
        cluster.losing = { $0.snapshotResponse?.wanted == 800 }
        cluster.run(ticks: 20)
        cluster.losing = nil
        cluster.run(ticks: 12)
        #expect(cluster.installed == 1)
        #expect(Self.fetches(cluster).count { $0.offset == 0 } == 1)
    }

    @Test("a follower that restarts midway gets it from the start")
    func followerRestarts() {
        var cluster = Self.lagging()
        cluster.losing = { $0.snapshotChunk?.offset == 800 }
        cluster.run(ticks: 10)
        cluster.crash(NodeID(3))
        cluster.restart(NodeID(3))
        cluster.losing = nil
        cluster.run(ticks: 20)
        #expect(cluster.installed == 1)
        #expect(Self.fetches(cluster).count { $0.offset == 0 } == 2)
        #expect(cluster.failure == nil)
    }

    /// The request to start anew arrives twice, the second time when the follower has gone on.
    @Test("a repeated answer to begin anew does not stop a transfer for good")
    func repeatedRestart() {
        var cluster = Self.lagging()
        cluster.losing = { $0.snapshotChunk?.offset == 800 }
        cluster.run(ticks: 10)
        let anew = SnapshotResponse(position: cluster[1].snapshot.position, wanted: 0)
        let term = cluster[1].term.rawValue
        cluster.step(
            NodeID(1),
            .received(message(from: 3, to: 1, term: term, .snapshotResponse(anew)))
        )
        cluster.losing = nil
        cluster.run(ticks: 30)
        #expect(cluster.installed == 1)
    }

    @Test("a snapshot that is gone is replaced by the newest one")
    func gone() {
        var cluster = Self.lagging()
        cluster.losing = { $0.snapshotChunk?.offset == 400 }
        cluster.run(ticks: 6)
        let old = cluster[1].snapshot.position
        cluster.commit(3)
        cluster.snapshot(1)
        cluster.contents[old] = nil
        cluster.losing = nil
        cluster.run(ticks: 20)
        #expect(cluster.installed == 1)
        #expect(cluster[3].snapshot.position == cluster[1].snapshot.position)
        #expect(cluster[1].snapshot.position.index > old.index)
        #expect(Self.fetches(cluster).last?.mark.position == cluster[1].snapshot.position)
    }

    @Test("a transfer keeps to its snapshot while that is there, though there is a newer one")
    func keepsToItsSnapshot() {
        var cluster = Self.lagging(Self.limits { $0.trailingEntries = 3 })
        cluster.losing = { $0.snapshotChunk?.offset == 400 }
        cluster.run(ticks: 6)
        let old = cluster[1].snapshot.position
        cluster.commit(2)
        cluster.snapshot(1)
        cluster.losing = nil
        cluster.run(ticks: 20)
        #expect(cluster.installed == 1)
        #expect(cluster[3].snapshot.position == old)
        #expect(cluster[3].log.last == cluster[1].log.last)
    }

    // MARK: Bounds

    @Test("no more bytes leave in a tick than the limit says")
    func throttled() {
        var cluster = Self.lagging(Self.limits { $0.snapshotBytesPerTickMax = 800 })
        cluster.snapshotBytes = 4_000
        cluster.run(ticks: 30)
        #expect(cluster.installed == 1)
        var bytesInTick = 0
        var most = 0
        for step in cluster.record ?? [] where step.id == NodeID(1) {
            if case .tick = step.input { bytesInTick = 0 }
            bytesInTick += step.effects.send.compactMap { $0.snapshotChunk?.bytes.count }
                .reduce(0, +)
            most = max(most, bytesInTick)
        }
        #expect(most == 800)
    }

    /// Nodes 3 to 5 lack what is compacted; two of them are served at a time.
    private static func manyLagging(
        streams: Int,
        adjust: (inout Limits) -> Void = { _ in }
    ) -> Cluster {
        let bounds = limits {
            $0.snapshotStreamsMax = streams
            adjust(&$0)
        }
        var cluster = Cluster(size: 7, limits: bounds)
        cluster.campaign(NodeID(1))
        cluster.run(ticks: 2)
        for id in 5...7 as ClosedRange<UInt64> { cluster.isolate(NodeID(id)) }
        cluster.commit(10)
        cluster.snapshot(1)
        cluster.cuts = []
        cluster.record = []
        return cluster
    }

    @Test("so many followers get a snapshot at a time; the others wait for their turn")
    func streamsBounded() {
        var cluster = Self.manyLagging(streams: 2)
        cluster.losing = { $0.snapshotChunk?.offset == 800 }
        // Before the first has lost its turn.
        cluster.run(ticks: 5)
        #expect(Set(Self.fetches(cluster).map(\.follower)).count == 2)
        cluster.losing = nil
        cluster.run(ticks: 40)
        #expect(cluster.installed == 3)
    }

    @Test("followers that died while they got a snapshot do not hold up the others")
    func deadStreams() {
        var cluster = Self.manyLagging(streams: 2)
        cluster.losing = { $0.snapshotChunk?.offset == 800 }
        cluster.run(ticks: 5)
        let served = Set(Self.fetches(cluster).map(\.follower))
        for id in served { cluster.crash(id) }
        cluster.losing = nil
        cluster.run(ticks: 60)
        #expect(served.count == 2)
        #expect(cluster.installed == 1)
    }

    @Test("followers that live and cannot store a snapshot do not hold up the others")
    func stuckStreams() {
        var cluster = Self.manyLagging(streams: 2)
        cluster.hung = [NodeID(5), NodeID(6)]
        cluster.run(ticks: 60)
        #expect(cluster.installed == 1)
        #expect(cluster[7].snapshot == cluster[1].snapshot)
        #expect(Set(Self.fetches(cluster).map(\.follower)).count == 3, "they were served, too")
    }

    /// Each of them gets all of it, again and again.
    @Test("followers that find each snapshot damaged do not hold up the others")
    func streamsBegunAnew() {
        var cluster = Self.manyLagging(streams: 2)
        cluster.findsAllDamaged = [NodeID(5), NodeID(6)]
        cluster.run(ticks: 60)
        #expect(cluster.installed == 1)
        #expect(cluster[7].snapshot == cluster[1].snapshot)
        let begun = Self.fetches(cluster).count { $0.offset == 0 }
        #expect(begun > 5, "they have begun anew")
    }

    /// Its disk needed longer for the piece than it had for its turn.
    @Test("what a follower says to have kept after its turn is believed")
    func lateAnswer() {
        var cluster = Self.manyLagging(streams: 1)
        cluster.hung = [NodeID(6), NodeID(7)]
        cluster.losing = { $0.from == NodeID(5) && $0.snapshotResponse != nil }
        func transfer() -> SnapshotTransfer? {
            let follower = cluster[1].progress.first { $0.id == NodeID(5) }
            guard case .snapshot(let transfer)? = follower?.state else { return nil }
            return transfer
        }
        for _ in 0..<30 where transfer()?.phase != .waiting || transfer()?.lastSent == nil {
            cluster.run(ticks: 1)
        }
        #expect(transfer()?.phase == .waiting)
        #expect(transfer()?.acknowledged == 0)
        let kept = SnapshotResponse(position: cluster[1].snapshot.position, wanted: 400)
        let term = cluster[1].term.rawValue
        cluster.step(
            NodeID(1),
            .received(message(from: 5, to: 1, term: term, .snapshotResponse(kept)))
        )
        #expect(transfer()?.acknowledged == 400)
    }

    @Test("a transfer that waits for its turn keeps it when there is a newer snapshot")
    func turnKept() {
        var cluster = Self.manyLagging(streams: 1)
        cluster.hung = [NodeID(5), NodeID(6)]
        for _ in 0..<60 where cluster.installed == 0 {
            cluster.run(ticks: 2)
            cluster.commit(1)
            cluster.snapshot(1)
        }
        #expect(cluster.installed == 1)
        #expect(cluster[7].log.base.index > LogIndex(10))
    }

    /// Each time it has got a few pieces it dies: what it has lost is sent anew, at once.
    @Test("a follower that dies again and again in the midst of it does not hold up the others")
    func restartingStream() {
        var cluster = Self.manyLagging(streams: 1) { $0.snapshotBytesPerTickMax = 800 }
        cluster.snapshotBytes = 8_000
        for _ in 0..<80 where cluster.installed < 2 {
            cluster.run(ticks: 1)
            cluster.crash(NodeID(5))
            cluster.restart(NodeID(5))
        }
        #expect(cluster[6].snapshot == cluster[1].snapshot)
        #expect(cluster[7].snapshot == cluster[1].snapshot)
    }

    // MARK: A slow follower

    /// Its window is full of appends that were lost, and what follows them is compacted.
    @Test("a follower with a full window whose next entries are compacted gets a snapshot")
    func fullWindow() {
        var cluster = Cluster(
            size: 3,
            limits: Self.limits { $0.inflightMessagesMax = 4 }
        )
        cluster.campaign(NodeID(1))
        cluster.run(ticks: 2)
        cluster.isolate(NodeID(3))
        cluster.commit(20)
        cluster.snapshot(1)
        #expect(cluster[1].log.base.index > LogIndex(10))
        cluster.cuts = []
        cluster.run(ticks: 40)
        #expect(cluster.installed == 1)
        #expect(cluster[3].log.last == cluster[1].log.last)
    }

    @Test("a slow follower never pins the leader's log")
    func neverPinned() {
        var cluster = Self.lagging()
        cluster.losing = { $0.snapshotChunk != nil }
        for _ in 0..<5 {
            cluster.commit(5)
            cluster.run(ticks: 3)
            cluster.snapshot(1)
            #expect(cluster[1].log.base == cluster[1].snapshot.position)
        }
        #expect(cluster[1].log.count == 0)
    }

    @Test("a follower that got a snapshot which the log has left behind gets another")
    func overtakenTransfer() {
        var cluster = Self.lagging()
        cluster.losing = { $0.snapshotChunk?.isLast == true }
        cluster.run(ticks: 8)
        cluster.commit(5)
        cluster.snapshot(1)
        cluster.losing = nil
        cluster.run(ticks: 40)
        #expect(cluster.installed == 2)
        #expect(cluster[3].log.last == cluster[1].log.last)
    }

    @Test("a learner that joins a group with a compacted log gets the snapshot, with the members")
    func joiner() {
        var cluster = Cluster(size: 3, outsiders: 1, limits: Self.limits())
        cluster.campaign(NodeID(1))
        cluster.commit(10)
        cluster.snapshot(1)
        cluster.add(4, .whenCaughtUp(replacing: NodeID(2)))
        cluster.run(ticks: 20)
        #expect(cluster.installed == 1)
        #expect(cluster[4].membership.words == "1 3 4")
        #expect(cluster.failure == nil)
    }
}

// MARK: Snapshots that are of no use

extension SnapshotSendTests {
    /// The leader's own disk may have lost or damaged it, and the leader itself never reads it.
    @Test("where the newest snapshot is gone, another is asked for, and heartbeats pace the rest")
    func newestGone() {
        var cluster = Self.lagging()
        let kept = cluster.contents
        cluster.contents[cluster[1].snapshot.position] = nil
        cluster.run(ticks: 20)
        let record = cluster.record ?? []
        #expect(record.contains { $0.id == NodeID(1) && $0.effects.isSnapshotWanted })
        #expect(Self.fetches(cluster).count <= 20, "no more than one for each heartbeat")
        cluster.contents = kept
        cluster.run(ticks: 20)
        #expect(cluster.installed == 1)
    }

    /// Of one piece, so that asking for the first one again could pass for a repeat.
    @Test("a small snapshot that a follower found damaged is asked for anew, too")
    func smallDamaged() {
        var cluster = Self.lagging(Self.limits { $0.snapshotChunkBytesMax = 10_000 })
        let first = cluster[1].snapshot
        Self.damage(first, in: &cluster)
        cluster.run(ticks: 20)
        #expect((cluster.record ?? []).contains { $0.effects.isSnapshotWanted })
        #expect(cluster.installed == 1)
        #expect(cluster.failure == nil)
    }

    @Test("what a follower found damaged is asked for anew, and sent to who has nothing of it yet")
    func damaged() {
        var cluster = Self.lagging()
        let first = cluster[1].snapshot
        Self.damage(first, in: &cluster)
        cluster.losing = { $0.snapshotChunk?.mark == first && $0.snapshotChunk?.offset == 0 }
        cluster.run(ticks: 10)
        let record = cluster.record ?? []
        #expect(record.contains { $0.id == NodeID(1) && $0.effects.isSnapshotWanted })
        // The driver cuts another one.
        cluster.commit(1)
        cluster.snapshot(1)
        #expect(cluster[1].snapshot != first)
        cluster.run(ticks: 20)
        #expect(cluster[3].snapshot == cluster[1].snapshot)
        #expect(cluster.failure == nil)
    }
}

extension Member.Work {
    fileprivate var isReceive: Bool {
        if case .receive = self { true } else { false }
    }
}
