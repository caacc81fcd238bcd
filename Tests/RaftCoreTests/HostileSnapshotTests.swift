// The messages of snapshots and memberships with any numbers in them, and the driver's answers that
// may come late or never fit. As in `HostileMessageTests`: no trap, no state that the node's own
// invariants forbid.

import RaftCore
import TestKit
import Testing

@Suite("Snapshots and memberships with hostile numbers")
struct HostileSnapshotTests {
    private static let numbers: [UInt64] = [
        0, 1, 2, 3, 5, 10, 400, 800, UInt64(Int64.max) / 2, UInt64(Int64.max) / 2 + 1,
        UInt64(Int64.max) - 1, UInt64(Int64.max), UInt64(Int64.max) + 1, .max - 1, .max,
    ]
    private static let memberships = [
        "", "1 2 3", "2 3", "~1 2 3", "-1 +2", "+1", "-1 -2 -3", "~1", "4 5 6 7", "1 2 ^3/9",
    ]

    private struct Counts {
        var taken = 0
        var installs = 0
        var chunks = 0
        var fetches = 0
        var roles: [Role: Int] = [:]
    }

    @Test("no message traps, and no answer of the driver to it")
    func anyNumbers() {
        var counts = Counts()
        for seed in 1...360 as ClosedRange<UInt64> {
            var random = SeededRandom(seed)
            var node = Self.start(seed)
            for _ in 0..<60 {
                Self.disturb(&node, &random, &counts)
                let broken = node.brokenInvariant()
                #expect(broken == nil, "seed \(seed)")
                if broken != nil { return }
            }
            counts.roles[node.role, default: 0] += 1
        }
        #expect(counts.taken == 21_600)
        #expect(counts.installs > 100)
        #expect(counts.chunks > 250)
        #expect(counts.fetches > 100)
        #expect(counts.roles[.leader, default: 0] > 10)
        #expect(counts.roles[.follower, default: 0] > 10)
    }

    private static func start(_ seed: UInt64) -> RaftNode {
        var limits = Limits()
        limits.trailingEntries = 0
        limits.snapshotChunkBytesMax = 400
        var cluster = Cluster(size: 3, seed: seed, limits: limits)
        switch seed % 3 {
        case 0: break
        case 1: cluster.campaign(NodeID(2))
        default:
            // A leader of whose followers one lacks what is compacted.
            cluster.campaign(NodeID(1))
            cluster.isolate(NodeID(3))
            cluster.commit(5)
            cluster.snapshot(1)
            cluster.cuts = []
            cluster.tick(NodeID(1), count: 2)
            for _ in 0..<4 where !cluster.network.isEmpty { cluster.deliver(at: 0) }
        }
        while cluster.members[0].writing != nil { cluster.sync(NodeID(1)) }
        return cluster[1]
    }

    /// One message, one tick, and what the driver has to say to what came of it.
    private static func disturb(
        _ node: inout RaftNode,
        _ random: inout SeededRandom,
        _ counts: inout Counts
    ) {
        var next = node
        var effects = Effects()
        next.step(.received(anyMessage(to: next, &random)), into: &effects)
        next.step(.tick, into: &effects)
        next.flush(into: &effects)
        counts.taken += 1
        // As far as the node itself sees no reason to stop.
        guard effects.violation == nil else { return }
        while let batch = effects.persist {
            effects.persist = nil
            next.step(.persisted(batch.mark), into: &effects)
            next.flush(into: &effects)
        }
        for chunk in effects.chunks {
            counts.chunks += 1
            let (end, overflow) = chunk.offset.addingReportingOverflow(UInt64(chunk.bytes.count))
            #expect(!overflow)
            next.step(.chunkKept(chunk.mark.position, through: end), into: &effects)
            guard chunk.isLast else { continue }
            counts.installs += 1
            let isSound = random.chance(70)
            next.step(
                isSound ? .snapshotReceived(chunk.mark) : .snapshotDamaged(chunk.mark.position),
                into: &effects
            )
        }
        for fetch in effects.fetch {
            counts.fetches += 1
            let isThere = fetch.offset < 1_000 && random.chance(80)
            let bytes = [UInt8](repeating: 0, count: fetch.bytesMax)[...]
            next.step(
                .fetched(fetch, isThere ? .bytes(bytes, isLast: random.chance(30)) : .gone),
                into: &effects
            )
        }
        effects.chunks = []
        next.flush(into: &effects)
        while let batch = effects.persist {
            effects.persist = nil
            next.step(.persisted(batch.mark), into: &effects)
            next.flush(into: &effects)
        }
        if effects.violation == nil { node = next }
    }

