// A cluster that grows and shrinks while it works. Members are changed by `holdfast members`, as an
// operator would.

import Foundation
import HoldfastClient
import HoldfastServer
import Logging
import RaftCore
import Testing

@Suite("A cluster whose members change", .serialized)
struct GrowthTests {
    private static let workers = 8
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    @Test("three nodes grow to five and shrink to three others under load, and lose nothing")
    func growAndShrink() async throws {
        try await TestCluster.with(spareCount: 2) { cluster in
            try await HoldfastClient.withClient(
                configuration: .init(seeds: cluster.seeds),
                logger: Self.logger
            ) { client in
                let load = Load(client: client)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for worker in 0..<Self.workers {
                        group.addTask { await load.run(worker: worker) }
                    }
                    defer { load.stop() }
                    try await grow(cluster)
                    try await shrink(cluster)
                    try await reachFloors(load)
                }
                try await judge(load)
                try await spread(cluster)
            }
        }
    }

    private func grow(_ cluster: TestCluster) async throws {
        for name in ["n4", "n5"] {
            try await cluster.startJoining(name)
            try await change(cluster, ["add", "--node", name])
        }
        let view = await MembershipView.ask(cluster.grown)
        for node in cluster.grown.nodes {
            #expect(view.roles(of: node.id) == [MemberRole](repeating: .voter, count: 6))
        }
        // With five, two may go.
        try cluster.crash("n1")
        try cluster.crash("n2")
        try cluster.start("n1")
        try cluster.start("n2")
    }

    private func shrink(_ cluster: TestCluster) async throws {
        for name in ["n1", "n2"] {
            try await change(cluster, ["remove", "--node", name])
        }
        for name in ["n1", "n2"] {
            try await cluster.wait(for: "was removed from group 5", from: name)
            #expect(try cluster.terminate(name) == 0)
        }
        let (code, text) = try cluster.members(["list"])
        #expect(code == 0)
        #expect(text.contains("removed"), "\(text)")
        let view = await MembershipView.ask(cluster.grown)
        #expect(view.isRemoved(NodeID(1)))
        #expect(view.roles(of: NodeID(2)).isEmpty)
        // What was used is used.
        try await cluster.startJoining("n1")
        let (again, refusal) = try cluster.members(["add", "--node", "n1"])
        #expect(again == 1)
        #expect(refusal.contains("IDUSED"), "\(refusal)")
        #expect(try cluster.terminate("n1") == 0)
    }

    @Test("a node that does not run, or that has members of its own, is not added")
    func notNew() async throws {
        try await TestCluster.with(nodeCount: 1, spareCount: 2) { cluster in
            let (code, text) = try cluster.members(["add", "--node", "n2"])
            #expect(code == 1)
            #expect(text.contains("n2 does not answer"), "\(text)")
            // As whoever forgets --join: the node thinks that it founds a cluster.
            try await cluster.startJoining("n3", flags: [])
            let (second, refusal) = try cluster.members(["add", "--node", "n3"])
            #expect(second == 1)
            #expect(refusal.contains("without --join"), "\(refusal)")
            let (third, unknown) = try cluster.members(["add", "--node", "n9"])
            #expect(third == 64)
            #expect(unknown.contains("n1, n2, n3"), "\(unknown)")
            // Nobody ever had that id: nothing is done, and nobody is told that it was.
            for words in [["remove", "--node", "33"], ["replace", "--node", "33", "--by", "n2"]] {
                let (code, text) = try cluster.members(words)
                #expect(code == 1)
                #expect(text.contains("no node 33 was ever a member"), "\(text)")
            }
            // The last voter stays.
            let (fourth, last) = try cluster.members(["remove", "--node", "n1"])
            #expect(fourth == 1)
            #expect(last.contains("LASTVOTER"), "\(last)")
        }
    }

    @Test("a node is not removed where those that are left would stand still, unless forced")
    func danger() async throws {
        try await TestCluster.with { cluster in
            try cluster.crash("n3")
            let (code, text) = try cluster.members(["remove", "--node", "n2"])
            #expect(code == 1)
            #expect(text.contains("stand still"), "\(text)")
            // The lost one may go.
            #expect(try cluster.members(["remove", "--node", "n3"]).code == 0)
            try await cluster.waitUntilReady()
            // Gone is gone, by its name and by its id.
            #expect(try cluster.members(["remove", "--node", "3"]).code == 0)
            try cluster.crash("n1")
            try cluster.crash("n2")
            let (fourth, nobody) = try cluster.members(["remove", "--node", "n2", "--no-wait"])
            #expect(fourth == 1)
            #expect(nobody.contains("no group has taken the command"), "\(nobody)")
        }
    }

    @Test("a learner gets everything, decides nothing, and is promoted by a second command")
    func learner() async throws {
        try await TestCluster.with(nodeCount: 1, spareCount: 1) { cluster in
            try await cluster.startJoining("n2")
            try await change(cluster, ["add", "--node", "n2", "--learner"])
            let view = await MembershipView.ask(cluster.grown)
            #expect(view.roles(of: NodeID(2)) == [MemberRole](repeating: .learner, count: 6))
            // It is not needed.
            try cluster.crash("n2")
            let client = try RawClient(port: cluster.configuration.nodes[0].clusterPort)
            client.send(command: ["SET", "k", "v"])
            #expect(client.line() == "+OK")
            try await cluster.startJoining("n2")
            try await change(cluster, ["add", "--node", "n2"])
            let after = await MembershipView.ask(cluster.grown)
            #expect(after.roles(of: NodeID(2)) == [MemberRole](repeating: .voter, count: 6))
        }
    }

    /// It hears from a leader whose address it knows from nowhere.
    @Test("a node joins whose configuration names nobody else")
    func joinsAlone() async throws {
        try await TestCluster.with(spareCount: 1) { cluster in
            let alone = try cluster.configuration(ofAlone: "n4")
            try await cluster.startJoining("n4", knowing: alone)
            try await change(cluster, ["add", "--node", "n4"])
            let view = await MembershipView.ask(cluster.grown)
            #expect(view.roles(of: NodeID(4)) == [MemberRole](repeating: .voter, count: 6))
        }
    }

    private func change(_ cluster: TestCluster, _ words: [String]) async throws {
        let start = ContinuousClock.now
        let (code, text) = try cluster.members(words)
        #expect(code == 0, "\(words): \(text)")
        #expect(text.contains("done: "))
        print("members \(words.joined(separator: " ")): \(ContinuousClock.now - start)")
        // It was done, so it is done.
        #expect(try cluster.members(words).code == 0)
    }

    /// Leaders end up evenly with the three that are left.
    private func spread(_ cluster: TestCluster) async throws {
        var leaders: [UInt64] = []
        for _ in 0..<200 {
            let view = await MembershipView.ask(cluster.grown)
            leaders = view.groups.map { $0?.leader ?? 0 }
            if leaders == [3, 4, 5, 3, 4, 5] { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        Issue.record("leaders are not at home: \(leaders)")
    }

    private func reachFloors(_ load: Load) async throws {
        for _ in 0..<60 {
            let ledger = load.snapshot
            if ledger.created >= 500, ledger.revocations >= 150, ledger.written >= 500 { return }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    private func judge(_ load: Load) async throws {
        let ledger = try await load.check()
        print(
            """
            acknowledged while members changed: \(ledger.created) logins, \
            \(ledger.revocations) logouts, \(ledger.written) values; \
            \(ledger.validated) validations, \(ledger.failed) failed calls
            """
        )
        #expect(ledger.broken.prefix(5) == [])
        #expect(ledger.created >= 500, "too little was asked for this to prove anything")
        #expect(ledger.revocations >= 150)
        #expect(ledger.written >= 500)
    }
}
