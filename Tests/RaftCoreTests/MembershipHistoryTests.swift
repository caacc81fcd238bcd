// The memberships that a node keeps beside its log against a plain reading of snapshot and log,
// over random appends, cuts, snapshots and restarts.

import RaftCore
import TestKit
import Testing

@Suite("The membership in force, recomputed from the log")
struct MembershipHistoryTests {
    private struct Counts {
        var checks = 0
        var cuts = 0
        var installs = 0
        var compactions = 0
        var restarts = 0
    }

    private static func plain(_ node: RaftNode, at index: LogIndex) -> Membership {
        var membership = node.snapshot.membership
        for entry in node.log.slice(after: node.snapshot.position.index, through: index) {
            if case .membership(let newer) = entry.content { membership = newer }
        }
        return membership
    }

    @Test("is the newest of the log, at every index, whatever became of the log")
    func againstPlainReading() {
        var counts = Counts()
        for seed in 1...150 as ClosedRange<UInt64> { Self.run(seed, &counts) }
        #expect(counts.checks > 10_000)
        #expect(counts.cuts > 300)
        #expect(counts.installs > 100)
        #expect(counts.compactions > 150)
        #expect(counts.restarts > 300)
    }

    private static func run(_ seed: UInt64, _ counts: inout Counts) {
        var random = SeededRandom(seed)
        var limits = Limits()
        limits.trailingEntries = Int(seed % 4)
        var cluster = Cluster(size: 3, seed: seed, limits: limits)
        var term: UInt64 = 1
        for _ in 0..<60 where cluster.failure == nil {
            let node = cluster[2]
            switch random.below(8) {
            case 0, 1, 2:
                appendSome(&cluster, term: term, after: node.log.last, &random)
            case 3:
                // A new leader, which lacks the end of this log.
                // After a restart the node itself may know less of what is committed.
                let floor = LogIndex(UInt64(cluster.committed.count))
                let span = node.log.last.index.distance(from: floor)
                guard span > 0 else { continue }
                let keep = floor.advanced(by: random.below(span))
                guard let kept = node.log.term(at: keep) else { continue }
                term += 1
                counts.cuts += 1
                appendSome(
                    &cluster,
                    term: term,
                    after: LogPosition(term: kept, index: keep),
                    &random
                )
            case 4:
                let last = node.log.last
                let commit = node.commit.rawValue + UInt64(random.below(3))
                let request = append(from: 1, to: 2, term: term, after: last, [], commit: commit)
                cluster.step(NodeID(2), .received(request))
            case 5:
                let before = node.snapshot
                cluster.snapshot(2)
                if cluster[2].snapshot != before { counts.compactions += 1 }
            case 6:
                install(&cluster, term: term, &random)
                counts.installs += 1
            default:
                while cluster.members[1].writing != nil { cluster.sync(NodeID(2)) }
                cluster.crash(NodeID(2))
                cluster.restart(NodeID(2))
                counts.restarts += 1
            }
            check(cluster[2], seed, &counts)
        }
        #expect(cluster.failure == nil, "seed \(seed)")
    }

    private static func check(_ node: RaftNode, _ seed: UInt64, _ counts: inout Counts) {
        var index = node.snapshot.position.index
        while index <= node.log.last.index {
            counts.checks += 1
            if node.membership(at: index) != plain(node, at: index) {
                Issue.record("seed \(seed), index \(index.rawValue)")
            }
            index = index.next
        }
        if node.membership != plain(node, at: node.log.last.index) {
            Issue.record("seed \(seed): the one in force")
        }
    }

    private static func appendSome(
        _ cluster: inout Cluster,
        term: UInt64,
        after previous: LogPosition,
        _ random: inout SeededRandom
    ) {
        let entries = (1...UInt64(1 + random.below(4))).map { step in
            let index = previous.index.rawValue + step
            return random.chance(40)
                ? members(term, index, "1 2 3 ~\(4 + random.below(90))")
                : command(term, index)
        }
        let request = append(from: 1, to: 2, term: term, after: previous, entries)
        cluster.step(NodeID(2), .received(request))
    }

    /// A snapshot of a position that the log has, or has not.
    private static func install(
        _ cluster: inout Cluster,
        term: UInt64,
        _ random: inout SeededRandom
    ) {
        let node = cluster[2]
        let index = node.commit.rawValue + 1 + UInt64(random.below(4))
        let known = node.log.term(at: LogIndex(index))
        let position = LogPosition(term: known ?? Term(term), index: LogIndex(index))
        let membership =
            known == nil ? Membership("1 2 3 ~99") : node.membership(at: LogIndex(index))
        // The machine of these tests is the list of what was applied.
        var content = cluster.members[1].applied
        while content.count < Int(index) {
            let next = LogIndex(UInt64(content.count + 1))
            let isHere = next > node.log.base.index && next <= node.log.last.index
            content.append(isHere ? node.log[next] : command(position.term.rawValue, next.rawValue))
        }
        cluster.contents[position] = content
        // What was committed along with it is what all nodes agree on from now on.
        cluster.committed += content.dropFirst(cluster.committed.count)
        let mark = SnapshotMark(position: position, membership: membership)
        cluster.step(
            NodeID(2),
            .received(chunk(term: term, mark, offset: 0, isLast: true))
        )
        while !cluster.members[1].work.isEmpty { cluster.work(NodeID(2)) }
    }
}
