// Reads under a lease: no round trip, and no trust in a clock that was looked at too early.

import RaftCore
import Replica
import SessionMachine
import Testing

@Suite
struct LeaseTests {
    /// Ten ticks, as long as the shortest election timeout.
    private static let promise: UInt64 = 1_000_000_000

    static func group(drift: UInt64 = 10, tuning: Tuning? = nil) -> Group {
        Group(tuning: tuning ?? Tuning(parkingTicks: 30, pendingTicks: 60)) { configuration in
            configuration.promise = promise
            configuration.reads = .lease(driftPermille: drift)
        }
    }

    /// A leader whose last heartbeats were answered just now.
    private static func leased(_ group: inout Group) -> NodeID {
        let leader = group.elect()
        group.write(login(1, idle: .seconds(160)), at: leader)
        group.tickAll(count: 4)
        return leader
    }

    @Test
    func aReadUnderALeaseIsAnsweredInItsTurn() throws {
        var group = Self.group()
        let leader = Self.leased(&group)
        let requests: [Request] = [.read, .validate(proof(1)), .validate(proof(1, .look))]
        let tokens = group.submit(requests, at: leader)
        #expect(group.network.isEmpty)
        #expect(group.answers.words(tokens) == [.readable, .readable, .readable])
        #expect(group.counts.underLease == 3)
        for token in tokens {
            guard case .readable(let end?) = try #require(group.answers[token]).answer else {
                Issue.record("no lease stands for the quorum")
                return
            }
            #expect(end > group.clock(of: leader))
            #expect(end.rawValue - group.clock(of: leader).rawValue < Self.promise)
        }
        #expect(group.broken == nil)
    }

    @Test
    func aLeaderWhoseLeaseRanOutAsksAQuorum() {
        var group = Self.group()
        let leader = Self.leased(&group)
        group.advance(by: .seconds(1))
        let token = group.submit(.read, at: leader)
        #expect(group.answers[token] == nil)
        #expect(!group.network.isEmpty)
        group.settle()
        #expect(group.answers.words([token]) == [.readable])
        #expect(group.counts.underLease == 0)
        #expect(group.broken == nil)
    }

    /// The log stands for the lease: whoever proposed the touch led until it committed.
    @Test
    func aValidateWhoseUseIsLoggedNeedsNoLease() throws {
        var group = Self.group()
        let leader = Self.leased(&group)
        group.advance(by: .seconds(11))
        group.tickAll(count: 4)
        let token = group.submit(.validate(proof(1)), at: leader)
        #expect(group.answers[token] == nil)
        group.settle()
        guard case .readable(nil) = try #require(group.answers[token]).answer else {
            Issue.record("a lease stands for the log")
            return
        }
        #expect(group.counts.underLease == 0)
        expectEqualMachines(&group)
    }

    /// The leader is stopped between looking at its clock and serving. Meanwhile another one is
    /// elected, and the session ends there. Then it goes on as if no time had passed.
    private static func staleRead(_ group: inout Group) -> (old: NodeID, new: NodeID, StatusWord?) {
        let old = leased(&group)
        group.pause(old)
        let new = group.followers(of: old)[0]
        group.advance(by: .seconds(3))
        group.campaign(new)
        #expect(group.write(logout(1), at: new) == .revoked(1))
        let token = group.submit(.validate(proof(1)), at: old)
        let status = group.answers[token]?.machine?.status(1)
        group.settle()
        group.tickAll(count: 5)
        return (old, new, status ?? group.answers[token]?.machine?.status(1))
    }

    @Test
    func aLateEdgeAsksAgainAndIsRedirected() {
        var group = Self.group()
        let (old, new, status) = Self.staleRead(&group)
        #expect(status == nil)
        #expect(group.counts.late == 1)
        #expect(group.answers.order.last.map { group.answers[$0]?.answer.target } == new)
        #expect(!group[old].isLeader)
        expectEqualMachines(&group)
    }

    /// The test above can fail: without the second look the revoked session is valid.
    @Test
    func anEdgeThatDoesNotLookAgainServesARevokedSession() {
        var group = Self.group()
        group.edge = .trustsEveryAnswer
        #expect(Self.staleRead(&group).2 == .valid)
    }

    /// A late answer asked again, and again: every time it is a read like the first.
    @Test
    func anEdgeThatIsLateSeveralTimesIsAnsweredOnce() {
        var group = Self.group()
        let leader = Self.leased(&group)
        let token = group.answers.ask(.validate(proof(1)), at: leader)
        let start = group[leader].raft.log.last.index
        for round in 1...3 {
            group.pause(leader)
            group.advance(by: .seconds(1))
            group.turn(leader) { replica, effects in
                if round == 1 {
                    replica.submit(.validate(proof(1)), token, into: &effects)
                }
            }
            #expect(group.counts.late == round)
            #expect(group.answers[token] == nil)
            // The lease is renewed, by heartbeats that the read takes no part in.
            group.members[group.index(of: leader)].again = []
            group.tickAll(count: 4, standing: true)
            group.members[group.index(of: leader)].again = [token]
        }
        group.settle()
        #expect(group.answers.words([token]) == [.readable])
        #expect(group.answers.order.count { $0 == token } == 1)
        #expect(group[leader].raft.log.last.index == start)
        expectEqualMachines(&group)
    }

    /// The machine lags so far that the lease is over when it gets there.
    @Test
    func aReadWhoseLeaseEndsWhileItWaitsForTheMachineAsksAnew() {
        var tuning = Tuning(parkingTicks: 30, pendingTicks: 60)
        tuning.appliedPerTurnMax = 1
        var group = Self.group(tuning: tuning)
        let leader = Self.leased(&group)
        for number in 0..<6 { group.submit(.write(store("a-\(number)")), at: leader) }
        var answers: [Message] = []
        while !group.network.isEmpty || group.members.contains(where: { $0.writing != nil }) {
            for id in group.ids { group.sync(id) }
            while let place = group.network.firstIndex(where: { $0.to == leader }) {
                answers.append(group.network.remove(at: place))
            }
            if !group.network.isEmpty { group.deliver(at: 0) }
        }
        let clock = group.clock(of: leader)
        group.turn(leader) { replica, _ in
            for answer in answers { replica.receive(answer, at: clock) }
        }
        let token = group.submit(.read, at: leader)
        // Its barrier holds at once, and the machine has two of six entries.
        #expect(group.network.isEmpty)
        group.advance(by: .seconds(2))
        for _ in 0..<4 { group.turn(leader) { _, _ in } }
        #expect(group[leader].applied == group[leader].raft.commit)
        #expect(group.answers[token] == nil)
        #expect(!group.network.isEmpty)
        group.settle()
        #expect(group.answers.words([token]) == [.readable])
        #expect(group.counts.underLease == 0)
        #expect(group.counts.late == 0)
        expectEqualMachines(&group)
    }
}
