import RaftCore
import Replica
import Testing

@testable import Simulation

/// The judges of leaders find what is planted into a run that is sound.
struct LeaderJudgeTests {
    private struct Scene {
        var simulator: Simulator
        var leader: SimNode
        var raft: RaftNode

        /// What the judges say of the leader as it stands.
        var verdict: String? { simulator.brokenLeader(raft, raft, leader) }
    }

    /// A calm group of three whose leader has a lease and has heard from all what they store.
    private func scene() throws -> Scene {
        var options = Options(seed: 1)
        options.nodes = 3
        options.reads = .lease(driftPermille: 100)
        options.promise = options.electionTimeout
        options.exceedsDrift = false
        options.mixesCodecs = false
        options.network.dropPermille = 0
        options.network.tailOneIn = 0
        options.disk.errorOneIn = 0
        options.stalls.oneIn = 0
        options.faults = FaultOptions()
        options.aimed.leaderPermille = 0
        options.aimed.plots = nil
        let simulator = Simulator(options: options, trace: nil)
        simulator.begin()
        while simulator.failure == nil, simulator.now < 20 * Time.second, simulator.takeNextEvent()
        {
            for node in simulator.nodes {
                guard let raft = node.process?.replica.raft, raft.isLeader,
                    let end = raft.leaseEnd, simulator.now > 5 * Time.second,
                    node.clock.instant(at: simulator.now) < end,
                    raft.progress.allSatisfy({ $0.id == raft.id || $0.match > raft.log.base.index })
                else { continue }
                return Scene(simulator: simulator, leader: node, raft: raft)
            }
        }
        throw NoScene(failure: simulator.failure)
    }

    private struct NoScene: Error { var failure: String? }

    /// A leader, in a later term than `before`, of a group of its own.
    private func lone(_ id: NodeID, after before: Term) throws -> RaftNode {
        var raft = RaftNode(
            configuration: RaftConfiguration(id: id, seed: 1),
            hardState: HardState(term: before),
            snapshot: SnapshotMark(position: .origin, membership: Membership(voters: [id]))
        )
        for _ in 0..<200 where !raft.isLeader {
            var effects = Effects()
            raft.step(.tick, into: &effects)
            raft.flush(into: &effects)
            if let batch = effects.persist { raft.step(.persisted(batch.mark), into: &effects) }
        }
        #expect(raft.isLeader && raft.term > before)
        return raft
    }

    @Test("A sound leader is found sound")
    func sound() throws {
        let scene = try scene()
        #expect(scene.verdict == nil)
    }

    @Test("A leader whom too few have elected is found")
    func election() throws {
        let scene = try scene()
        scene.simulator.judge = GroupJudge(first: three)
        let before = try lone(NodeID(7), after: scene.raft.term)
        let verdict = scene.simulator.brokenLeader(scene.raft, before, scene.leader)
        #expect(verdict?.contains("votes") == true, "\(verdict ?? "nothing")")
    }

    @Test("A leader that is elected while another holds a lease is found")
    func lease() throws {
        let scene = try scene()
        let other = try #require(scene.simulator.nodes.first { $0.id != scene.leader.id })
        let usurper = try lone(other.id, after: scene.raft.term)
        // Nothing is known to be committed, which it would lack.
        scene.simulator.judge = GroupJudge(first: three)
        let before = try #require(other.process?.replica.raft)
        let verdict = scene.simulator.brokenLeader(usurper, before, other)
        #expect(verdict?.contains("holds a lease") == true, "\(verdict ?? "nothing")")
    }

    @Test("A lease that outlives the election of another is found")
    func outlived() throws {
        let scene = try scene()
        let usurper = try lone(NodeID(9), after: scene.raft.term)
        #expect(scene.simulator.judge.leads(usurper, isNew: false) == nil)
        #expect(scene.verdict?.contains("another was elected") == true)
    }

    @Test("A leader that believes in what is not on a follower's disk is found")
    func match() throws {
        let scene = try scene()
        let follower = try #require(scene.simulator.nodes.first { $0.id != scene.leader.id })
        follower.shadow = DurableShadow()
        #expect(scene.verdict?.contains("believes") == true)
    }

    @Test("An acknowledgement of an entry that the leader does not have is found")
    func acknowledgement() throws {
        let scene = try scene()
        let follower = try #require(scene.simulator.nodes.first { $0.id != scene.leader.id })
        let last = scene.raft.log.last.index
        let message = Message(
            from: follower.id,
            to: scene.leader.id,
            term: scene.raft.term,
            body: .appendResponse(.accepted(match: last))
        )
        let term = scene.raft.term
        #expect(scene.simulator.brokenAcknowledgement(in: message, of: scene.raft) == nil)
        let strange = RaftNode(
            configuration: RaftConfiguration(id: follower.id, seed: 1),
            hardState: HardState(term: term),
            snapshot: SnapshotMark(position: .origin, membership: three),
            entries: (1...last.rawValue).map { entry($0, 0) }
        )
        let verdict = scene.simulator.brokenAcknowledgement(in: message, of: strange)
        #expect(verdict?.contains("not its leader's") == true, "\(verdict ?? "nothing")")
    }
}
