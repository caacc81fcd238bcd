// What a leader refuses whose disk is nearly full or full, and what goes on all the same.

import RaftCore
import Replica
import SessionMachine
import Testing

@Suite
struct RoomTests {
    private static let idle = Milliseconds.seconds(160)

    /// Two sessions and a value, at a leader whose disk is as is said.
    private static func group(_ room: Room) -> (group: Group, leader: NodeID) {
        var group = Group()
        let leader = group.elect()
        for command in [login(1, idle: idle), login(2, idle: idle), store("a")] {
            #expect(group.write(command, at: leader) != nil)
        }
        group.turn(leader) { replica, _ in replica.room = room }
        return (group, leader)
    }

    private static let adding: [Command] = [login(3), store("b"), store("a", "another")]

    private static let lasting: [Command] = [
        logout(1),
        .renew(RenewSession(handle: handle(2), digest: secret(2), idle: nil, lifetime: hours(2))),
        .revokeAll(RevokeSubject(subject: bytes("user-2"))),
        .touch([handle(2)]), .getExpiring(key("a"), .keep), .getDeleting(key("a")),
        .delete([key("a")]), .expire(key("a"), .after(hours(1)), .always), .persist(key("a")),
        .time,
    ]

    @Test("a nearly full disk: nothing new comes in; sessions are used, renewed and revoked")
    func low() {
        var (group, leader) = Self.group(.low)
        let refused = group.submit(Self.adding.map { .write($0) }, at: leader)
        let taken = group.submit(Self.lasting.map { .write($0) }, at: leader)
        group.settle()
        #expect(group.answers.words(refused) == [.noRoom, .noRoom, .noRoom])
        #expect(group.answers.words(taken) == taken.map { _ in .applied })
        #expect(group[leader].machine.status(3) == .unknown)
        #expect(group[leader].machine.status(1) == .revoked)
        expectEqualMachines(&group)
    }

    @Test("a full memory: nothing new comes in; sessions are used, renewed and revoked")
    func memory() {
        var (group, leader) = Self.group(.ample)
        group.turn(leader) { replica, _ in replica.isMemoryFull = true }
        let refused = group.submit(Self.adding.map { .write($0) }, at: leader)
        let taken = group.submit(Self.lasting.map { .write($0) }, at: leader)
        group.settle()
        #expect(group.answers.words(refused) == [.noMemory, .noMemory, .noMemory])
        #expect(group.answers.words(taken) == taken.map { _ in .applied })
        #expect(group[leader].machine.status(3) == .unknown)
        group.turn(leader) { replica, _ in replica.isMemoryFull = false }
        let again = group.submit(Self.adding.map { .write($0) }, at: leader)
        group.settle()
        #expect(group.answers.words(again) == again.map { _ in .applied })
        expectEqualMachines(&group)
    }

    @Test("a nearly full disk: a use that is due for logging is logged")
    func lowUse() {
        var (group, leader) = Self.group(.low)
        let start = group[leader].raft.log.last.index
        group.advance(by: .seconds(11))
        #expect(group.validate(1, at: leader) == .valid)
        #expect(group[leader].raft.log.last.index == start.next)
    }

    @Test("a full disk: no entry is proposed, and what only reads is answered")
    func exhausted() {
        var (group, leader) = Self.group(.exhausted)
        let start = group[leader].raft.log.last.index
        let commands = Self.adding + Self.lasting
        let refused = group.submit(commands.map { .write($0) }, at: leader)
        let read = group.submit([.read, .validate(proof(1))], at: leader)
        group.settle()
        #expect(group.answers.words(refused) == refused.map { _ in .noRoom })
        #expect(group.answers.words(read) == [.readable, .readable])
        // A use that must be in the log before it is answered, and an end.
        group.advance(by: .seconds(11))
        let use = group.submit(.validate(proof(1)), at: leader)
        group.settle()
        group.advance(by: Self.idle)
        group.tickAll(count: 3)
        let end = group.submit(.validate(proof(1)), at: leader)
        group.settle()
        #expect(group.answers.words([use, end]) == [.noRoom, .noRoom])
        #expect(group[leader].raft.log.last.index == start)
        #expect(group[leader].isLeader)
        #expect(group.broken == nil)
    }

    @Test("when there is room again all goes on")
    func again() {
        var (group, leader) = Self.group(.exhausted)
        group.advance(by: Self.idle)
        group.advance(by: .seconds(20))
        group.tickAll(count: 3)
        #expect(group[leader].machine.status(1) == .valid)
        group.turn(leader) { replica, _ in replica.room = .ample }
        group.tickAll(count: 3)
        // The end that was due came by itself.
        #expect(group[leader].machine.status(1) == .expired)
        #expect(group.write(store("b"), at: leader) == .ok)
        expectEqualMachines(&group)
    }

    @Test("a follower stores what it is sent, however little room it has")
    func follower() {
        var (group, leader) = Self.group(.ample)
        for follower in group.followers(of: leader) {
            group.turn(follower) { replica, _ in replica.room = .exhausted }
        }
        #expect(group.write(store("b"), at: leader) == .ok)
        expectEqualMachines(&group)
    }
}
