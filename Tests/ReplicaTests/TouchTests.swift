// Validates that must write first: a use that is due for logging, and an end that is not in the log
// yet. And the time entries of an idle leader.

import RaftCore
import Replica
import SessionMachine
import Testing

@Suite
struct TouchTests {
    /// Granularity of an idle timeout of 160 s: a touch is due 10 s after the last.
    private static let idle = Milliseconds.seconds(160)

    private static func groupWithSession() -> (group: Group, leader: NodeID) {
        var group = Group()
        let leader = group.elect()
        group.write(login(1, idle: idle), at: leader)
        return (group, leader)
    }

    /// The commands in the entries of a log that follow `start`.
    private static func commands(
        _ group: Group,
        after start: LogIndex,
        at id: NodeID
    ) throws -> [[Command]] {
        let log = group[id].raft.log
        var entries: [[Command]] = []
        var index = start.next
        while index <= log.last.index {
            if case .command(let payload) = log[index].content {
                var entry = try EntryPayload(decoding: payload)
                var commands: [Command] = []
                while let command = try entry.next() { commands.append(command) }
                entries.append(commands)
            }
            index = index.next
        }
        return entries
    }

    @Test
    func aFreshUseIsAPureRead() throws {
        var (group, leader) = Self.groupWithSession()
        let start = group[leader].raft.log.last.index
        group.advance(by: .seconds(9))
        #expect(group.validate(1, at: leader) == .valid)
        // A look never writes, however old the last use is.
        group.advance(by: .seconds(100))
        #expect(group.validate(1, .look, at: leader) == .valid)
        #expect(group.validate(2, at: leader) == .unknown)
        #expect(group[leader].raft.log.last.index == start)
        #expect(group.broken == nil)
    }

    @Test
    func aValidateThatNeedsATouchIsAnsweredOnlyAfterTheTouchCommitted() throws {
        var (group, leader) = Self.groupWithSession()
        let start = group[leader].raft.log.last.index
        group.advance(by: .seconds(11))
        let token = group.submit(.validate(proof(1)), at: leader)
        while group[leader].raft.log.last.index == start, group.broken == nil {
            group.deliver(at: 0)
        }
        let entries = try Self.commands(group, after: start, at: leader)
        #expect(entries == [[.touch([handle(1)])]])
        #expect(group.answers[token] == nil)
        // The touch is in the leader's log and on its disk: not enough.
        group.sync(leader)
        while !group.network.isEmpty { group.deliver(at: 0) }
        #expect(group.answers[token] == nil)
        group.settle()
        let given = try #require(group.answers[token])
        #expect(given.answer.word == .readable)
        #expect(given.applied == start.next)
        #expect(given.machine?.session(handle(1))?.lastTouch == group.now)
        expectEqualMachines(&group)
    }

    @Test
    func manyValidatesOfOneSessionInOneTurnAreOneTouch() throws {
        var (group, leader) = Self.groupWithSession()
        group.write(login(2, idle: Self.idle), at: leader)
        let start = group[leader].raft.log.last.index
        group.advance(by: .seconds(11))
        let numbers = [1, 2, 1, 1, 2, 1]
        let tokens = group.submit(numbers.map { .validate(proof($0)) }, at: leader)
        group.settle()
        let touch = Command.touch([handle(1), handle(2)].sorted())
        let entries = try Self.commands(group, after: start, at: leader)
        #expect(entries == [[touch]])
        #expect(group.answers.words(tokens) == Array(repeating: .readable, count: 6))
        expectEqualMachines(&group)
    }

    @Test
    func moreTouchesThanAnEntryTakesAreSeveralEntries() throws {
        var group = Group()
        let leader = group.elect()
        let count = ReplicaLimits.touchesPerEntryMax + 1
        group.submit((0..<count).map { .write(login($0, idle: Self.idle)) }, at: leader)
        group.settle()
        let start = group[leader].raft.log.last.index
        group.advance(by: .seconds(11))
        let tokens = group.submit((0..<count).map { .validate(proof($0)) }, at: leader)
        group.settle()
        #expect(group[leader].raft.log.last.index == start.advanced(by: 2))
        #expect(Set(group.answers.words(tokens)) == [.readable])
        expectEqualMachines(&group)
    }