    private static func anyMessage(to node: RaftNode, _ random: inout SeededRandom) -> Message {
        let term = node.term.rawValue
        func number() -> UInt64 { numbers[random.below(numbers.count)] }
        func place() -> LogPosition { position(random.chance(60) ? term : number(), number()) }
        func anyMembership() -> Membership { Membership(memberships[random.below(10)]) }
        let body: Message.Body
        switch random.below(12) {
        case 0, 1, 2:
            body = .snapshotChunk(
                SnapshotChunk(
                    mark: SnapshotMark(position: place(), membership: anyMembership()),
                    offset: random.chance(50) ? 0 : number(),
                    bytes: [UInt8](repeating: 0, count: random.below(3) * 10)[...],
                    isLast: random.chance(50)
                )
            )
        case 3, 4:
            let about = random.chance(60) ? node.snapshot.position : place()
            body = .snapshotResponse(SnapshotResponse(position: about, wanted: number()))
        case 5:
            // Sometimes where the log of a forged snapshot ends.
            let previous = place()
            let entries = (1...2 as ClosedRange<UInt64>).map { step in
                Entry(
                    term: Term(term),
                    index: LogIndex(previous.index.rawValue &+ step),
                    content: random.chance(50) ? .noop : .membership(anyMembership())
                )
            }
            let request = AppendRequest(
                previous: previous,
                entries: entries,
                commit: LogIndex(number())
            )
            body = .appendRequest(request)
        case 6:
            body = .fingerprint(Fingerprint(index: LogIndex(number()), value: number()))
        case 7:
            body = .voiceRequest(VoiceRequest(token: number(), agreed: LogIndex(number())))
        case 8:
            body = .voiceResponse(VoiceResponse(token: number(), last: LogIndex(number())))
        case 9:
            body = .homecomingRequest(HomecomingRequest(token: number()))
        case 10:
            let token = random.chance(50) ? node.configuration.seed : number()
            body = .homecomingResponse(HomecomingResponse(token: token, acknowledged: place()))
        default:
            body = .appendResponse(
                random.chance(50)
                    ? .accepted(match: LogIndex(number()))
                    : .rejected(previous: LogIndex(number()), hint: place())
            )
        }
        let sent = random.chance(97) ? term : number()
        return message(from: 2 + random.next() % 2, to: 1, term: sent, body)
    }

    @Test("entries that follow a forged snapshot at the end of all indexes are not taken")
    func endOfIndexes() {
        var installed = 0
        for index in Self.numbers where index > 1_000 {
            var cluster = Cluster(size: 3)
            let mark = mark(2, index)
            cluster.contents[mark.position] = []
            cluster.step(NodeID(2), .received(chunk(term: 2, mark, offset: 0, isLast: true)))
            let isTaken = !cluster.members[1].work.isEmpty
            #expect(isTaken == (index <= Limits.highestIndex.rawValue))
            guard isTaken else { continue }
            installed += 1
            var node = cluster[2]
            var effects = Effects()
            node.step(.snapshotReceived(mark), into: &effects)
            let entries = (1...3 as ClosedRange<UInt64>).map { command(2, index &+ $0) }
            let request = append(from: 1, to: 2, term: 2, after: mark.position, entries)
            node.step(.received(request), into: &effects)
            node.flush(into: &effects)
            #expect(node.log.last.index.rawValue == index)
            #expect(node.brokenInvariant() == nil)
        }
        #expect(installed == 1)
    }

    @Test("a membership without voters makes nobody a leader, and traps nobody")
    func noVoters() {
        for words in ["", "~2", "~1 ~2 ~3"] {
            var cluster = Cluster(size: 3)
            let request = append(from: 1, to: 2, term: 1, after: .origin, [members(1, 1, words)])
            cluster.step(NodeID(2), .received(request))
            cluster.sync(NodeID(2))
            cluster.tick(NodeID(2), count: 100)
            cluster.settle()
            #expect(!cluster[2].isLeader)
            #expect(cluster.failure == nil)
        }
    }

    @Test("a driver's answer that fits nothing changes nothing")
    func answersThatFitNothing() {
        var cluster = Cluster(size: 3)
        cluster.campaign(NodeID(1))
        let before = cluster[1].log.last
        cluster.step(NodeID(1), .snapshotDamaged(position(7, 7)))
        cluster.step(NodeID(2), .snapshotDamaged(position(7, 7)))
        cluster.step(NodeID(1), .snapshotStored(mark(1, 0)))
        #expect(cluster[1].log.last == before)
        #expect(cluster[1].snapshot.position == .origin)
        #expect(cluster.failure == nil)
    }
}
