// Raft section 7: what a node's own snapshot means to its log.

import RaftCore
import TestKit
import Testing

@Suite("Log compaction (section 7)")
struct CompactionTests {
    private static func cluster(_ adjust: (inout Limits) -> Void) -> Cluster {
        var limits = Limits()
        adjust(&limits)
        var cluster = Cluster(size: 3, limits: limits)
        cluster.campaign(NodeID(1))
        cluster.commit(20)
        return cluster
    }

    /// "Once a server completes writing a snapshot, it may delete all log entries up through the
    /// last included index, as well as any prior snapshot."
    @Test("the log goes once the snapshot is durable, not when it is cut")
    func afterStored() {
        var cluster = Self.cluster { $0.trailingEntries = 0 }
        cluster.cut(NodeID(1))
        cluster.propose(1, at: NodeID(1))
        #expect(cluster[1].log.base == .origin)
        #expect(cluster.members[0].writing?.base == nil)
        let position = cluster.members[0].applied.last?.position
        cluster.work(NodeID(1))
        #expect(cluster[1].log.base == position)
        cluster.sync(NodeID(1))
        cluster.propose(1, at: NodeID(1))
        #expect(cluster.members[0].writing?.base == position)
        cluster.sync(NodeID(1))
        #expect(cluster.members[0].disk.base == position)
        #expect(cluster.members[0].disk.entries.first?.index == position?.index.next)
    }

    @Test("compaction alone makes no write: it rides on the next batch")
    func ridesOnNextBatch() {
        var cluster = Self.cluster { $0.trailingEntries = 0 }
        cluster.snapshot(1)
        #expect(cluster.members[0].writing == nil)
        #expect(cluster[1].log.base.index == LogIndex(21))
    }

    @Test("the entries of the trailing window stay", arguments: [0, 1, 5, 20, 21, 500])
    func trailing(entries: Int) {
        var cluster = Self.cluster { $0.trailingEntries = entries }
        cluster.snapshot(1)
        #expect(cluster[1].log.count == min(entries, 21))
        #expect(cluster[1].snapshot.position.index == LogIndex(21))
    }

    @Test("what a snapshot stands for gives its memory back in the turns that follow")
    func memory() {
        var cluster = Self.cluster { $0.trailingEntries = 0 }
        cluster.commit(2_000)
        cluster.snapshot(1)
        #expect(cluster[1].log.count == 0)
        #expect(!cluster[1].log.isReleased)
        cluster.tick(NodeID(1), count: 5)
        #expect(cluster[1].log.isReleased)
    }

    /// Each entry but the first, the empty one of the leader, has one byte.
    @Test("the trailing window is bounded in bytes too", arguments: [0, 1, 7])
    func trailingBytes(bytes: Int) {
        var cluster = Self.cluster { $0.trailingBytesMax = bytes }
        cluster.snapshot(1)
        #expect(cluster[1].log.count == bytes)
    }

    /// A leader commits with its followers before its own disk is done. A log on the disk that
    /// begins after what is there would have a gap.
    @Test("the log is never compacted past what is durable here")
    func notPastDurable() {
        var cluster = Self.cluster { $0.trailingEntries = 0 }
        let durable = cluster[1].log.durable
        cluster.hung = [NodeID(1)]
        cluster.commit(5)
        #expect(cluster[1].commit == durable.advanced(by: 5))
        cluster.snapshot(1)
        #expect(cluster[1].snapshot.position.index == cluster[1].commit)
        #expect(cluster[1].log.base.index == durable)
        // The machine stops there: the snapshot reaches further than the log on the disk.
        cluster.members[0].writing = nil
        cluster.crash(NodeID(1))
        cluster.restart(NodeID(1))
        #expect(cluster[1].commit == durable.advanced(by: 5))
        #expect(cluster[1].log.last.index == durable.advanced(by: 5))
        cluster.hung = []
        cluster.network = []
        cluster.elect()
        cluster.run(ticks: 5)
        #expect(cluster.failure == nil)
    }

    @Test("an older snapshot that is stored late changes nothing")
    func lateStore() {
        var cluster = Self.cluster { $0.trailingEntries = 0 }
        cluster.snapshot(1)
        let snapshot = cluster[1].snapshot
        cluster.step(NodeID(1), .snapshotStored(mark(1, 5)))
        #expect(cluster[1].snapshot == snapshot)
    }

    @Test("a restarted node starts with its snapshot and the log after it")
    func restart() {
        var cluster = Self.cluster { $0.trailingEntries = 3 }
        cluster.snapshot(1)
        cluster.commit(2)
        cluster.crash(NodeID(1))
        cluster.restart(NodeID(1))
        #expect(cluster[1].snapshot.position.index == LogIndex(21))
        #expect(cluster[1].log.base.index == LogIndex(18))
        #expect(cluster[1].log.last.index == LogIndex(23))
        #expect(cluster.members[0].applied.count == 21)
    }

    @Test("an append that begins in the compacted part is answered with what is committed")
    func appendBeforeBase() {
        var cluster = Self.cluster { $0.trailingEntries = 0 }
        cluster.run(ticks: 3)
        cluster.snapshot(2)
        let old = append(from: 1, to: 2, term: 1, after: position(1, 4), [command(1, 5)])
        cluster.step(NodeID(2), .received(old))
        #expect(cluster.network.map(\.appendResponse) == [.accepted(match: LogIndex(21))])
        #expect(cluster.failure == nil)
    }
}
