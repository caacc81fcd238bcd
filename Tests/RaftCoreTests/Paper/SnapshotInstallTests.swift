// Raft section 7 and figure 13, "InstallSnapshot RPC, receiver implementation": a test a step.

import RaftCore
import TestKit
import Testing

@Suite("InstallSnapshot, the receiver (figure 13)")
struct SnapshotInstallTests {
    /// What the driver of node 2 was handed so far, as offsets.
    private static func pieces(_ cluster: Cluster) -> [UInt64] {
        (cluster.record ?? []).filter { $0.id == NodeID(2) }
            .flatMap { $0.effects.chunks.map(\.offset) }
    }

    private static func wanted(_ cluster: Cluster) -> [UInt64] {
        cluster.network.compactMap { $0.snapshotResponse?.wanted }
    }

    private static func cluster(logs: [UInt64: [UInt64]] = [:]) -> Cluster {
        var cluster = Cluster(size: 3, logs: logs)
        cluster.record = []
        return cluster
    }

    /// A snapshot at `index` of term 2 whose content is what `entries` say.
    private static func known(_ index: UInt64, in cluster: inout Cluster) -> SnapshotMark {
        let entries = (1...index).map { command($0 == index ? 2 : 1, $0) }
        cluster.contents[position(2, index)] = entries
        return mark(2, index)
    }

    private static func install(_ mark: SnapshotMark, term: UInt64 = 2, in cluster: inout Cluster) {
        cluster.step(
            NodeID(2),
            .received(chunk(term: term, mark, offset: 0, isLast: true))
        )
        cluster.work(NodeID(2))
    }

