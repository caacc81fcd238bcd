// A whole group in one value: nodes, a network that loses, repeats and reorders, disks that forget
// what was not synced, and snapshots (of the list of applied entries, which is the machine here).
// Every step checks every invariant of `Invariants.swift` and, across
// nodes, those of figure 3 of the Raft paper. Same seed, same run.

import RaftCore
import TestKit
import Testing

/// One node with its disk.
struct Member {
    var node: RaftNode
    var isUp = true
    /// What survives a crash.
    var disk: MemoryDisk
    /// Handed to the disk, not answered yet.
    var writing: PersistBatch?
    var applied: [Entry] = []
    /// What the driver was asked to do besides writing batches, oldest first.
    var work: [Work] = []
    /// The node's own clock.
    var clock = Instant(1)

    enum Work {
        case read(SnapshotFetch)
        /// A chunk that came while the disk hung; where it ends.
        case keep(LogPosition, through: UInt64)
        case receive(SnapshotMark)
        case store(SnapshotMark)
    }
}

struct Cluster {
    var members: [Member]
    var network: [Message] = []
    var random: SeededRandom
    /// Links that are cut, as (from, to).
    var cuts: Set<[NodeID]> = []
    /// What else the network loses.
    var losing: (@Sendable (Message) -> Bool)?
    /// Figure 3, State Machine Safety: what any node applied at an index, for all time.
    var committed: [Entry] = []
    var leaders: [Term: NodeID] = [:]
    var accepted: [LogPosition] = []
    var refused: [Refusal] = []
    var readable: [(token: ReadToken, index: LogIndex, node: NodeID, validUntil: Instant?)] = []
    var unreadable: [ReadToken] = []
    var changes: [ChangeAnswer] = []
    var fingerprints: [(node: NodeID, fingerprint: Fingerprint)] = []
    /// What a snapshot at a position holds.
    var contents: [LogPosition: [Entry]] = [.origin: []]
    /// Snapshots that whoever has all of their bytes finds damaged.
    var damaged: Set<LogPosition> = []
    /// Who finds every snapshot damaged that it gets.
    var findsAllDamaged: Set<NodeID> = []
    /// Bytes of each snapshot, all of them zero.
    var snapshotBytes = 1_000
    var installed = 0
    /// What nodes found out to have lost. No disk here loses anything by itself.
    var losses: [Loss] = []
    var mayLose = false
    var failure: String?
    var steps = 0
    /// Disks that answer nothing while everything comes to rest, and keep no chunk at once.
    var hung: Set<NodeID> = []
    /// Every step, where somebody wants to tell of them.
    var record: [Step]?

    struct Step {
        var id: NodeID
        var input: Input
        var before: RaftNode
        var after: RaftNode
        var effects: Effects
    }

    /// Nodes 1 to `size` vote; those after them wait to be added.
    init(
        size: Int,
        outsiders: Int = 0,
        seed: UInt64 = 1,
        limits: Limits = Limits(),
        adjust: (inout RaftConfiguration) -> Void = { _ in }
    ) {
        random = SeededRandom(seed)
        let voters = (1...size).map { NodeID(UInt64($0)) }
        members = (1...(size + outsiders)).map { number in
            let id = NodeID(UInt64(number))
            var configuration = RaftConfiguration(
                id: id,
                seed: seed &* 31 &+ id.rawValue,
                limits: limits
            )
            adjust(&configuration)
            let disk = MemoryDisk(membership: number > size ? .none : Membership(voters: voters))
            return Member(node: disk.restart(configuration), disk: disk)
        }
    }

    subscript(id: UInt64) -> RaftNode { members[Int(id) - 1].node }

    func index(of id: NodeID) -> Int { Int(id.rawValue) - 1 }

    var leader: NodeID? {
        members.filter { $0.isUp && $0.node.isLeader }.max { $0.node.term < $1.node.term }?.node.id
    }

    // MARK: Driving

    /// One input to one node, with its effects carried out and everything checked.
    mutating func step(_ id: NodeID, _ input: Input) {
        let index = index(of: id)
        guard members[index].isUp, failure == nil else { return }
        let before = members[index].node
        var effects = Effects()
        members[index].node.setClock(members[index].clock)
        members[index].node.step(input, into: &effects)
        members[index].node.flush(into: &effects)
        steps += 1
        record?.append(
            Step(id: id, input: input, before: before, after: members[index].node, effects: effects)
        )
        carryOut(effects, at: index)
        check(index, before: before)
        for chunk in effects.chunks where !hung.contains(id) {
            step(id, .chunkKept(chunk.mark.position, through: Self.end(of: chunk)))
        }
    }