    @Test
    func theTouchTravelsWithTheWritesOfItsTurn() throws {
        var (group, leader) = Self.groupWithSession()
        let start = group[leader].raft.log.last.index
        group.advance(by: .seconds(11))
        let validate = group.submit(.validate(proof(1)), at: leader)
        while let place = group.network.firstIndex(where: { $0.from == leader }) {
            group.deliver(at: place)
        }
        let confirmation = try #require(group.network.first)
        group.network.removeFirst()
        let write = group.answers.ask(.write(store("a")), at: leader)
        group.turn(leader) { replica, effects in
            replica.receive(confirmation, at: .zero)
            replica.submit(.write(store("a")), write, into: &effects)
        }
        group.settle()
        #expect(group.answers.words([validate, write]) == [.readable, .applied])
        let flat = try Self.commands(group, after: start, at: leader).flatMap(\.self)
        #expect(flat == [store("a"), .touch([handle(1)])])
        expectEqualMachines(&group)
    }

    @Test
    func anEndIsLoggedBeforeItIsTold() throws {
        var (group, leader) = Self.groupWithSession()
        let start = group[leader].raft.log.last.index
        let token = group.submit(.validate(proof(1)), at: leader)
        while let place = group.network.firstIndex(where: { $0.from == leader }) {
            group.deliver(at: place)
        }
        // It ends while its barrier is on the way: the log has no word of it when that holds.
        group.advance(by: .seconds(171))
        group.deliver(at: 0)
        #expect(group[leader].raft.log.last.index > start)
        #expect(group[leader].machine.status(1) == .valid)
        #expect(group.answers[token] == nil)
        group.settle()
        let given = try #require(group.answers[token])
        #expect(given.machine?.status(1) == .expired)
        #expect(given.applied > start)
        let entries = try Self.commands(group, after: start, at: leader)
        #expect(!entries.isEmpty)
        // Such entries carry the time and nothing else.
        #expect(entries.allSatisfy { $0.isEmpty })
        expectEqualMachines(&group)
    }

    @Test
    func anIdleLeaderLogsTheTimeOnceADeadlineHasPassed() throws {
        var (group, leader) = Self.groupWithSession()
        let start = group[leader].raft.log.last.index
        group.advance(by: .seconds(100))
        group.tickAll(count: 5)
        #expect(group[leader].raft.log.last.index == start)
        group.advance(by: .seconds(80))
        group.tickAll(count: 10)
        for id in group.ids { #expect(group[id].machine.status(1) == .expired) }
        // It is quiet again: the next deadline is the tombstone's.
        let end = group[leader].raft.log.last.index
        #expect(end > start)
        group.tickAll(count: 20)
        #expect(group[leader].raft.log.last.index == end)
        expectEqualMachines(&group)
    }

    @Test
    func oneTimeEntryIsOutAtATime() {
        var (group, leader) = Self.groupWithSession()
        let start = group[leader].raft.log.last.index
        group.isolate(leader)
        group.advance(by: .seconds(180))
        for _ in 0..<8 { group.tick(leader) }
        #expect(group[leader].raft.log.last.index == start.next)
        #expect(group.broken == nil)
    }

    /// Proposals that were lost beyond the end of the present log are no reason to wait.
    @Test
    func aReelectedIdleLeaderStillLogsTheTime() {
        var (group, old) = Self.groupWithSession()
        group.isolate(old)
        for number in 0..<12 { group.submit(.write(store("lost-\(number)")), at: old) }
        let new = group.followers(of: old)[0]
        group.campaign(new)
        group.heal()
        group.tickAll(count: 3)
        group.crash(new)
        group.campaign(old)
        group.advance(by: .seconds(180))
        group.tickAll(count: 5)
        #expect(group[old].machine.status(1) == .expired)
        group.restart(new)
        expectEqualMachines(&group)
    }

    @Test
    func aTouchThatItsLeaderLostIsNotAnsweredAsReadable() {
        var (group, old) = Self.groupWithSession()
        group.advance(by: .seconds(11))
        let token = group.submit(.validate(proof(1)), at: old)
        while let place = group.network.firstIndex(where: { $0.from == old }) {
            group.deliver(at: place)
        }
        // The barrier holds; then the network is gone, and the touch stays with the old leader.
        group.isolateOutgoing(old)
        group.settle()
        #expect(group.answers[token] == nil)
        group.isolate(old)
        let new = group.followers(of: old)[0]
        group.campaign(new)
        group.write(logout(1), at: new)
        group.heal()
        group.tickAll(count: 3)
        #expect(group.answers.words([token]) == [.noLeader])
        #expect(group.validate(1, at: new) == .revoked)
        expectEqualMachines(&group)
    }
}
