// Machines that differ: found through the log, fenced by a majority, and nobody else.

import RaftCore
import SessionMachine
import Testing

@testable import Replica

@Suite
struct FingerprintTests {
    private static func group(size: Int = 3, every interval: Int = 8) -> Group {
        var tuning = Tuning(parkingTicks: 30, pendingTicks: 60)
        tuning.fingerprintEntries = interval
        return Group(size: size, tuning: tuning)
    }

    private static func write(_ count: Int, _ name: String, _ group: inout Group) {
        for number in 0..<count {
            // A leader that is fenced on the way has a successor.
            let leader = group.leader ?? group.elect()
            group.write(store("\(name)-\(number)"), at: leader)
            group.tickAll()
        }
    }

    private static func plant(_ id: NodeID, _ group: inout Group) {
        group.planted.insert(id)
        group.members[group.index(of: id)].replica.machine.flip()
    }

    @Test
    func equalMachinesAreAttestedAndGoOn() {
        var group = Self.group()
        _ = group.elect()
        Self.write(60, "a", &group)
        // One for each multiple of eight; each is an entry itself.
        let multiples = group[group.ids[0]].applied.rawValue / 8
        #expect(group.counts.attestations == Int(multiples))
        #expect(multiples >= 8)
        #expect(group.fenced.isEmpty)
        expectEqualMachines(&group)
    }

    @Test(arguments: [2, 3])
    func anIdleGroupStaysIdle(interval: Int) {
        var group = Self.group(every: interval)
        let leader = group.elect()
        Self.write(10, "a", &group)
        group.tickAll(count: 10)
        let (last, count) = (group[leader].raft.log.last.index, group.counts.attestations)
        #expect(count > 3)
        group.tickAll(count: 100)
        #expect(group[leader].raft.log.last.index == last)
        #expect(group.counts.attestations == count)
        expectEqualMachines(&group)
    }

    @Test
    func aFollowerThatDiffersIsFencedAndTheOthersGoOn() {
        var group = Self.group()
        let leader = group.elect()
        Self.write(10, "a", &group)
        let strayed = group.followers(of: leader)[0]
        Self.plant(strayed, &group)
        Self.write(20, "b", &group)
        #expect(group.fenced == [strayed: .diverged(Group.id, LogIndex(16))])
        #expect(group.leader == leader)
        #expect(group[leader].machine.has("b-19"))
        #expect(group.broken == nil)
        // Its memory was the trouble, not its disk: a restart mends it.
        group.planted = []
        group.restart(strayed)
        Self.write(20, "c", &group)
        #expect(group.fenced.count == 1)
        expectEqualMachines(&group)
    }

