import RaftCore
import Testing

@testable import Simulation

struct GroupJudgeTests {
    private func commit(
        _ judge: inout GroupJudge,
        _ node: RaftNode,
        isLeading: Bool = true,
        isOnMajority: Bool = true
    ) -> String? {
        var judged = LogIndex.zero
        return judge.committed(node, after: &judged, isLeading: isLeading) { _ in isOnMajority }
    }

    @Test("A second leader of a term is found")
    func leaders() {
        var judge = GroupJudge(first: three)
        #expect(judge.leads(raft(1, term: 3, []), isNew: true) == nil)
        #expect(judge.leads(raft(1, term: 3, []), isNew: false) == nil)
        #expect(judge.leads(raft(2, term: 4, []), isNew: true) == nil)
        #expect(judge.leads(raft(2, term: 3, []), isNew: true) != nil)
    }

    @Test("A new leader without a committed entry is found, unless it is of an older term")
    func completeness() {
        var judge = GroupJudge(first: three)
        #expect(commit(&judge, raft(1, term: 3, [entry(1, 1), entry(2, 3)])) == nil)
        #expect(judge.leads(raft(2, term: 4, [entry(1, 1)]), isNew: true) != nil)
        #expect(judge.leads(raft(2, term: 5, [entry(1, 1), entry(2, 2)]), isNew: true) != nil)
        #expect(judge.leads(raft(2, term: 2, [entry(1, 1)]), isNew: true) == nil)
        #expect(judge.leads(raft(3, term: 6, [entry(1, 1), entry(2, 3)]), isNew: true) == nil)
    }

    @Test("Two committed entries at one index are found, in their terms and in their bytes")
    func safety() {
        var judge = GroupJudge(first: three)
        #expect(commit(&judge, raft(1, term: 3, [entry(1, 1), entry(2, 3)])) == nil)
        #expect(commit(&judge, raft(2, term: 3, [entry(1, 1), entry(2, 3)])) == nil)
        #expect(commit(&judge, raft(2, term: 3, [entry(1, 1), entry(2, 2)])) != nil)
        #expect(commit(&judge, raft(2, term: 3, [entry(1, 1, [8])])) != nil)
    }

    @Test("A commit without a majority is found")
    func majority() {
        var judge = GroupJudge(first: three)
        #expect(commit(&judge, raft(1, term: 1, [entry(1, 1)]), isOnMajority: false) != nil)
    }

    @Test("A follower that commits first is found")
    func follower() {
        var judge = GroupJudge(first: three)
        #expect(commit(&judge, raft(1, term: 1, [entry(1, 1)]), isLeading: false) != nil)
    }

    @Test("Voters change by way of two majorities, and no id comes back")
    func steps() {
        func members(_ roles: [(UInt64, MemberRole)], highest: UInt64 = 0) -> Membership {
            Membership(
                members: roles.map { Member(id: NodeID($0.0), role: $0.1) },
                highestID: NodeID(highest)
            )
        }
        let learning = members([(1, .voter), (2, .voter), (3, .voter), (4, .joining)])
        let joint = members([(1, .outgoing), (2, .voter), (3, .voter), (4, .incoming)])
        let done = members([(2, .voter), (3, .voter), (4, .voter)])
        #expect(GroupJudge.isStep(from: three, to: learning))
        #expect(GroupJudge.isStep(from: learning, to: joint))
        #expect(GroupJudge.isStep(from: joint, to: done))
        #expect(!GroupJudge.isStep(from: learning, to: done))
        #expect(!GroupJudge.isStep(from: joint, to: learning))
        #expect(!GroupJudge.isStep(from: three, to: members([(1, .voter), (2, .voter)])))
        let back = members([(1, .joining), (2, .voter), (3, .voter), (4, .voter)])
        #expect(!GroupJudge.isStep(from: done, to: back))
    }