    private static func end(of chunk: ReceivedChunk) -> UInt64 {
        chunk.offset + UInt64(chunk.bytes.count)
    }

    private mutating func carryOut(_ effects: Effects, at index: Int) {
        network.append(contentsOf: effects.send)
        if let batch = effects.persist {
            if members[index].writing != nil { fail("two batches with one disk") }
            members[index].writing = batch
        }
        if let mark = effects.restore {
            members[index].applied = contents[mark.position] ?? []
            installed += 1
        }
        members[index].work += effects.fetch.map { .read($0) }
        for chunk in effects.chunks {
            if hung.contains(members[index].node.id) {
                members[index].work.append(.keep(chunk.mark.position, through: Self.end(of: chunk)))
            }
            if chunk.isLast { members[index].work.append(.receive(chunk.mark)) }
        }
        changes += effects.changes.map(\.answer)
        fingerprints += effects.fingerprints
        accepted.append(contentsOf: effects.accepted.map(\.position))
        refused.append(contentsOf: effects.refused.map(\.reason))
        let id = members[index].node.id
        readable += effects.readable.map { ($0.token, $0.index, id, $0.validUntil) }
        unreadable.append(contentsOf: effects.unreadable)
        if let violation = effects.violation { fail("node \(id.rawValue): \(violation)") }
        if let loss = effects.loss {
            losses.append(loss)
            if !mayLose { fail("node \(id.rawValue) believes to have lost something: \(loss)") }
        }
        if let through = effects.applyThrough { apply(through, at: index) }
    }

    private mutating func apply(_ through: LogIndex, at index: Int) {
        while members[index].applied.count < Int(through.rawValue) {
            let position = members[index].applied.count
            let entry = members[index].node.log[LogIndex(UInt64(position + 1))]
            members[index].applied.append(entry)
            if position < committed.count {
                if committed[position] != entry { fail("applied two entries at \(position + 1)") }
            } else {
                committed.append(entry)
            }
        }
    }

    mutating func fail(_ message: String) {
        if failure == nil { failure = message }
    }

    private mutating func check(_ index: Int, before: RaftNode) {
        let node = members[index].node
        if let broken = node.brokenInvariant() { fail("node \(node.id.rawValue): \(broken)") }
        if let broken = node.brokenTransition(from: before) {
            fail("node \(node.id.rawValue): \(broken)")
        }
        guard node.isLeader else { return }
        // Election Safety.
        if let known = leaders[node.term], known != node.id { fail("two leaders in one term") }
        leaders[node.term] = node.id
        // Leader Completeness: checked at the moment a leader appears.
        if !before.isLeader || before.term != node.term {
            for entry in committed
            where entry.index > node.log.base.index && !node.log.contains(entry.position) {
                fail("leader \(node.id.rawValue) lacks committed entry \(entry.index.rawValue)")
            }
        }
    }

    /// Log Matching (figure 3): equal position, equal logs up to it.
    mutating func checkLogMatching() {
        for (offset, left) in members.enumerated() {
            for right in members[(offset + 1)...] {
                let first = max(left.node.log.base.index, right.node.log.base.index).rawValue + 1
                let shared = min(left.node.log.last.index, right.node.log.last.index).rawValue
                var areEqual = true
                for index in stride(from: first, through: shared, by: 1).map({ LogIndex($0) }) {
                    let (one, other) = (left.node.log[index], right.node.log[index])
                    if one.term == other.term, !areEqual || one != other {
                        fail("log matching is broken at \(index.rawValue)")
                    }
                    if one.term != other.term { areEqual = false }
                }
            }
        }
    }

    // MARK: Faults and delivery

    static let tickLength: UInt64 = 50_000_000

    mutating func tick(_ id: NodeID, count: Int = 1) {
        for _ in 0..<count {
            let index = index(of: id)
            members[index].clock = members[index].clock.advanced(by: Self.tickLength)
            step(id, .tick)
        }
    }

    /// Cuts a snapshot of what a node has applied; `work` stores it. At the same entry again only
    /// where the one that there is is of no use.
    mutating func cut(_ id: NodeID) {
        let index = index(of: id)
        guard members[index].isUp, let last = members[index].applied.last,
            last.index > members[index].node.snapshot.position.index
                || contents[last.position] == nil || damaged.contains(last.position)
        else { return }
        contents[last.position] = members[index].applied
        damaged.remove(last.position)
        let membership = members[index].node.membership(at: last.index)
        members[index].work.append(
            .store(SnapshotMark(position: last.position, membership: membership))
        )
    }