    @Test
    func aLeaderThatDiffersIsFencedAndFencesNobody() {
        var group = Self.group()
        let leader = group.elect()
        Self.write(10, "a", &group)
        Self.plant(leader, &group)
        Self.write(30, "b", &group)
        #expect(group.fenced == [leader: .diverged(Group.id, LogIndex(16))])
        let next = group.elect()
        #expect(next != leader)
        // What the fenced one acknowledged is in the log, and so is what came after.
        for number in 0..<30 { #expect(group[next].machine.has("b-\(number)")) }
        group.planted = []
        group.restart(leader)
        Self.write(20, "c", &group)
        #expect(group.fenced.count == 1)
        expectEqualMachines(&group)
    }

    @Test
    func twoOfFiveThatDifferAreBothFenced() {
        var group = Self.group(size: 5)
        let leader = group.elect()
        Self.plant(leader, &group)
        Self.plant(group.followers(of: leader)[2], &group)
        // The same flip twice: they agree with each other.
        Self.write(30, "a", &group)
        #expect(Set(group.fenced.keys) == group.planted)
        #expect(group.broken == nil)
    }

    /// Nobody can say which of two is right; stopping both would be an outage for a suspicion.
    @Test
    func twoReplicasThatDifferDecideNothing() {
        var group = Self.group(size: 2)
        let leader = group.elect()
        Self.plant(group.followers(of: leader)[0], &group)
        Self.write(30, "a", &group)
        #expect(group.disputes.isEmpty)
        group.tickAll(count: Limits.attestPatienceTicks)
        #expect(group.counts.attestations == 0)
        #expect(group.fenced.isEmpty)
        // The operator is told, once for each entry that was looked at.
        #expect(group.disputes.count >= 3)
        #expect(Set(group.disputes).count == group.disputes.count)
        #expect(group.broken == nil)
    }

    @Test
    func aVoterThatIsDownKeepsNobodyFromAnAttestation() {
        var group = Self.group()
        let leader = group.elect()
        let away = group.followers(of: leader)[0]
        group.crash(away)
        Self.write(10, "a", &group)
        #expect(group.counts.attestations == 0)
        group.tickAll(count: Limits.attestPatienceTicks)
        #expect(group.counts.attestations == 1)
        // It comes back, differs, and finds out by what the others said without it.
        group.restart(away)
        Self.plant(away, &group)
        group.tickAll(count: 5)
        #expect(group.fenced == [away: .diverged(Group.id, LogIndex(8))])
        #expect(group.broken == nil)
    }

    /// It never was at that entry, so it has nothing to compare.
    @Test
    func aReplicaThatWasRestoredBeyondTheEntryIgnoresTheAttestation() {
        var group = SnapshotTests.group()
        let leader = group.elect()
        let away = group.followers(of: leader)[0]
        group.crash(away)
        for number in 0..<40 { group.write(store("a-\(number)"), at: leader) }
        group.restart(away)
        group.tickAll(count: 10)
        #expect(group.counts.installs == 1)
        let applied = group[away].applied.rawValue
        let votes = group.ids.map {
            Attestation.Vote(node: $0.rawValue, digest: StateDigest(rawValue: 7))
        }
        let attestation = Attestation(index: applied - 1, votes: votes)
        #expect(!group[away].checkpoints.isRefuted(by: attestation, among: .of(3)))
        group.write(.attest(attestation), at: leader)
        expectEqualMachines(&group)
    }

    /// The driver may be slow to stop; nothing that comes from a wrong state may leave meanwhile.
    @Test
    func nothingLeavesAFencedReplica() {
        var group = Self.group()
        let leader = group.elect()
        Self.plant(leader, &group)
        var replica = group[leader]
        Self.write(20, "a", &group)
        #expect(group.fenced[leader] != nil)
        replica = group[leader]
        var effects = ReplicaEffects()
        for token in 1...3 {
            replica.submit(.read, RequestToken(rawValue: 9_000 + UInt64(token)), into: &effects)
        }
        for _ in 0..<30 { replica.tick(at: .zero, into: &effects) }
        replica.endTurn(at: group.now, clock: .zero, into: &effects)
        #expect(effects.stop == .diverged(Group.id, LogIndex(8)))
        #expect(effects.send.isEmpty)
        #expect(effects.answers.isEmpty)
        #expect(effects.persist == nil)
    }

    /// What a peer says may be anything.
    @Test
    func aLeaderListensToVotersAboutCheckpointsThatItHas() {
        var group = Self.group()
        let leader = group.elect()
        Self.write(3, "a", &group)
        let term = group[leader].raft.term
        func say(_ index: UInt64, _ node: NodeID) {
            let fingerprint = Fingerprint(index: LogIndex(index), value: 1)
            let message = Message(
                from: node,
                to: leader,
                term: term,
                body: .fingerprint(fingerprint)
            )
            group.turn(leader) { replica, _ in replica.receive(message, at: .zero) }
        }
        let follower = group.followers(of: leader)[0]
        say(3, follower)
        say(800, follower)
        say(.max, follower)
        #expect(group[leader].tally.isEmpty)
        Self.write(3, "b", &group)
        let last = group[leader].raft.log.last.index.rawValue
        #expect(last < 8)
        Self.write(2, "c", &group)
        #expect(group.counts.attestations == 1)
        say(8, NodeID(77))
        #expect(group[leader].tally.isEmpty)
        // Settled already.
        say(8, follower)
        #expect(group[leader].tally.isEmpty)
        expectEqualMachines(&group)
    }
}

extension FingerprintTests {
    /// As many as fit, and before anybody else: they must not keep the voters from being heard.
    @Test
    func strangersCannotCrowdOutTheVoters() {
        var group = Self.group()
        let leader = group.elect()
        while group[leader].raft.log.last.index < LogIndex(7) {
            group.write(store("a"), at: leader)
        }
        group.submit(.write(store("b")), at: leader)
        #expect(group[leader].raft.log.last.index == LogIndex(8))
        let term = group[leader].raft.term
        for node in 50..<UInt64(50 + Attestation.votesMax) {
            let message = Message(
                from: NodeID(node),
                to: leader,
                term: term,
                body: .fingerprint(Fingerprint(index: LogIndex(8), value: 1))
            )
            group.turn(leader) { replica, _ in replica.receive(message, at: .zero) }
        }
        #expect(group.counts.attestations == 0)
        group.settle()
        group.tickAll(count: 3)
        #expect(group.counts.attestations == 1)
        expectEqualMachines(&group)
    }
}

extension Membership {
    fileprivate static func of(_ voters: UInt64) -> Membership {
        Membership(voters: (1...voters).map { NodeID($0) })
    }

    fileprivate static func roles(_ roles: MemberRole...) -> Membership {
        Membership(
            members: roles.enumerated().map { Member(id: NodeID(UInt64($0 + 1)), role: $1) }
        )
    }
}

@Suite
struct FingerprintTallyTests {
    private static func votes(_ values: UInt64...) -> Attestation {
        let votes = values.enumerated().map {
            Attestation.Vote(node: UInt64($0 + 1), digest: StateDigest(rawValue: $1))
        }
        return Attestation(index: 8, votes: votes)
    }