    @Test("A tail that is thrown away for nothing is found")
    func tail() {
        let long = raft(1, term: 3, [entry(1, 1), entry(2, 1), entry(3, 1)])
        #expect(GroupJudge.brokenTail(of: raft(1, term: 3, [entry(1, 1)]), before: long) != nil)
        #expect(
            GroupJudge.brokenTail(of: raft(1, term: 3, [entry(1, 1), entry(2, 3)]), before: long)
                == nil
        )
        #expect(GroupJudge.brokenTail(of: long, before: long) == nil)
    }

    @Test("A log that goes on after a snapshot that it does not follow is found")
    func conflict() {
        var judge = GroupJudge(first: three)
        #expect(judge.stored(batch([entry(2, 1), entry(3, 1)], term: 1), after: Term(1)) == nil)
        func after(_ base: LogPosition) -> RaftNode {
            RaftNode(
                configuration: RaftConfiguration(id: NodeID(1), seed: 1),
                hardState: HardState(term: Term(3)),
                snapshot: SnapshotMark(position: base, membership: three),
                base: base,
                entries: [entry(3, 1)]
            )
        }
        #expect(judge.brokenStart(of: after(entry(2, 1).position).log) == nil)
        #expect(judge.brokenStart(of: after(entry(2, 0).position).log) != nil)
    }

    @Test("A read that a quorum confirms for a leader of before is found")
    func reads() {
        var judge = GroupJudge(first: three)
        #expect(judge.leads(raft(1, term: 3, []), isNew: true, at: 10) == nil)
        #expect(judge.leads(raft(2, term: 4, []), isNew: true, at: 20) == nil)
        #expect(judge.brokenRead(in: Term(3), askedAt: 15) == nil)
        #expect(judge.brokenRead(in: Term(3), askedAt: 20) == nil, "it may have been asked first")
        #expect(judge.brokenRead(in: Term(3), askedAt: 21) != nil)
        #expect(judge.brokenRead(in: Term(4), askedAt: 21) == nil)
    }

    @Test("Only votes that left are counted, and only for their candidate and term")
    func votes() {
        var judge = GroupJudge(first: three)
        judge.voted(NodeID(2), for: NodeID(1), in: Term(4))
        judge.voted(NodeID(3), for: NodeID(2), in: Term(4))
        #expect(judge.voters(for: NodeID(1), in: Term(4)) == [NodeID(2), NodeID(1)])
        #expect(judge.voters(for: NodeID(1), in: Term(5)) == [NodeID(1)])
    }

    @Test("Log matching is broken by another entry, or by another one before it")
    func matching() {
        var judge = GroupJudge(first: three)
        let first = batch([entry(1, 1), entry(2, 2)], term: 2)
        #expect(judge.stored(first, after: .zero) == nil)
        #expect(judge.stored(first, after: .zero) == nil)
        #expect(judge.stored(batch([entry(2, 2, [9])], term: 2), after: Term(1)) != nil)
        #expect(judge.stored(batch([entry(2, 2)], term: 2), after: Term(2)) != nil)
        #expect(judge.stored(batch([entry(2, 3)], term: 3), after: Term(2)) == nil)
    }

    @Test("Another state after the same entry is found")
    func digest() {
        var judge = GroupJudge(first: three)
        #expect(judge.applied(LogIndex(5), digest: 1) == nil)
        #expect(judge.applied(LogIndex(5), digest: 1) == nil)
        #expect(judge.applied(LogIndex(6), digest: 2) == nil)
        #expect(judge.applied(LogIndex(5), digest: 2) != nil)
    }

    @Test("A membership counts until a later one is committed")
    func memberships() {
        var judge = GroupJudge(first: three)
        let learner = Member(id: NodeID(4), role: .learner)
        let two = Membership(members: three.members + [learner])
        let change = Entry(term: Term(1), index: LogIndex(1), content: .membership(two))
        #expect(judge.isCurrent(three))
        #expect(commit(&judge, raft(1, term: 1, [change])) == nil)
        #expect(!judge.isCurrent(three))
        #expect(judge.isCurrent(two))
    }
}

struct DurableShadowTests {
    private func message(_ term: UInt64, _ body: Message.Body) -> Message {
        Message(from: NodeID(1), to: NodeID(2), term: Term(term), body: body)
    }

    @Test("A vote that is not durable may not leave")
    func votes() {
        var shadow = DurableShadow()
        let node = raft(1, term: 2, [])
        let grant = message(2, .voteResponse(VoteResponse(granted: true)))
        let ask = message(2, .voteRequest(VoteRequest(last: .origin, isTransfer: false)))
        #expect(shadow.brokenPromise(in: grant, of: node) != nil)
        #expect(shadow.brokenPromise(in: ask, of: node) != nil)
        shadow.stored(batch([], term: 2, vote: 2))
        #expect(shadow.brokenPromise(in: grant, of: node) == nil)
        #expect(shadow.brokenPromise(in: ask, of: node) != nil)
        shadow.stored(batch([], term: 4))
        // It can vote for nobody in term 3 any more, so this vote cannot be taken back.
        let late = message(3, .voteResponse(VoteResponse(granted: true)))
        #expect(shadow.brokenPromise(in: late, of: node) == nil)
        #expect(shadow.brokenPromise(in: ask, of: node) != nil)
    }

