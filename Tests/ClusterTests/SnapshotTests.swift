// Snapshots in real processes: logs are cut, nodes start from what is left, and those that were
// away too long are sent the rest.

import Foundation
import HoldfastClient
import HoldfastServer
import Testing

@Suite("Nodes whose logs are cut", .serialized)
struct SnapshotTests {
    /// Snapshots every 50 entries, and nothing kept before them.
    private static let settings = ["snapshot: {entries: 50, trailing: 0}"]

    private func with(
        nodeCount: Int,
        spareCount: Int = 0,
        _ body: (TestCluster, HoldfastClient) async throws -> Void
    ) async throws {
        try await TestCluster.withClient(
            nodeCount: nodeCount,
            spareCount: spareCount,
            settings: Self.settings,
            body
        )
    }

    /// Writes `rounds` times to each of 60 keys, one after the other, so that each write is an
    /// entry.
    private func write(_ client: HoldfastClient, rounds: Range<Int>) async throws {
        for round in rounds {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<6 {
                    group.addTask {
                        for key in 0..<10 {
                            let value = Self.value(worker, key, round)
                            try await client.set("k-\(worker)-\(key)", value, repetition: .always)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    private static func value(_ worker: Int, _ key: Int, _ round: Int) -> [UInt8] {
        Array("\(worker):\(key):\(round)".utf8)
    }

    private func check(_ client: HoldfastClient, round: Int) async throws {
        for worker in 0..<6 {
            for key in 0..<10 {
                let found = try await client.get("k-\(worker)-\(key)")
                #expect(found == Self.value(worker, key, round))
            }
        }
    }

    /// The entries up to which a node has snapshots: the newest of each group.
    private func snapshots(_ cluster: TestCluster, _ name: String) throws -> [Int: UInt64] {
        let files = try FileManager.default.contentsOfDirectory(
            atPath: cluster.data(name) + "/snapshots"
        )
        var newest: [Int: UInt64] = [:]
        for file in files where file.hasSuffix(".snapshot") {
            let parts = file.split(separator: "-")
            guard let group = Int(parts[0]), let index = UInt64(parts[1]) else { continue }
            newest[group] = max(newest[group] ?? 0, index)
        }
        return newest
    }

    @Test("a node that starts again has what its snapshots and the log after them hold")
    func restart() async throws {
        try await with(nodeCount: 1) { cluster, client in
            let session = try await client.sessions.create(for: "alice")
            for turn in 0..<3 {
                try await write(client, rounds: turn * 15..<turn * 15 + 15)
                try cluster.crash("n1")
                let cut = try snapshots(cluster, "n1")
                #expect(cut.count == 6)
                #expect(cut.values.allSatisfy { $0 >= 50 }, "\(cut)")
                try cluster.start("n1")
                try await cluster.waitUntilReady()
                try await check(client, round: turn * 15 + 14)
            }
            guard case .valid = try await client.sessions.validate(session.token) else {
                Issue.record("the session of before the snapshots is lost")
                return
            }
        }
    }

    @Test("a node that was away while the others cut their logs is sent snapshots, and serves")
    func catchUp() async throws {
        try await with(nodeCount: 3) { cluster, client in
            try await write(client, rounds: 0..<2)
            try cluster.crash("n3")
            try await write(client, rounds: 2..<20)
            try cluster.start("n3")
            try await cluster.wait(for: "snapshot received", from: "n3")
            try await cluster.waitUntilReady()
            let received = try cluster.words("n3").matches(of: /snapshot received/).count
            print("snapshots received by the node that was away: \(received)")
            // At least the one that was waited for; how many more have come by now is a matter of
            // the machine's speed.
            #expect(received >= 1)
            // Now it must be one of the two that hold everything.
            try cluster.crash("n1")
            try await check(client, round: 19)
            try await write(client, rounds: 20..<22)
            try await check(client, round: 21)
        }
    }

    /// As docs/OPERATIONS.md has it, with the hardest choice: the new node takes the old one's
    /// place in the configuration, and its addresses.
    @Test("a node that lost its disk is refused under its old id, and replaced under a new one")
    func lostDisk() async throws {
        try await with(nodeCount: 3) { cluster, client in
            try await write(client, rounds: 0..<15)
            try cluster.crash("n3")
            try FileManager.default.removeItem(atPath: cluster.data("n3"))
            try cluster.start("n3")
            let complaint = "node 3 came back with another disk"
            try await cluster.wait(for: complaint, from: "n1")
            try await cluster.wait(for: complaint, from: "n2")
            #expect(try cluster.words("n1").contains("holdfast members replace"))
            try await cluster.wait(for: "seems to refuse this node", from: "n3")
            try await write(client, rounds: 15..<17)
            try cluster.crash("n3")

            try cluster.putInPlace(of: "n3", "n4", id: 4)
            try await cluster.startJoining("n4")
            let unnamed = try cluster.members(["replace", "--node", "n3", "--by", "n4"])
            #expect(unnamed.code == 64, "\(unnamed.text)")
            let (code, text) = try cluster.members(["replace", "--node", "3", "--by", "n4"])
            #expect(code == 0, "\(text)")
            try cluster.crash("n1")
            try await check(client, round: 16)
            try await write(client, rounds: 17..<18)
        }
    }
}