    @Test
    func aMajorityIsMoreThanHalfOfTheVoters() {
        #expect(Self.votes(1, 1).majority(of: .of(3))?.rawValue == 1)
        #expect(Self.votes(2, 1, 1).majority(of: .of(3))?.rawValue == 1)
        #expect(Self.votes(1, 2).majority(of: .of(3)) == nil)
        #expect(Self.votes(1, 1, 2, 2).majority(of: .of(4)) == nil)
        #expect(Self.votes(1, 1).majority(of: .of(5)) == nil)
        #expect(Self.votes(3).majority(of: .of(1))?.rawValue == 3)
        #expect(Self.votes(1, 1).majority(of: .none) == nil)
    }

    @Test
    func learnersHaveNoVoiceAndAJointPhaseNeedsBothMajorities() {
        let learners = Membership.roles(.voter, .learner, .joining)
        #expect(Self.votes(1, 2, 2).majority(of: learners)?.rawValue == 1)
        // Old: 1, 2, 3. New: 1, 4, 5.
        let joint = Membership.roles(.voter, .outgoing, .outgoing, .incoming, .incoming)
        #expect(Self.votes(1, 1, 2, 2, 2).majority(of: joint) == nil)
        #expect(Self.votes(1, 1, 2, 1, 2).majority(of: joint)?.rawValue == 1)
    }

    @Test
    func aNodesLastWordCounts() {
        var tally = FingerprintTally()
        for (node, value) in [(3, 1), (1, 1), (3, 2), (2, 1)] as [(UInt64, UInt64)] {
            tally.hear(NodeID(node), Fingerprint(index: LogIndex(8), value: value), in: 0)
        }
        let decided = tally.takeDecided(among: .of(3), in: 0)
        #expect(decided == Self.votes(1, 1, 2))
        #expect(tally.isEmpty)
    }

    @Test
    func earlierEntriesAreDroppedWithTheOneThatIsDecided() {
        var tally = FingerprintTally()
        func hear(_ node: UInt64, _ index: UInt64) {
            tally.hear(NodeID(node), Fingerprint(index: LogIndex(index), value: 1), in: 0)
        }
        func decided(in tick: Int) -> UInt64? {
            tally.takeDecided(among: .of(3), in: tick)?.index
        }
        hear(1, 8)
        hear(2, 8)
        var index = decided(in: 0)
        #expect(index == nil)
        for node in 1...3 as ClosedRange<UInt64> { hear(node, 16) }
        hear(1, 24)
        index = decided(in: 0)
        #expect(index == 16)
        #expect(tally.count == 1)
        hear(3, 8)
        hear(2, 24)
        #expect(tally.count == 1)
        index = decided(in: Limits.attestPatienceTicks - 1)
        #expect(index == nil)
        index = decided(in: Limits.attestPatienceTicks)
        #expect(index == 24)
        #expect(tally.isEmpty)
    }

    /// Where checkpoints pass faster than patience, the oldest goes: attested where it can be.
    @Test
    func whatIsGatheredIsBounded() {
        var tally = FingerprintTally()
        var decided: [UInt64] = []
        for round in 1...100 as ClosedRange<UInt64> {
            for node in 1...2 as ClosedRange<UInt64> {
                // Every third time they do not agree.
                let value = round.isMultiple(of: 3) ? node : 1
                let fingerprint = Fingerprint(index: LogIndex(round * 8), value: value)
                tally.hear(NodeID(node), fingerprint, in: 0)
                if let attestation = tally.takeDecided(among: .of(3), in: 0) {
                    decided.append(attestation.index / 8)
                }
            }
        }
        let gathered = UInt64(Limits.checkpointsGathered)
        #expect(decided == (1...100 - gathered).filter { !$0.isMultiple(of: 3) })
        #expect(tally.count == Limits.checkpointsGathered)
    }

    @Test
    func whatIsRememberedIsBounded() {
        var checkpoints = Checkpoints(interval: 2, from: LogIndex(5))
        #expect(checkpoints.next == LogIndex(6))
        let count = Limits.checkpointsRemembered + 10
        for value in 0..<count { checkpoints.reached(StateDigest(rawValue: UInt64(value))) }
        let untold = checkpoints.takeUntold()
        #expect(untold.count == Limits.checkpointsRemembered)
        #expect(!checkpoints.hasUntold)
        func isRefuted(_ index: UInt64, by value: UInt64) -> Bool {
            let vote = Attestation.Vote(node: 1, digest: StateDigest(rawValue: value))
            let attestation = Attestation(index: index, votes: [vote])
            return checkpoints.isRefuted(by: attestation, among: .of(1))
        }
        let newest = checkpoints.next.rawValue - 2
        #expect(!isRefuted(newest, by: UInt64(count - 1)))
        #expect(isRefuted(newest, by: 999))
        #expect(!isRefuted(newest + 1, by: 999))
        // The oldest are forgotten.
        #expect(!isRefuted(6, by: 999))
        #expect(isRefuted(6 + 20, by: 999))
        checkpoints.restored(at: LogIndex(400))
        #expect(checkpoints.next == LogIndex(402))
    }
}