    @Test("An acknowledgement of what is not durable may not leave")
    func acknowledgements() {
        var shadow = DurableShadow()
        let node = raft(1, term: 2, [entry(1, 1), entry(2, 2)])
        let one = message(2, .appendResponse(.accepted(match: LogIndex(1))))
        let two = message(2, .appendResponse(.accepted(match: LogIndex(2))))
        #expect(shadow.brokenPromise(in: one, of: node) != nil)
        shadow.stored(batch([entry(1, 1)], term: 1))
        #expect(shadow.brokenPromise(in: one, of: node) == nil)
        #expect(shadow.brokenPromise(in: two, of: node) != nil)
        // Another entry at its place: the one that is acknowledged was cut off.
        shadow.stored(batch([entry(2, 1)], term: 1))
        #expect(shadow.brokenPromise(in: two, of: node) != nil)
        shadow.stored(batch([entry(2, 2)], term: 2))
        #expect(shadow.brokenPromise(in: two, of: node) == nil)
    }

    @Test("A node that starts without what it had stored is found")
    func start() {
        var shadow = DurableShadow()
        shadow.stored(batch([entry(1, 1), entry(2, 2)], term: 2))
        #expect(shadow.brokenStart(raft(1, term: 2, [entry(1, 1), entry(2, 2)])) == nil)
        #expect(shadow.brokenStart(raft(1, term: 2, [entry(1, 1)])) != nil)
        #expect(shadow.brokenStart(raft(1, term: 2, [entry(1, 1), entry(2, 1)])) != nil)
        shadow.stored(batch([], term: 3, vote: 2))
        #expect(shadow.brokenStart(raft(1, term: 3, [entry(1, 1), entry(2, 2)])) != nil)
        #expect(shadow.brokenStart(raft(1, term: 2, [entry(1, 1), entry(2, 2)])) != nil)
        #expect(shadow.brokenStart(raft(1, term: 4, [entry(1, 1), entry(2, 2)])) == nil)
    }

    @Test("A node that regains its voice without what it had, or in a term that it does not know")
    func voice() {
        var shadow = DurableShadow()
        shadow.stored(batch([entry(1, 1), entry(2, 1), entry(3, 1)], term: 1))
        shadow.salvaged(base: .zero, [entry(1, 1)])
        let leader = raft(1, term: 2, [entry(1, 1), entry(2, 1), entry(3, 2), entry(4, 2)])
        func verdict(_ entries: [Entry]) -> String? {
            shadow.brokenVoice(
                of: raft(2, term: 2, entries),
                beginning: LogPosition(term: Term(2), index: LogIndex(3)),
                isNeeded: leader.log.contains
            )
        }
        #expect(verdict([entry(1, 1)])?.contains("entry 2, which it had") == true)
        #expect(verdict([entry(1, 1), entry(2, 1)])?.contains("beginning") == true)
        let other = [entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1)]
        #expect(verdict(other)?.contains("beginning") == true)
        #expect(verdict([entry(1, 1), entry(2, 1), entry(3, 2)]) == nil)
    }

    @Test("What is lost in a second loss is looked for as well as what was in the first")
    func secondLoss() {
        var shadow = DurableShadow()
        shadow.stored(batch([entry(1, 1), entry(2, 1)], term: 1))
        shadow.salvaged(base: .zero, [entry(1, 1)])
        // Acknowledged while it was mute.
        var mute = batch([entry(2, 1), entry(3, 1)], term: 1)
        mute.hardState.isMute = true
        shadow.stored(mute)
        shadow.salvaged(base: .zero, [])
        #expect(shadow.isMute)
        #expect(shadow.hasLost(LogIndex(3), of: Term(1)))
        #expect(!shadow.hasLost(LogIndex(3), of: Term(2)))
        func verdict(_ entries: [Entry]) -> String? {
            shadow.brokenVoice(of: raft(2, term: 1, entries), beginning: nil) { _ in true }
        }
        #expect(verdict([entry(1, 1)])?.contains("entry 2") == true)
        #expect(verdict([entry(1, 1), entry(2, 1)])?.contains("entry 3") == true)
        #expect(verdict([entry(1, 1), entry(2, 1), entry(3, 1)]) == nil)
        shadow.stored(batch([], term: 1))
        #expect(!shadow.isMute)
        #expect(!shadow.hasLost(LogIndex(3), of: Term(1)))
    }

    @Test("A snapshot stands for what it replaced")
    func base() {
        var shadow = DurableShadow()
        shadow.stored(batch([entry(1, 1), entry(2, 1), entry(3, 1)], term: 1))
        shadow.stored(batch([], term: 1, base: LogPosition(term: Term(1), index: LogIndex(2))))
        #expect(shadow.has(LogIndex(2), of: Term(9)))
        #expect(shadow.has(LogIndex(3), of: Term(1)))
        #expect(!shadow.has(LogIndex(3), of: Term(2)))
        shadow.stored(batch([], term: 1, base: LogPosition(term: Term(1), index: LogIndex(9))))
        #expect(!shadow.has(LogIndex(10), of: nil))
    }
}
