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

    fileprivate mutating func transfer(to id: NodeID) {
        guard let leader else { return }
        step(leader, .transferLeadership(to: id))
        run(ticks: 5)
    }

    fileprivate func disk(of id: UInt64) -> MemoryDisk { members[index(of: NodeID(id))].disk }
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

    @Test("so does one whose image is of before its first term")
    func beforeTheFirstTerm() {
        var cluster = Cluster(size: 3)
        cluster.mayLose = true
        let image = cluster.disk(of: 3)
        cluster.campaign(one)
        cluster.commit(4)
        cluster.putBack(image, of: 3)
        cluster.run(ticks: 40)
        #expect(cluster.losses.map(\.acknowledged) == [LogIndex(5)])
        #expect(cluster[3].log.last == cluster[1].log.last)
        #expect(!cluster[3].isMute)
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
        cluster.losing = { $0.isHomecomingResponse }
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
        cluster.losing = { $0.isHomecomingRequest }
        cluster.crash(three)
        cluster.restart(three)
        cluster.run(ticks: 12)
        cluster.losing = nil
        cluster.tick(three, count: 20)
        let asked = cluster.network.filter(\.isHomecomingRequest)
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
        cluster.losing = { $0.isHomecomingResponse || $0.isHomecomingRequest }
        cluster.crash(three)
        cluster.restart(three)
        cluster.run(ticks: 12)
        let term = cluster[1].term.rawValue
        let token = cluster[3].configuration.seed
        cluster.losing = nil
        func answer(_ token: UInt64, from sender: UInt64) {
            let more = HomecomingResponse(token: token, acknowledged: position(term, 90))
            cluster.network = [message(from: sender, to: 3, term: term, .homecomingResponse(more))]
            cluster.deliver(at: 0)
        }
        answer(token + 1, from: 1)
        answer(token, from: 2)
        #expect(!cluster[3].isMute)
        answer(token, from: 1)
        #expect(cluster[3].isMute)
        #expect(cluster.failure == nil)
    }

    /// Node 3's disk as it was with entries 5 to 9 of a leader who never committed them; since then
    /// others were committed in their place, up to 9.
    private func groupWithAnotherTail() -> (Cluster, MemoryDisk) {
        var cluster = Cluster(size: 3)
        cluster.mayLose = true
        cluster.campaign(three)
        cluster.commit(2, at: 3)
        cluster.isolate(three)
        for byte in 1...6 as ClosedRange<UInt8> { cluster.propose(byte, at: three) }
        cluster.settle()
        let image = cluster.disk(of: 3)
        #expect(cluster[3].log.durable == LogIndex(9))
        cluster.run(ticks: 60)
        #expect(cluster[3].role != .leader)
        cluster.cuts = []
        cluster.run(ticks: 20)
        for _ in 0..<5 where cluster.leader != one { cluster.transfer(to: one) }
        cluster.isolate(two)
        for _ in 0..<9 where cluster[1].commit < LogIndex(9) { cluster.commit(1) }
        #expect(cluster[1].commit == LogIndex(9))
        #expect(cluster.failure == nil)
        #expect(cluster[3].log.last == cluster[1].log.last)
        return (cluster, image)
    }

    @Test("an image with another tail commits nothing of it, and is found out by its term")
    func anotherTail() {
        var (cluster, image) = groupWithAnotherTail()
        let commit = image.hardState.commit
        #expect(image.entries.last?.index == cluster[1].log.last.index)
        cluster.losing = { $0.isHomecomingResponse }
        cluster.putBack(image, of: 3)
        cluster.run(ticks: 15)
        #expect(cluster[3].commit == commit, "a heartbeat says nothing of this log")
        cluster.losing = nil
        cluster.run(ticks: 40)
        #expect(cluster.losses.count == 1)
        #expect(cluster[3].log.last == cluster[1].log.last)
        #expect(!cluster[3].isMute)
        #expect(cluster.failure == nil)
    }

    @Test("the leader is not told before the node's own disk knows of the loss")
    func hungDisk() {
        var (cluster, image) = group()
        cluster.putBack(image, of: 3)
        cluster.hung = [three]
        cluster.run(ticks: 25)
        #expect(cluster.losses.count == 1)
        #expect(!cluster.disk(of: 3).hardState.isMute)
        // What was on its way to the disk is lost.
        cluster.members[2].writing = nil
        cluster.crash(three)
        cluster.hung = []
        cluster.restart(three)
        cluster.run(ticks: 15)
        #expect(cluster.losses.map(\.acknowledged) == [LogIndex(9), LogIndex(9)])
        cluster.run(ticks: 40)
        #expect(!cluster[3].isMute)
        #expect(cluster[3].log.last == cluster[1].log.last)
        #expect(cluster.failure == nil)
    }

    @Test("each new leader is asked: the one before may have remembered nothing")
    func eachLeader() {
        var (cluster, _) = group()
        cluster.mayLose = false
        cluster.cuts = []
        cluster.run(ticks: 20)
        var asked: Set<NodeID> = []
        for leader in [one, two, three] {
            cluster.record = []
            for _ in 0..<5 where cluster.leader != leader { cluster.transfer(to: leader) }
            #expect(cluster.leader == leader)
            cluster.run(ticks: 3)
            let sent = cluster.record?.flatMap(\.effects.send) ?? []
            asked.formUnion(sent.filter(\.isHomecomingRequest).map(\.to))
        }
        #expect(asked.isSuperset(of: [two, three]))
        #expect(cluster.failure == nil)
    }
}
