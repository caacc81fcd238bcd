// Snapshots: when they are cut, what a restart and a far follower make of them, and what becomes of
// those who wait while a machine is exchanged.

import RaftCore
import SessionMachine
import TestKit
import Testing

@testable import Replica

@Suite
struct SnapshotTests {
    /// Small logs, so that a handful of writes is compacted.
    static func group(entries: Int = 10, chunkBytes: Int = 100) -> Group {
        var tuning = Tuning(parkingTicks: 30, pendingTicks: 60)
        tuning.snapshotEntries = entries
        return Group(tuning: tuning) { configuration in
            configuration.limits.trailingEntries = 2
            configuration.limits.snapshotChunkBytesMax = chunkBytes
        }
    }

    /// Every write is an entry.
    private static func write(_ count: Int, _ name: String, at id: NodeID, _ group: inout Group) {
        for number in 0..<count { group.write(store("\(name)-\(number)"), at: id) }
    }

    @Test
    func aSnapshotIsCutAfterSoManyEntriesAndOneAtATime() throws {
        var group = Self.group()
        let leader = group.elect()
        let index = group.index(of: leader)
        // Its driver does not get round to the snapshot.
        func write() {
            group.submit(.write(store("a")), at: leader)
            while !group.network.isEmpty || group.members.contains(where: { $0.writing != nil }) {
                for id in group.ids { group.sync(id) }
                if !group.network.isEmpty { group.deliver(at: 0) }
            }
        }
        while group[leader].applied < LogIndex(9) { write() }
        #expect(group.members[index].work.isEmpty)
        write()
        guard case .store(let cut)? = group.members[index].work.first else {
            Issue.record("no snapshot was cut")
            return
        }
        #expect(cut.mark.position.index == LogIndex(10))
        #expect(cut.mark.position == group[leader].raft.log[LogIndex(10)].position)
        #expect(cut.mark.membership == group[leader].raft.membership)
        #expect(cut.machine.digest == group.digests[LogIndex(10)])
        for _ in 0..<30 { write() }
        #expect(group.members[index].work.count == 1)
        #expect(group[leader].raft.log.base == .origin)
        group.work(leader)
        #expect(group[leader].raft.snapshot == cut.mark)
        #expect(group[leader].raft.log.base.index == LogIndex(8))
        // More than enough came meanwhile: the next one is cut at once.
        #expect(group.members[index].work.count == 1)
        expectEqualMachines(&group)
    }

    /// The newest membership of the log may be one that never commits.
    @Test
    func aSnapshotHasTheMembersAsOfItsLastEntry() throws {
        var group = Self.group()
        let leader = group.elect()
        while group[leader].applied < LogIndex(9) { group.write(store("a"), at: leader) }
        group.submit(.write(store("b")), at: leader)
        var answers: [Message] = []
        while !group.network.isEmpty || group.members.contains(where: { $0.writing != nil }) {
            for id in group.ids { group.sync(id) }
            while let place = group.network.firstIndex(where: { $0.to == leader }) {
                answers.append(group.network.remove(at: place))
            }
            if !group.network.isEmpty { group.deliver(at: 0) }
        }
        let before = group[leader].raft.membership
        group.turn(leader) { replica, _ in
            let change = MembershipChange.add(NodeID(4), contact: [], promotion: .onRequest)
            replica.changeMembership(change, ChangeToken(rawValue: 1))
        }
        group.turn(leader) { replica, _ in
            for answer in answers { replica.receive(answer, at: .zero) }
        }
        guard case .store(let cut)? = group.members[group.index(of: leader)].work.first else {
            Issue.record("no snapshot was cut")
            return
        }
        #expect(cut.mark.position.index == LogIndex(10))
        #expect(group[leader].raft.membership != before)
        #expect(cut.mark.membership == before)
    }

    @Test
    func aSnapshotIsCutAfterSoManyBytes() {
        var tuning = Tuning(parkingTicks: 30, pendingTicks: 60)
        tuning.snapshotBytes = 10_000
        var group = Group(tuning: tuning)
        let leader = group.elect()
        let value = String(repeating: "x", count: 1_000)
        for number in 0..<9 { group.write(store("\(number)", value), at: leader) }
        #expect(group.counts.cuts == 0)
        group.write(store("9", value), at: leader)
        group.tickAll(count: 3)
        #expect(group.counts.cuts == 3)
        group.tickAll(count: 30)
        #expect(group.counts.cuts == 3)
        expectEqualMachines(&group)
    }

