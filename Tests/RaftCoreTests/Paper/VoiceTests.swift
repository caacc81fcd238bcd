// A node that has lost a part of its log, and keeps what it has promised all the same: Leader
// Completeness (figure 3) rests on voters who hold what they have acknowledged.

import RaftCore
import TestKit
import Testing

extension Cluster {
    /// The node's process ends, and its disk loses all entries after `index`; the term and the vote
    /// are kept elsewhere.
    fileprivate mutating func lose(_ id: UInt64, after index: UInt64) {
        let place = self.index(of: NodeID(id))
        crash(NodeID(id))
        members[place].disk.entries.removeAll { $0.index.rawValue > index }
        members[place].disk.hardState.commit = .zero
        members[place].disk.hardState.isMute = true
        restart(NodeID(id))
    }

    fileprivate func isMuteOnDisk(_ id: UInt64) -> Bool {
        members[index(of: NodeID(id))].disk.hardState.isMute
    }
}

@Suite("A node that has lost a part of its log")
struct VoiceTests {
    private let one = NodeID(1)
    private let two = NodeID(2)
    private let three = NodeID(3)

    /// Node 1 leads; entries 2 to 5 are on nodes 1 and 3 alone, and committed.
    private func group() -> Cluster {
        var cluster = Cluster(size: 3)
        cluster.campaign(one)
        cluster.isolate(two)
        cluster.commit(4)
        #expect(cluster[1].commit == LogIndex(5))
        #expect(cluster[3].log.last.index == LogIndex(5))
        return cluster
    }

    @Test("what it had acknowledged is not lost: nobody is elected who lacks it")
    func noVote() {
        var cluster = group()
        cluster.lose(3, after: 1)
        cluster.crash(one)
        cluster.cuts = []
        // Nodes 2 and 3 are a majority, and neither has what was committed.
        cluster.run(ticks: 200)
        #expect(cluster.leader == nil)
        #expect(cluster[2].role != .candidate && cluster[3].role == .follower)
        cluster.restart(one)
        cluster.run(ticks: 60)
        #expect(cluster.leader == one)
        #expect(cluster[2].log.last == cluster[3].log.last)
        #expect(cluster[3].commit >= LogIndex(5))
        #expect(!cluster[3].isMute)
        #expect(cluster.failure == nil)
    }

    @Test("with a voice of its own the same node would have let the entries be lost")
    func withoutTheRule() {
        var cluster = group()
        cluster.lose(3, after: 1)
        let place = cluster.index(of: three)
        cluster.crash(three)
        cluster.members[place].disk.hardState.isMute = false
        cluster.restart(three)
        cluster.crash(one)
        cluster.cuts = []
        cluster.run(ticks: 100)
        #expect(cluster.failure != nil, "entries that were committed are missing")
    }

    @Test("it refuses votes and pre-votes, and does not campaign, not even when told to")
    func mute() {
        var cluster = group()
        cluster.lose(3, after: 1)
        let term = cluster[3].term.rawValue
        let last = position(9, 90)
        cluster.cuts = []
        cluster.network = [
            preVoteRequest(from: 2, to: 3, term: term, last: last),
            voteRequest(from: 2, to: 3, term: term + 1, last: last, isTransfer: true),
        ]
        cluster.deliver(at: 0)
        cluster.deliver(at: 0)
        cluster.sync(three)
        #expect(cluster.votesGranted(to: two) == 0)
        #expect(cluster[3].vote == nil)
        #expect(cluster[3].term.rawValue == term + 1)
        cluster.network = [message(from: 1, to: 3, term: term + 1, .timeoutNow)]
        cluster.deliver(at: 0)
        cluster.tick(three, count: 100)
        #expect(cluster[3].role == .follower)
        #expect(cluster[3].term.rawValue == term + 1)
    }

    @Test("it follows and acknowledges, and entries are committed with it")
    func acknowledges() {
        var cluster = group()
        cluster.losing = { $0.isVoiceResponse }
        cluster.lose(3, after: 1)
        cluster.run(ticks: 20)
        cluster.commit(3)
        #expect(cluster[1].commit == LogIndex(8))
        #expect(cluster[3].log.last == cluster[1].log.last)
        #expect(cluster[3].isMute)
        #expect(cluster.failure == nil)
    }

    @Test("the leader that counted on what was lost is told, and sends it again")
    func sentAgain() {
        var cluster = group()
        let term = cluster[1].term
        cluster.lose(3, after: 0)
        cluster.run(ticks: 25)
        #expect(cluster[1].term == term && cluster[1].isLeader)
        #expect(cluster[3].log.last == cluster[1].log.last)
        #expect(!cluster[3].isMute)
        #expect(!cluster.isMuteOnDisk(3))
        #expect(cluster.failure == nil)
    }

    @Test("it votes again once it has its voice back, and may lead")
    func voiceBack() {
        var cluster = group()
        cluster.lose(3, after: 1)
        cluster.run(ticks: 25)
        #expect(!cluster[3].isMute)
        cluster.crash(one)
        cluster.cuts = []
        cluster.run(ticks: 60)
        #expect(cluster.leader == three)
        #expect(cluster[2].commit >= LogIndex(5))
        #expect(cluster.failure == nil)
    }

