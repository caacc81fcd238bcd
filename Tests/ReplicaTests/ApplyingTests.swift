// A turn applies boundedly many entries; what waits for the rest keeps its order.

import RaftCore
import SessionMachine
import Testing

@testable import Replica

@Suite
struct ApplyingTests {
    private static func group(perTurn: Int, lagMax: Int = 1_000) -> Group {
        var tuning = Tuning(parkingTicks: 30, pendingTicks: 60)
        tuning.appliedPerTurnMax = perTurn
        tuning.applyLagMax = lagMax
        return Group(tuning: tuning)
    }

    /// Writes that all commit in one turn of the leader, each an entry of its own, and reads asked
    /// behind them. The barrier of the reads holds before that turn.
    private static func burst(
        writes count: Int,
        reads: [Request],
        _ group: inout Group,
        at leader: NodeID
    ) throws -> (writes: [RequestToken], reads: [RequestToken]) {
        let writes = (0..<count).map { group.submit(.write(store("a", "\($0)")), at: leader) }
        // The followers store all of it; what they say is on its way.
        var answers: [Message] = []
        while !group.network.isEmpty || group.members.contains(where: { $0.writing != nil }) {
            for id in group.ids { group.sync(id) }
            while let place = group.network.firstIndex(where: { $0.to == leader }) {
                answers.append(group.network.remove(at: place))
            }
            if !group.network.isEmpty { group.deliver(at: 0) }
        }
        let before = group[leader].applied
        group.turn(leader) { replica, _ in
            for answer in answers { replica.receive(answer, at: .zero) }
        }
        #expect(group[leader].raft.commit == before.advanced(by: count))
        return (writes, group.submit(reads, at: leader))
    }

    @Test
    func aTurnAppliesBoundedlyManyEntriesAndSaysThatMoreIsLeft() throws {
        var group = Self.group(perTurn: 3)
        let leader = group.elect()
        let before = group[leader].applied
        let tokens = try Self.burst(writes: 10, reads: [.read], &group, at: leader)
        // The turn of the commit, and the one of the read.
        #expect(group[leader].applied == before.advanced(by: 6))
        #expect(group.members[group.index(of: leader)].isUnfinished)
        #expect(group.answers.order == Array(tokens.writes.prefix(6)))
        group.turn(leader) { _, _ in }
        #expect(group[leader].applied == before.advanced(by: 9))
        #expect(group.members[group.index(of: leader)].isUnfinished)
        group.turn(leader) { _, _ in }
        #expect(!group.members[group.index(of: leader)].isUnfinished)
        #expect(group.answers.order == tokens.writes)
        group.settle()
        #expect(group.answers.order == tokens.writes + tokens.reads)
        expectEqualMachines(&group)
    }

    /// The barrier of the read holds when four of ten writes are applied.
    @Test
    func aReadWaitsUntilTheMachineHasWhatWasCommittedWhenItWasAsked() throws {
        var group = Self.group(perTurn: 1)
        let leader = group.elect()
        let tokens = try Self.burst(writes: 10, reads: [.read, .read], &group, at: leader)
        for id in group.followers(of: leader) {
            while let place = group.network.firstIndex(where: { $0.to == id }) {
                group.deliver(at: place)
            }
        }
        while let place = group.network.firstIndex(where: { $0.to == leader }) {
            group.deliver(at: place)
            #expect(group.answers.words(tokens.reads) == [nil, nil])
        }
        let last = group[leader].raft.commit
        #expect(group[leader].applied < last)
        while group[leader].applied < last, group.broken == nil {
            #expect(group.answers.words(tokens.reads) == [nil, nil])
            group.turn(leader) { _, _ in }
        }
        #expect(group.answers.words(tokens.reads) == [.readable, .readable])
        for token in tokens.reads {
            #expect(try #require(group.answers[token]?.machine).get(key("a")) == bytes("9"))
        }
        expectEqualMachines(&group)
    }

