// A node that has lost a part of what it had acknowledged and does not know it: an old image of its
// whole disk was put back. The leader of before remembers, and the node asks.

import RaftCore
import TestKit
import Testing

extension Cluster {
    /// The node's process ends, and its disk becomes what it was.
    fileprivate mutating func putBack(_ image: MemoryDisk, of id: UInt64) {
        crash(NodeID(id))
        members[index(of: NodeID(id))].disk = image
        restart(NodeID(id))
    }

    fileprivate func disk(of id: UInt64) -> MemoryDisk { members[index(of: NodeID(id))].disk }
}

extension Message {
    fileprivate var isQuestion: Bool {
        if case .homecomingRequest = body { true } else { false }
    }

    fileprivate var isAnswer: Bool {
        if case .homecomingResponse = body { true } else { false }
    }

    fileprivate var isVoiceResponse: Bool {
        if case .voiceResponse = body { true } else { false }
    }
}

@Suite("A node whose disk is an old image of itself")
struct HomecomingTests {
    private let one = NodeID(1)
    private let two = NodeID(2)
    private let three = NodeID(3)

    /// Node 1 leads; entries up to 9 are on nodes 1 and 3 alone, and committed. And node 3's disk
    /// as it was with 5 of them.
    private func group() -> (Cluster, MemoryDisk) {
        var cluster = Cluster(size: 3)
        cluster.mayLose = true
        cluster.campaign(one)
        cluster.isolate(two)
        cluster.commit(4)
        let image = cluster.disk(of: 3)
        cluster.commit(4)
        #expect(cluster[1].commit == LogIndex(9))
        #expect(cluster[3].log.durable == LogIndex(9))
        return (cluster, image)
    }

    @Test("it finds out, is mute, and gets what it lacks from the leader of before")
    func found() {
        var (cluster, image) = group()
        let term = cluster[1].term
        cluster.losing = { $0.isVoiceResponse }
        cluster.putBack(image, of: 3)
        #expect(!cluster[3].isMute)
        cluster.run(ticks: 15)
        #expect(cluster.losses.map(\.acknowledged) == [LogIndex(9)])
        #expect(cluster.losses.map(\.durable) == [LogIndex(5)])
        #expect(cluster[3].isMute)
        #expect(cluster.disk(of: 3).hardState.isMute)
        cluster.losing = nil
        cluster.run(ticks: 25)
        #expect(cluster[1].term == term && cluster[1].isLeader)
        #expect(cluster[3].log.last == cluster[1].log.last)
        #expect(!cluster[3].isMute)
        #expect(!cluster.disk(of: 3).hardState.isMute)
        #expect(cluster.losses.count == 1)
        #expect(cluster.failure == nil)
    }

    @Test("once it has found out, nobody is elected who lacks what it had acknowledged")
    func noVote() {
        var (cluster, image) = group()
        cluster.losing = { $0.isVoiceResponse }
        cluster.putBack(image, of: 3)
        cluster.run(ticks: 15)
        #expect(cluster[3].isMute)
        cluster.crash(one)
        cluster.cuts = []
        cluster.run(ticks: 200)
        #expect(cluster.leader == nil)
        cluster.restart(one)
        cluster.losing = nil
        cluster.run(ticks: 60)
        #expect(cluster.leader == one)
        #expect(cluster[2].log.last == cluster[3].log.last)
        #expect(!cluster[3].isMute)
        #expect(cluster.failure == nil)
    }

    @Test("an answer that is lost takes nothing with it: the node asks again, and is told the same")
    func lostAnswer() {
        var (cluster, image) = group()
        cluster.losing = { $0.isAnswer }
        cluster.putBack(image, of: 3)
        // Nor does the leader send what the node cannot take without end.
        cluster.propose(7, at: one)
        cluster.run(ticks: 40)
        #expect(!cluster[3].isMute)
        #expect(cluster.losses.isEmpty)
        cluster.losing = nil
        cluster.run(ticks: 40)
        #expect(cluster.losses.map(\.acknowledged) == [LogIndex(9)])
        #expect(cluster[3].log.last == cluster[1].log.last)
        #expect(!cluster[3].isMute)
    }

    @Test("what this process has acknowledged since the question was asked is no loss")
    func overtaken() {
        var (cluster, _) = group()
        cluster.mayLose = false
        cluster.losing = { $0.isQuestion }
        cluster.crash(three)
        cluster.restart(three)
        cluster.run(ticks: 12)
        cluster.losing = nil
        cluster.tick(three, count: 20)
        let asked = cluster.network.filter(\.isQuestion)
        #expect(asked.count >= 1)
        cluster.network = []
        cluster.commit(4)
        #expect(cluster[3].log.durable == LogIndex(13))
        cluster.network = asked
        cluster.run(ticks: 3)
        #expect(!cluster[3].isMute)
        #expect(cluster.failure == nil)
    }

    @Test("an answer to another process, or from who does not lead, says nothing")
    func foreignAnswer() {
        var (cluster, _) = group()
        cluster.mayLose = false
        cluster.losing = { $0.isAnswer || $0.isQuestion }
        cluster.crash(three)
        cluster.restart(three)
        cluster.run(ticks: 12)
        let term = cluster[1].term.rawValue
        let answer = HomecomingResponse(token: 1, acknowledged: LogIndex(90))
        cluster.losing = nil
        for sender in [1, 2] as [UInt64] {
            cluster.network = [
                message(from: sender, to: 3, term: term, .homecomingResponse(answer))
            ]
            cluster.deliver(at: 0)
        }
        #expect(!cluster[3].isMute)
        #expect(cluster.failure == nil)
    }
}