    /// 1. "Reply immediately if term < currentTerm"
    @Test("1: a snapshot of an older term is answered with the newer one, and not taken")
    func staleTerm() {
        var cluster = Self.cluster(logs: [2: [3]])
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 0)))
        #expect(cluster.network.map(\.appendResponse) == [.stale])
        #expect(cluster.network.map(\.term) == [Term(3)])
        #expect(Self.pieces(cluster).isEmpty)
    }

    /// What waits for the disk is one chunk, not a whole snapshot.
    @Test("the next piece is asked for when the one before is kept, and no earlier")
    func keptFirst() {
        var cluster = Self.cluster()
        var node = cluster[2]
        var effects = Effects()
        node.step(.received(chunk(term: 2, mark(2, 9), offset: 0)), into: &effects)
        node.step(.received(chunk(term: 2, mark(2, 9), offset: 0)), into: &effects)
        node.step(.received(chunk(term: 2, mark(2, 9), offset: 10)), into: &effects)
        #expect(effects.chunks.map(\.offset) == [0, 10])
        #expect(effects.send.compactMap { $0.snapshotResponse?.wanted } == [0])
        effects = Effects()
        node.step(.chunkKept(position(2, 9), through: 10), into: &effects)
        // Of another snapshot, again, and of what was never handed out.
        node.step(.chunkKept(position(2, 8), through: 20), into: &effects)
        node.step(.chunkKept(position(2, 9), through: 10), into: &effects)
        node.step(.chunkKept(position(2, 9), through: 30), into: &effects)
        #expect(effects.send.compactMap { $0.snapshotResponse?.wanted } == [10])
        cluster.members[1].node = node
    }

    /// 2. "Create new snapshot file if first chunk (offset is 0)"; 3. "Write data into snapshot
    /// file at given offset"; 4. "Reply and wait for more data chunks if done is false"
    @Test("2 to 4: pieces are handed on in order, and each answer names what is wanted next")
    func inOrder() {
        var cluster = Self.cluster()
        for offset in [0, 10, 20] as [UInt64] {
            cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: offset)))
        }
        #expect(Self.pieces(cluster) == [0, 10, 20])
        #expect(Self.wanted(cluster) == [10, 20, 30])
        #expect(cluster[2].leader == NodeID(1), "a chunk is word of a live leader")
    }

    @Test("a piece after a gap, and one that was taken already, are not taken")
    func gapsAndRepeats() {
        var cluster = Self.cluster()
        for offset in [0, 20, 0, 10, 10] as [UInt64] {
            cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: offset)))
        }
        #expect(Self.pieces(cluster) == [0, 10])
        #expect(Self.wanted(cluster) == [10, 10, 10, 20, 20])
    }

    @Test("a piece of a snapshot whose begin was never seen is answered with: from the start")
    func startMissing() {
        var cluster = Self.cluster()
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 30)))
        #expect(Self.pieces(cluster).isEmpty)
        #expect(Self.wanted(cluster) == [0])
    }

    @Test("an empty piece that is not the last is not taken: it would never end")
    func emptyPiece() {
        var cluster = Self.cluster()
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 0, count: 0)))
        #expect(Self.pieces(cluster).isEmpty)
        cluster.step(
            NodeID(2),
            .received(chunk(term: 2, mark(2, 9), offset: 0, count: 0, isLast: true))
        )
        #expect(Self.pieces(cluster) == [0])
    }

    /// 5. "Save snapshot file, discard any existing or partial snapshot with a smaller index"
    @Test("5: a newer snapshot takes the place of a half received one")
    func newerSnapshot() {
        var cluster = Self.cluster()
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 0)))
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 12), offset: 0)))
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 10)))
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 12), offset: 10)))
        #expect(Self.pieces(cluster) == [0, 0, 10])
        #expect(Self.wanted(cluster) == [10, 10, 0, 20])
    }

    @Test("pieces of one position that two leaders sent are never mixed")
    func twoLeaders() {
        var cluster = Self.cluster()
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 0)))
        let other = chunk(from: 3, term: 3, mark(2, 9), offset: 10)
        cluster.step(NodeID(2), .received(other))
        #expect(Self.pieces(cluster) == [0])
        #expect(Self.wanted(cluster) == [10, 0])
        cluster.step(NodeID(2), .received(chunk(from: 3, term: 3, mark(2, 9), offset: 0)))
        cluster.step(NodeID(2), .received(other))
        #expect(Self.pieces(cluster) == [0, 0, 10])
    }

    @Test("a leader's pieces are not continued by the same leader of a later term")
    func sameLeaderLaterTerm() {
        var cluster = Self.cluster()
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 0)))
        cluster.step(NodeID(2), .received(chunk(term: 4, mark(2, 9), offset: 10)))
        #expect(Self.pieces(cluster) == [0])
        #expect(Self.wanted(cluster) == [10, 0])
    }

    /// 6. "If existing log entry has same index and term as snapshot's last included entry, retain
    /// log entries following it and reply"
    @Test("6: entries after the snapshot's last one are kept where the log has that very entry")
    func suffixKept() {
        var cluster = Self.cluster(logs: [2: [1, 1, 2, 2, 2]])
        let mark = Self.known(3, in: &cluster)
        Self.install(mark, in: &cluster)
        #expect(cluster[2].log.base == position(2, 3))
        #expect(cluster[2].log.last == position(2, 5))
        #expect(cluster[2].commit == LogIndex(3))
        cluster.sync(NodeID(2))
        #expect(cluster.members[1].disk.base == position(2, 3))
        #expect(cluster.members[1].disk.entries.map(\.index) == [LogIndex(4), LogIndex(5)])
    }

    /// 7. "Discard the entire log"
    @Test(
        "7: a log that conflicts with the snapshot is discarded",
        arguments: [3, 5, 9] as [UInt64]
    )
    func logDiscarded(index: UInt64) {
        var cluster = Self.cluster(logs: [2: [1, 1, 1, 1, 1]])
        let mark = Self.known(index, in: &cluster)
        Self.install(mark, in: &cluster)
        #expect(cluster[2].log.last == position(2, index))
        #expect(cluster[2].log.count == 0)
        // The batch of before, and the one that holds the base.
        cluster.sync(NodeID(2))
        cluster.sync(NodeID(2))
        #expect(cluster.members[1].disk.base == position(2, index))
        #expect(cluster.members[1].disk.entries.isEmpty)
        #expect(cluster.failure == nil)
    }

    /// 8. "Reset state machine using snapshot contents (and load snapshot's cluster configuration)"
    @Test("8: the machine becomes the snapshot's, and so does the membership")
    func restored() {
        var cluster = Self.cluster()
        cluster.contents[position(2, 9)] = (1...9).map { command($0 == 9 ? 2 : 1, $0) }
        Self.install(mark(2, 9, "1 2 4"), in: &cluster)
        #expect(cluster.record?.compactMap(\.effects.restore) == [mark(2, 9, "1 2 4")])
        #expect(cluster.members[1].applied.count == 9)
        #expect(cluster[2].membership.words == "1 2 4")
        #expect(cluster[2].snapshot == mark(2, 9, "1 2 4"))
    }

    @Test("the membership of a snapshot replaces one that was never committed")
    func uncommittedMembership() {
        var cluster = Self.cluster()
        let request = append(
            from: 3,
            to: 2,
            term: 1,
            after: .origin,
            [command(1, 1), members(1, 2, "2 3")]
        )
        cluster.step(NodeID(2), .received(request))
        #expect(cluster[2].membership.words == "2 3")
        let mark = Self.known(5, in: &cluster)
        Self.install(mark, in: &cluster)
        #expect(cluster[2].membership.words == "1 2 3")
    }

    @Test("a membership after the snapshot's last entry stays in force where its entry stays")
    func suffixMembership() {
        for term in [1, 2] as [UInt64] {
            var cluster = Self.cluster()
            let request = append(
                from: 1,
                to: 2,
                term: 2,
                after: .origin,
                [command(1, 1), command(term, 2), members(2, 3, "1 2 -3")]
            )
            cluster.step(NodeID(2), .received(request))
            let mark = Self.known(2, in: &cluster)
            Self.install(mark, in: &cluster)
            #expect(cluster[2].membership.words == (term == 2 ? "1 2 -3" : "1 2 3"))
        }
    }

    // MARK: Never over newer state

    @Test("a snapshot at or before the commit index is acknowledged and not taken")
    func olderThanCommit() {
        var cluster = Self.cluster(logs: [2: [2, 2, 2, 2]])
        let request = append(from: 1, to: 2, term: 2, after: position(2, 4), [], commit: 4)
        cluster.step(NodeID(2), .received(request))
        for index in [2, 4] as [UInt64] {
            cluster.network = []
            cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, index), offset: 0)))
            #expect(cluster.network.map(\.appendResponse) == [.accepted(match: LogIndex(4))])
        }
        #expect(Self.pieces(cluster).isEmpty)
    }

    @Test("a snapshot that the log overtook while it was stored changes nothing")
    func overtaken() {
        var cluster = Self.cluster(logs: [2: [1, 1, 2, 2, 2]])
        let mark = Self.known(3, in: &cluster)
        cluster.step(NodeID(2), .received(chunk(term: 2, mark, offset: 0, isLast: true)))
        let request = append(from: 1, to: 2, term: 2, after: position(2, 5), [], commit: 5)
        cluster.step(NodeID(2), .received(request))
        cluster.work(NodeID(2))
        #expect(cluster[2].commit == LogIndex(5))
        #expect(cluster[2].log.base == .origin)
        #expect(cluster.installed == 0)
        #expect(cluster.failure == nil)
    }

    @Test("a snapshot is acknowledged only once it is durable, and the log rests on it")
    func acknowledgedWhenDurable() {
        var cluster = Self.cluster()
        let mark = Self.known(9, in: &cluster)
        cluster.step(NodeID(2), .received(chunk(term: 2, mark, offset: 0, isLast: true)))
        cluster.sync(NodeID(2))
        let isEarly = cluster.network.contains { $0.appendResponse != nil }
        #expect(!isEarly)
        cluster.work(NodeID(2))
        #expect(cluster.members[1].writing?.base == position(2, 9))
        #expect(!cluster.network.contains { $0.appendResponse != nil })
        cluster.sync(NodeID(2))
        #expect(cluster.network.compactMap(\.appendResponse) == [.accepted(match: LogIndex(9))])
    }

    /// The old leader's snapshot was still being stored when this node, whose log has all of it,
    /// was elected.
    @Test("a leader takes in a snapshot that was stored late, and goes on leading")
    func storedByLeader() {
        var cluster = Self.cluster(logs: [1: [1, 1, 2], 2: [1, 1, 2, 2], 3: [1, 1, 2]])
        let mark = Self.known(3, in: &cluster)
        cluster.step(NodeID(2), .received(chunk(term: 2, mark, offset: 0, isLast: true)))
        let work = cluster.members[1].work
        cluster.members[1].work = []
        cluster.tick(NodeID(2), count: 10)
        cluster.winElection(NodeID(2))
        #expect(cluster[2].isLeader)
        cluster.members[1].work = work
        cluster.work(NodeID(2))
        #expect(cluster[2].isLeader)
        #expect(cluster[2].commit == LogIndex(3))
        #expect(cluster.installed == 1)
        cluster.settle()
        cluster.run(ticks: 6)
        #expect(cluster[2].isLeader)
        #expect(cluster[2].commit == cluster[2].log.last.index)
        #expect(cluster.failure == nil)
    }

    @Test("a damaged snapshot starts anew, and nothing was changed by it")
    func damaged() {
        var cluster = Self.cluster()
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 0)))
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 10, isLast: true)))
        cluster.step(NodeID(2), .snapshotDamaged(position(2, 9)))
        cluster.network = []
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 10, isLast: true)))
        #expect(Self.wanted(cluster) == [0])
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 0)))
        #expect(Self.pieces(cluster) == [0, 10, 0])
        #expect(cluster[2].commit == .zero)
    }

    @Test("pieces that come while the whole is being stored are not handed on")
    func completeIsComplete() {
        var cluster = Self.cluster()
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 0, isLast: true)))
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 10, isLast: true)))
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 0, isLast: true)))
        #expect(Self.pieces(cluster) == [0])
        #expect(Self.wanted(cluster) == [10, 10, 10])
    }

    // MARK: Restarts

    @Test("a restart forgets the pieces, and asks for them from the start")
    func restartMidway() {
        var cluster = Self.cluster()
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 0)))
        cluster.sync(NodeID(2))
        cluster.crash(NodeID(2))
        cluster.restart(NodeID(2))
        cluster.network = []
        cluster.step(NodeID(2), .received(chunk(term: 2, mark(2, 9), offset: 10)))
        #expect(Self.wanted(cluster) == [0])
    }

    /// The snapshot is on the disk, the word that the log begins with it is not.
    @Test(
        "a restart between storing a leader's snapshot and the log's base starts from the snapshot",
        arguments: [[1, 1, 1, 1, 1], [1, 1, 2, 2, 2], [], [1, 1]] as [[UInt64]]
    )
    func restartBetween(terms: [UInt64]) {
        var cluster = Self.cluster(logs: [2: terms])
        let mark = Self.known(3, in: &cluster)
        cluster.crash(NodeID(2))
        cluster.members[1].disk.store(mark)
        cluster.restart(NodeID(2))
        let keepsLog = terms.count > 2 && terms[2] == 2
        #expect(cluster[2].log.last == (keepsLog ? position(2, 5) : position(2, 3)))
        #expect(cluster[2].commit == LogIndex(3))
        #expect(cluster[2].term >= Term(2))
        #expect(cluster.members[1].applied.count == 3)
        // It goes on from there, and what it goes on with survives the next restart.
        let last = cluster[2].log.last
        let next = command(3, last.index.rawValue + 1)
        let request = append(from: 1, to: 2, term: 3, after: last, [next], commit: 4)
        cluster.step(NodeID(2), .received(request))
        cluster.sync(NodeID(2))
        let match = AppendResponse.accepted(match: next.index)
        #expect(cluster.network.compactMap(\.appendResponse) == [match])
        cluster.crash(NodeID(2))
        cluster.restart(NodeID(2))
        #expect(cluster[2].log.last == next.position)
        #expect(cluster.failure == nil)
    }
}