    @Test
    func aSnapshotThatWasGivenUpIsFollowedByTheNext() {
        var tuning = Tuning(parkingTicks: 1, pendingTicks: 1)
        tuning.snapshotEntries = 4
        var policy = SnapshotPolicy(tuning: tuning, from: LogIndex(7))
        #expect(!policy.isDue(at: LogIndex(10), stored: .zero, stateBytes: 0, in: 0))
        #expect(policy.isDue(at: LogIndex(11), stored: .zero, stateBytes: 0, in: 0))
        policy.cut(at: LogIndex(11))
        #expect(!policy.isDue(at: LogIndex(50), stored: .zero, stateBytes: 0, in: 0))
        policy.stored()
        #expect(policy.isDue(at: LogIndex(15), stored: .zero, stateBytes: 0, in: 0))
        policy.restored(at: LogIndex(40))
        #expect(!policy.isDue(at: LogIndex(43), stored: .zero, stateBytes: 0, in: 0))
        #expect(policy.isDue(at: LogIndex(44), stored: .zero, stateBytes: 0, in: 0))
        tuning.snapshotBytes = 100
        policy = SnapshotPolicy(tuning: tuning, from: .zero)
        policy.applied(bytes: 100)
        #expect(policy.isDue(at: LogIndex(1), stored: .zero, stateBytes: 0, in: 0))
        // A log of 164 bytes, with its overhead, is not worth a snapshot of eight times as much.
        #expect(policy.isDue(at: LogIndex(1), stored: .zero, stateBytes: 8 * 164, in: 0))
        #expect(!policy.isDue(at: LogIndex(1), stored: .zero, stateBytes: 8 * 165, in: 0))
    }

    @Test
    func aSnapshotThroughAnEntryIsWantedUntilThereIsOne() {
        var policy = SnapshotPolicy(tuning: Tuning(parkingTicks: 1, pendingTicks: 1), from: .zero)
        let entry = LogIndex(5)
        func isDue(stored: UInt64, in tick: Int = 0) -> Bool {
            policy.isDue(at: LogIndex(6), stored: LogIndex(stored), stateBytes: 0, in: tick)
        }
        #expect(!isDue(stored: 3))
        policy.want(through: entry)
        policy.want(through: LogIndex(2))
        #expect(isDue(stored: 4))
        #expect(!isDue(stored: 5))
        policy.cut(at: entry)
        #expect(!isDue(stored: 4), "one is under way")
        policy.abandoned(in: 7)
        #expect(!isDue(stored: 4, in: 7), "it rests")
        #expect(isDue(stored: 4, in: 7 + Limits.snapshotRestTicks))
        policy.cut(at: entry)
        policy.stored()
        #expect(!isDue(stored: 5))
    }

    @Test
    func aSnapshotThatIsWantedRestsAfterOneThatWasGivenUp() {
        var tuning = Tuning(parkingTicks: 1, pendingTicks: 1)
        tuning.snapshotEntries = 1_000
        var policy = SnapshotPolicy(tuning: tuning, from: .zero)
        policy.want()
        #expect(policy.isDue(at: LogIndex(1), stored: .zero, stateBytes: 0, in: 5))
        policy.cut(at: LogIndex(1))
        policy.abandoned(in: 7)
        // Nobody wants it now.
        #expect(!policy.isDue(at: LogIndex(1), stored: .zero, stateBytes: 0, in: 1_000))
        policy.want()
        let rest = 7 + Limits.snapshotRestTicks
        #expect(!policy.isDue(at: LogIndex(1), stored: .zero, stateBytes: 0, in: rest - 1))
        let late = LogIndex(1_001)
        #expect(policy.isDue(at: late, stored: .zero, stateBytes: 0, in: rest - 1))
        #expect(policy.isDue(at: LogIndex(1), stored: .zero, stateBytes: 0, in: rest))
    }

    @Test
    func aRestartBeginsWithTheSnapshotAndGoesOnWithTheLog() {
        var group = Self.group()
        let leader = group.elect()
        Self.write(25, "a", at: leader, &group)
        group.tickAll(count: 3)
        let follower = group.followers(of: leader)[0]
        let digest = group[follower].machine.digest
        let applied = group[follower].applied
        #expect(group.members[group.index(of: follower)].disk.base.index > .zero)
        group.crash(follower)
        group.restart(follower)
        // It does not know yet what of its log is committed.
        #expect(group[follower].applied == group[follower].raft.snapshot.position.index)
        #expect(group[follower].applied >= LogIndex(20))
        group.tickAll(count: 3, standing: true)
        #expect(group[follower].applied == applied)
        #expect(group[follower].machine.digest == digest)
        Self.write(5, "b", at: leader, &group)
        expectEqualMachines(&group)
    }

    @Test
    func allNodesRestartFromTheirSnapshots() {
        var group = Self.group()
        let leader = group.elect()
        group.write(login(1), at: leader)
        group.write(login(2), at: leader)
        Self.write(30, "a", at: leader, &group)
        group.write(logout(1), at: leader)
        for id in group.ids { group.crash(id) }
        for id in group.ids { group.restart(id) }
        let next = group.elect()
        group.tickAll(count: 2)
        #expect(group.validate(1, at: next) == .revoked)
        #expect(group.validate(2, at: next) == .valid)
        #expect(group[next].machine.has("a-29"))
        expectEqualMachines(&group)
    }