    @Test("what the leader had when it was asked is needed, not what it has committed")
    func wholeLog() {
        var limits = Limits()
        limits.appendEntriesMax = 1
        var cluster = Cluster(size: 3, limits: limits)
        cluster.campaign(one)
        cluster.isolate(two)
        // On nodes 1 and 3, acknowledged, and the acknowledgement is on its way.
        cluster.propose(1, at: one)
        while let place = cluster.network.firstIndex(where: { $0.to == three }) {
            cluster.deliver(at: place)
        }
        cluster.sync(three)
        let late = cluster.network.filter { $0.from == three }
        #expect(late.contains { $0.appendResponse == .accepted(match: LogIndex(2)) })
        cluster.network = []
        cluster.lose(3, after: 1)
        // It agrees with the leader on entry 1, which is committed, and does not get entry 2.
        cluster.losing = { ($0.appendRequest?.entries.last?.index ?? .zero) >= LogIndex(2) }
        cluster.run(ticks: 30)
        #expect(cluster[1].commit == LogIndex(1))
        #expect(cluster[3].isMute, "it lacks entry 2, which the leader may commit with its word")
        cluster.network = late
        cluster.deliver(at: 0)
        cluster.losing = nil
        cluster.run(ticks: 30)
        #expect(!cluster[3].isMute)
        #expect(cluster[3].log.last.index >= LogIndex(2))
        #expect(cluster.failure == nil)
    }

    @Test("a log as long as the leader's is not the leader's")
    func otherEntries() {
        // Node 3 has entries of a leader whom nobody followed, up to where the new one's log ends.
        var cluster = Cluster(size: 3, logs: [1: [1], 2: [1], 3: [1, 1, 1]])
        cluster.isolate(three)
        cluster.campaign(two)
        cluster.propose(1, at: two)
        cluster.settle()
        #expect(cluster[2].log.last.index == cluster[3].log.last.index)
        cluster.lose(3, after: 3)
        cluster.cuts = []
        cluster.losing = { $0.appendRequest != nil }
        cluster.run(ticks: 30)
        #expect(cluster[3].leader == two)
        #expect(cluster[3].isMute, "it has not been sent the leader's entries")
        cluster.losing = nil
        cluster.run(ticks: 30)
        #expect(!cluster[3].isMute)
        #expect(cluster[3].log.last == cluster[2].log.last)
        #expect(cluster.failure == nil)
    }

    @Test("what one leader said of its log says nothing of the next one's")
    func earlierTerm() {
        var cluster = group()
        cluster.lose(3, after: 1)
        // The answer is there and the entries are, but the disk has not said so yet.
        for _ in 0..<100 where cluster[3].log.last.index < LogIndex(5) {
            for id in [one, three] { cluster.tick(id) }
            while !cluster.network.isEmpty { cluster.deliver(at: 0) }
            cluster.sync(one)
        }
        #expect(cluster[3].log.last.index == LogIndex(5))
        #expect(cluster[3].isMute)
        let next = cluster[3].term.rawValue + 1
        let heartbeat = Heartbeat(commit: .zero, round: ReadRound(rawValue: 1))
        cluster.cuts = []
        cluster.network = [message(from: 2, to: 3, term: next, .heartbeat(heartbeat))]
        cluster.deliver(at: 0)
        #expect(cluster[3].leader == two)
        for _ in 0..<5 { cluster.sync(three) }
        #expect(cluster[3].log.durable == LogIndex(5))
        #expect(cluster[3].isMute, "the new leader has not been asked")
    }

    @Test("an answer to a question of an earlier process says nothing")
    func oldAnswer() {
        var cluster = group()
        cluster.losing = { $0.isVoiceResponse }
        cluster.lose(3, after: 1)
        cluster.run(ticks: 20)
        let old = VoiceResponse(token: 1, last: LogIndex(1))
        cluster.network = [
            message(from: 1, to: 3, term: cluster[1].term.rawValue, .voiceResponse(old))
        ]
        cluster.losing = nil
        cluster.deliver(at: 0)
        #expect(cluster[3].isMute)
    }

    @Test("it stays mute over restarts, and over leaders, until one has told it")
    func restarts() {
        var cluster = group()
        cluster.losing = { $0.isVoiceResponse }
        cluster.lose(3, after: 1)
        cluster.run(ticks: 15)
        cluster.crash(three)
        cluster.restart(three)
        cluster.run(ticks: 15)
        #expect(cluster[3].isMute)
        cluster.cuts = []
        cluster.run(ticks: 10)
        cluster.crash(one)
        cluster.run(ticks: 60)
        // Node 2 has the whole log now, and no majority without the mute one.
        #expect(cluster.leader == nil)
        cluster.restart(one)
        cluster.losing = nil
        cluster.run(ticks: 60)
        #expect(!cluster[3].isMute)
        #expect(cluster.failure == nil)
    }

    @Test("a node that has nothing left gets a snapshot, and its voice with what follows it")
    func snapshot() {
        var limits = Limits()
        limits.trailingEntries = 0
        var cluster = Cluster(size: 3, limits: limits)
        cluster.campaign(one)
        cluster.commit(4)
        cluster.snapshot(1)
        cluster.commit(2)
        cluster.lose(3, after: 0)
        cluster.run(ticks: 40)
        #expect(cluster.installed == 1)
        #expect(cluster[3].log.last == cluster[1].log.last)
        #expect(!cluster[3].isMute)
        #expect(cluster.failure == nil)
    }
}
