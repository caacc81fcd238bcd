// One group's disk as it should be, and random batches as a replica hands them out: the log grows,
// its end is replaced, its beginning goes, or all of it goes for a snapshot that was received.

import RaftCore
import TestKit

@testable import LogStore

struct ModelGroup: Equatable {
    var hardState = HardState()
    var snapshot = SnapshotMark(position: .origin, membership: testVoters)
    var base = LogPosition.origin
    var entries: [Entry] = []

    /// What happened, for the tests' floors.
    struct Counts {
        var batches = 0
        var truncated = 0
        var compacted = 0
        var received = 0
        var memberships = 0
    }

    init() {}

    init(_ found: RecoveredGroup) {
        hardState = found.hardState
        snapshot = found.snapshot ?? snapshot
        base = found.base
        entries = found.entries
    }

    var last: LogPosition { entries.last?.position ?? base }

    /// The next batch, taken up by the model at once; and the snapshot that must be durable before
    /// it.
    mutating func batch(
        _ random: inout SeededRandom,
        payloadMax: Int,
        _ counts: inout Counts
    ) -> (batch: PersistBatch, snapshot: SnapshotMark?) {
        counts.batches += 1
        if hardState.term == .zero || random.chance(15) {
            hardState.term = Term(hardState.term.rawValue + 1)
            hardState.vote = random.chance(50) ? nil : NodeID(UInt64(1 + random.below(3)))
        }
        let old = base
        let new = moveBase(&random, &counts)
        // Now and then a new leader replaces the end of the log.
        var replaces = false
        if random.chance(20), !entries.isEmpty {
            entries.removeLast(random.below(min(entries.count, 8)) + 1)
            counts.truncated += 1
            replaces = true
        }
        let first = last.index.next
        // A shorter log is only ever stored by the entries that replace its end.
        for _ in 0..<max(random.below(6), replaces ? 1 : 0) {
            add(&random, payloadMax: payloadMax, &counts)
        }
        hardState.commit = LogIndex(hardState.commit.rawValue + UInt64(random.below(3)))
        let batch = PersistBatch(
            mark: PersistMark(hardStateTerm: hardState.term, last: last),
            hardState: hardState,
            base: base == old ? nil : base,
            entries: entries.filter { $0.index >= first }
        )
        return (batch, new)
    }

    private mutating func moveBase(
        _ random: inout SeededRandom,
        _ counts: inout Counts
    ) -> SnapshotMark? {
        if random.chance(12), entries.count > 3 {
            // The own snapshot, and a trailing window before it.
            let cut = random.below(entries.count)
            let kept = random.below(cut + 1)
            take(entries[cut].position)
            base = entries[kept].position
            entries.removeFirst(kept + 1)
            counts.compacted += 1
            return snapshot
        }
        if random.chance(3) {
            // A leader's: past the end, or where the log has another entry.
            let end = last.index.advanced(by: random.below(4))
            let index = LogIndex(
                max(end.rawValue - UInt64(random.below(3)), base.index.rawValue + 1)
            )
            guard index > snapshot.position.index else { return nil }
            hardState.term = hardState.term.next
            base = LogPosition(term: hardState.term, index: index)
            take(base)
            entries = []
            counts.received += 1
            return snapshot
        }
        return nil
    }

    private mutating func take(_ position: LogPosition) {
        guard position.index > snapshot.position.index else { return }
        snapshot = SnapshotMark(position: position, membership: testVoters)
    }

    private mutating func add(
        _ random: inout SeededRandom,
        payloadMax: Int,
        _ counts: inout Counts
    ) {
        var content = Entry.Content.noop
        switch random.below(10) {
        case 0: break
        case 1:
            let contact = (0..<random.below(40)).map { _ in UInt8(random.below(256)) }
            let member = Member(id: NodeID(9), role: .joining, contact: contact)
            content = .membership(Membership(members: [member], highestID: NodeID(12)))
            counts.memberships += 1
        default:
            let count = random.below(payloadMax)
            content = .command((0..<count).map { _ in UInt8(random.below(20)) }[...])
        }
        entries.append(Entry(term: hardState.term, index: last.index.next, content: content))
    }
}