    @Test
    func aFollowerFarBehindGetsTheSnapshotInPiecesAndGoesOn() {
        var group = Self.group()
        let leader = group.elect()
        let (away, other) = (group.followers(of: leader)[0], group.followers(of: leader)[1])
        group.crash(away)
        group.write(login(1), at: leader)
        Self.write(40, "a", at: leader, &group)
        #expect(group[leader].raft.log.base.index > group[away].raft.log.last.index)
        group.restart(away)
        let pieces = group.members[group.index(of: leader)].snapshot.count / 100
        #expect(pieces > 2)
        group.tickAll(count: 10)
        #expect(group.counts.installs == 1)
        #expect(group[away].machine.status(1) == .valid)
        #expect(group[away].applied == group[leader].applied)
        Self.write(3, "b", at: leader, &group)
        expectEqualMachines(&group)
        // It counts again: with the other one away there still is a majority.
        group.crash(other)
        #expect(group.write(store("c"), at: leader) == .ok)
        // And what it was given survives its own restart.
        group.crash(away)
        group.restart(away)
        group.restart(other)
        group.elect()
        expectEqualMachines(&group)
    }

    @Test
    func aSnapshotThatIsDamagedOnTheWayIsSentAgain() throws {
        var group = Self.group()
        let leader = group.elect()
        let away = group.followers(of: leader)[0]
        group.crash(away)
        Self.write(40, "a", at: leader, &group)
        group.restart(away)
        var isDamaged = false
        for _ in 0..<2_000 where group.counts.installs == 0 {
            for id in group.ids {
                group.sync(id)
                group.work(id)
            }
            let place = group.network.firstIndex { $0.isChunk }
            if let place, !isDamaged, case .snapshotChunk(var chunk) = group.network[place].body {
                chunk.bytes[chunk.bytes.startIndex + 60] ^= 4
                group.network[place].body = .snapshotChunk(chunk)
                isDamaged = true
            }
            if group.network.isEmpty {
                group.advance(by: Group.tick)
                for id in group.ids { group.tick(id) }
            } else {
                group.deliver(at: 0)
            }
        }
        #expect(group.counts.damages == 1)
        #expect(group.counts.installs == 1)
        group.settle()
        expectEqualMachines(&group)
    }

    /// The machine that comes with it must not get in by a later way either.
    @Test
    func aSnapshotOfWhatIsCommittedAlreadyIsDropped() {
        var group = Self.group(entries: 1_000)
        let leader = group.elect()
        Self.write(5, "a", at: leader, &group)
        group.tickAll(count: 2, standing: true)
        let follower = group.followers(of: leader)[0]
        let digest = group[follower].machine.digest
        let position = group[follower].raft.log[LogIndex(3)].position
        let mark = SnapshotMark(position: position, membership: group[follower].raft.membership)
        var foreign = SessionMachine(seed: HashSeed(low: 1, high: 2))
        _ = foreign.apply(store("foreign"))
        group.turn(follower) { replica, _ in replica.snapshotReceived(mark, foreign) }
        #expect(group[follower].received == nil)
        #expect(group[follower].machine.digest == digest)
        Self.write(2, "b", at: leader, &group)
        expectEqualMachines(&group)
    }

    // MARK: Who waits

    /// A leader that is cut off with writes of its own; the others go on until their snapshot is
    /// all that they have of that time. Returns it, the next one, and the writes.
    private static func overtaken(
        writes: Int,
        entries: Int,
        _ group: inout Group
    ) -> (old: NodeID, new: NodeID, tokens: [RequestToken]) {
        let old = group.elect()
        group.isolate(old)
        let tokens = (0..<writes).map { group.submit(.write(store("lost-\($0)")), at: old) }
        group.settle()
        let new = group.followers(of: old)[0]
        group.campaign(new)
        write(entries, "kept", at: new, &group)
        return (old, new, tokens)
    }

    @Test
    func writesWhoseFateTheSnapshotHidesAreUnknown() {
        var group = Self.group()
        let (old, new, tokens) = Self.overtaken(writes: 3, entries: 40, &group)
        #expect(group.answers.words(tokens) == [nil, nil, nil])
        group.heal()
        group.tickAll(count: 10)
        #expect(group.counts.installs == 1)
        #expect(group.answers.words(tokens) == [.unknown, .unknown, .unknown])
        #expect(!group[old].machine.has("lost-0"))
        #expect(group[old].machine.has("kept-39"))
        #expect(group.leader == new)
        expectEqualMachines(&group)
    }

    /// Of the last entry in a snapshot the term is known: another one at its index is lost.
    @Test
    func aWriteInThePlaceOfTheSnapshotsLastEntryIsCertainNotToHappen() throws {
        var group = Self.group()
        let old = group.elect()
        let last = group[old].raft.log.last
        let snapshot = LogPosition(term: Term(last.term.rawValue + 5), index: last.index.next.next)
        group.isolate(old)
        let tokens = (0..<3).map { group.submit(.write(store("lost-\($0)")), at: old) }
        group.sync(old)
        let mark = SnapshotMark(position: snapshot, membership: group[old].raft.membership)
        group.turn(old) { replica, _ in replica.snapshotReceived(mark, replica.machine) }
        #expect(group[old].applied == snapshot.index)
        #expect(group.answers.words(tokens) == [.unknown, .noLeader, nil])
    }
}

extension Message {
    fileprivate var isChunk: Bool {
        if case .snapshotChunk = body { return true }
        return false
    }
}