    @Test
    func aLeaderThatLagsRefusesWritesUntilItHasCaughtUp() throws {
        var group = Self.group(perTurn: 2, lagMax: 5)
        let leader = group.elect()
        _ = try Self.burst(writes: 12, reads: [], &group, at: leader)
        let early = group.submit([.write(store("b")), .read], at: leader)
        #expect(group.answers.words(early) == [.overloaded, nil])
        group.turn(leader) { _, _ in }
        let late = group.submit(.write(store("c")), at: leader)
        #expect(group.answers[late] == nil)
        group.settle()
        #expect(group.answers.words(early + [late]) == [.overloaded, .readable, .applied])
        for id in group.ids { #expect(!group[id].machine.has("b")) }
        expectEqualMachines(&group)
    }

    @Test
    func tooManyUncommittedBytesAreOverloaded() {
        var group = Group { $0.limits.uncommittedBytesMax = 10_000 }
        let leader = group.elect()
        group.isolate(leader)
        let value = String(repeating: "x", count: 4_000)
        let tokens = (0..<4).map { group.submit(.write(store("\($0)", value)), at: leader) }
        #expect(group.answers.words(tokens) == [nil, nil, .overloaded, .overloaded])
        group.heal()
        group.tickAll(count: 5)
        #expect(group.answers.words(tokens) == [.applied, .applied, .overloaded, .overloaded])
        expectEqualMachines(&group)
    }

    /// A leader is deposed with a barrier that holds and a machine that is not there yet.
    @Test
    func readsOfALeaderThatIsDeposedWhileItLagsGoBackToTheStart() throws {
        var group = Self.group(perTurn: 1)
        let old = group.elect()
        group.write(login(1, idle: .seconds(160)), at: old)
        group.advance(by: .seconds(11))
        // One of them needs a touch, which only a leader can log.
        let requests: [Request] = [.read, .validate(proof(1))]
        let tokens = try Self.burst(writes: 8, reads: requests, &group, at: old)
        while let place = group.network.firstIndex(where: { $0.from == old }) {
            group.deliver(at: place)
        }
        while let place = group.network.firstIndex(where: { $0.to == old }) {
            group.deliver(at: place)
        }
        #expect(group[old].applied < group[old].raft.commit)
        let new = group.followers(of: old)[0]
        let heartbeat = Message(
            from: new,
            to: old,
            term: group[old].raft.term.advanced,
            body: .heartbeat(Heartbeat(commit: .zero, round: .none))
        )
        group.turn(old) { replica, _ in replica.receive(heartbeat, at: .zero) }
        #expect(!group[old].isLeader)
        #expect(group[old].applied < group[old].raft.commit)
        #expect(tokens.reads.map { group.answers[$0]?.answer.target } == [new, new])
    }

    /// Reads that wait for the machine when it is exchanged go back to the start.
    @Test
    func readsThatWaitWhileTheMachineIsExchangedAreParked() throws {
        var group = Self.group(perTurn: 1)
        let leader = group.elect()
        let requests: [Request] = [.read, .validate(proof(1))]
        let tokens = try Self.burst(writes: 10, reads: requests, &group, at: leader)
        while let place = group.network.firstIndex(where: { $0.from == leader }) {
            group.deliver(at: place)
        }
        while let place = group.network.firstIndex(where: { $0.to == leader }) {
            group.deliver(at: place)
        }
        let applied = group[leader].applied
        #expect(applied < group[leader].raft.commit)
        let position = LogPosition(term: Term(90), index: LogIndex(90))
        let mark = SnapshotMark(position: position, membership: group[leader].raft.membership)
        group.turn(leader) { replica, _ in replica.snapshotReceived(mark, replica.machine) }
        #expect(group[leader].applied == LogIndex(90))
        #expect(group.answers.words(tokens.reads) == [nil, nil])
        #expect(group[leader].parking.count == 2)
        // The entries that were committed and not applied here: what they came to is not known.
        let words = group.answers.words(tokens.writes)
        let done = words.prefix { $0 == .applied }
        #expect(done.count >= 4)
        #expect(words.dropFirst(done.count).allSatisfy { $0 == .unknown })
        #expect(words.last == .unknown)
    }
}

extension Term {
    fileprivate var advanced: Term { Term(rawValue + 1) }
}