    /// Does what the driver was asked first.
    mutating func work(_ id: NodeID) {
        let index = index(of: id)
        guard members[index].isUp, !members[index].work.isEmpty else { return }
        switch members[index].work.removeFirst() {
        case .read(let fetch):
            step(id, .fetched(fetch, chunk(of: fetch)))
        case .keep(let position, let end):
            step(id, .chunkKept(position, through: end))
        case .receive(let mark)
        where damaged.contains(mark.position) || findsAllDamaged.contains(id):
            step(id, .snapshotDamaged(mark.position))
        case .receive(let mark):
            members[index].disk.store(mark)
            step(id, .snapshotReceived(mark))
        case .store(let mark):
            members[index].disk.store(mark)
            step(id, .snapshotStored(mark))
        }
    }

    private func chunk(of fetch: SnapshotFetch) -> FetchedChunk {
        guard contents[fetch.mark.position] != nil, fetch.offset <= UInt64(snapshotBytes) else {
            return .gone
        }
        let rest = snapshotBytes - Int(fetch.offset)
        let bytes = [UInt8](repeating: 0, count: min(rest, fetch.bytesMax))
        return .bytes(bytes[...], isLast: bytes.count == rest)
    }

    /// Finishes the write that is with a node's disk.
    mutating func sync(_ id: NodeID) {
        let index = index(of: id)
        guard members[index].isUp, let batch = members[index].writing else { return }
        members[index].disk.store(batch)
        members[index].writing = nil
        step(id, .persisted(batch.mark))
    }

    /// Delivers the message at a place of the network, or loses it on a cut link.
    mutating func deliver(at place: Int) {
        let message = network.remove(at: place)
        if cuts.contains([message.from, message.to]) || losing?(message) == true { return }
        step(message.to, .received(message))
    }

    /// Syncs all disks and delivers all messages in order until nothing moves.
    mutating func settle() {
        var budget = 100_000
        while budget > 0, failure == nil {
            budget -= 1
            for member in members where member.isUp {
                if isSyncing(member) { sync(member.node.id) }
                if isWorking(member) { work(member.node.id) }
            }
            if network.isEmpty {
                let isBusy = members.contains { $0.isUp && (isSyncing($0) || isWorking($0)) }
                if !isBusy { return }
            } else {
                deliver(at: 0)
            }
        }
        fail("the network does not come to rest")
    }

    private func isSyncing(_ member: Member) -> Bool {
        member.writing != nil && !hung.contains(member.node.id)
    }

    private func isWorking(_ member: Member) -> Bool {
        !member.work.isEmpty && !hung.contains(member.node.id)
    }

    mutating func crash(_ id: NodeID) {
        let index = index(of: id)
        guard members[index].isUp else { return }
        members[index].isUp = false
        // The write that was with the disk may have made it or not.
        if let batch = members[index].writing, random.chance(50) {
            members[index].disk.store(batch)
        }
        members[index].writing = nil
        members[index].work = []
    }

    mutating func restart(_ id: NodeID) {
        let index = index(of: id)
        guard !members[index].isUp else { return }
        var configuration = members[index].node.configuration
        configuration.seed = random.next()
        let disk = members[index].disk
        members[index].node = disk.restart(configuration, at: members[index].clock)
        members[index].isUp = true
        members[index].applied = contents[disk.snapshot.position] ?? []
        if members[index].applied.last?.position ?? .origin != disk.snapshot.position {
            fail("a snapshot of nothing known")
        }
    }

    /// Adds, promotes or removes a member and lets everything come to rest.
    mutating func change(_ change: MembershipChange, at id: NodeID) {
        step(id, .changeMembership(change, ChangeToken(rawValue: UInt64(steps))))
        settle()
    }

    mutating func isolate(_ id: NodeID) {
        for member in members where member.node.id != id {
            cuts.insert([id, member.node.id])
            cuts.insert([member.node.id, id])
        }
    }

    mutating func propose(_ byte: UInt8, at id: NodeID) {
        step(id, .propose([byte], ProposalToken(rawValue: UInt64(byte))))
    }

    /// Ticks every node, settling in between, until somebody leads and has committed in its term.
    mutating func elect(ticksMax: Int = 200) {
        for _ in 0..<ticksMax {
            if let leader, self[leader.rawValue].commit == self[leader.rawValue].log.last.index {
                return
            }
            for member in members { tick(member.node.id) }
            settle()
        }
        fail("nobody was elected")
    }

    /// Makes one node campaign at once and win, if it can.
    mutating func campaign(_ id: NodeID) {
        for member in members where member.node.id != id {
            // Silence for longer than the shortest timeout: nobody refuses for the old leader's
            // sake.
            tick(member.node.id, count: 0)
        }
        var ticks = 0
        while !self[id.rawValue].isLeader, ticks < 100 {
            tick(id)
            settle()
            ticks += 1
        }
    }
}
