// The power of a node is cut before any call that it makes to its disk while it gets its log again
// from the others: the entries that it lost, or a snapshot. It starts once more, goes on from where
// it was, and has everything in the end. Short by default; HOLDFAST_TORTURE=1 takes each call.

import Foundation
import HoldfastServer
import Testing

@Suite("A node whose power is cut while it is repaired", .serialized)
struct RepairCutTests {
    private enum Need {
        /// It has been away for longer than the others' logs go back.
        case snapshot
        /// Its journal is gone: what it has is set aside, and a new one made.
        case journal
    }

    private struct Plan {
        var need: Need
        /// Every so many calls, in the short form.
        var step: Int
        /// More than it takes.
        var calls: Int
        var cutsMin: (short: Int, long: Int)
    }

    private static let plans = [
        Plan(need: .snapshot, step: 2, calls: 30, cutsMin: (short: 6, long: 12)),
        Plan(need: .journal, step: 9, calls: 100, cutsMin: (short: 6, long: 50)),
    ]
    private static let victim = "n2"

    @Test("before the Nth call to the disk: it starts again, and nothing is missing")
    func everyCall() async throws {
        let settings = [
            "snapshot: {entries: 20, trailing: 0}",
            "timing: {tick: 20ms, heartbeat: 40ms, election: 300ms}",
        ]
        for plan in Self.plans {
            try await TestCluster.with(groupCount: 1, settings: settings) { cluster in
                var written = 0
                var cuts = 0
                for at in stride(from: 1, to: plan.calls, by: DiskTrial.isLong ? 1 : plan.step) {
                    if try await cut(cluster, plan.need, at: at, &written) { cuts += 1 }
                }
                let words = try cluster.words(Self.victim)
                let snapshots = words.components(separatedBy: "snapshot received").count - 1
                // The last mishap may still be ahead. Without the third node this one is needed.
                try cluster.crash(Self.victim)
                try cluster.start(Self.victim)
                try await cluster.wait { try await self.isWhole(cluster) }
                try cluster.crash("n3")
                try await cluster.wait { try self.set("probe", "1", cluster) }
                try expect(0..<written, cluster)
                print(
                    """
                    power cuts, a node that needs a \(plan.need): \(cuts) cuts, \(snapshots) \
                    snapshots received, nothing is missing
                    """
                )
                #expect(cuts >= (DiskTrial.isLong ? plan.cutsMin.long : plan.cutsMin.short))
                #expect(snapshots >= cuts)
            }
        }
    }

    /// Whether the node was cut off, or had come up before its call of that number.
    private func cut(
        _ cluster: TestCluster,
        _ need: Need,
        at: Int,
        _ written: inout Int
    ) async throws -> Bool {
        let path = cluster.data(Self.victim)
        try cluster.crash(Self.victim)
        // More than one snapshot's worth.
        try await cluster.wait { try self.set("probe", "0", cluster) }
        try write(45, cluster, &written)
        if need == .journal { try FileManager.default.removeItem(atPath: path + "/log.db") }
        let fault = DiskFault(kind: .cut, at: at, seed: UInt64(at))
        let environment = fault.environment(
            directory: path,
            armed: nil,
            report: cluster.directory + "/report"
        )
        try cluster.start(Self.victim, environment: environment)
        var code: Int32?
        try await cluster.wait {
            code = try cluster.ended(Self.victim)
            if code != nil { return true }
            return try await isWhole(cluster)
        }
        guard let code else { return false }
        let words = try cluster.words(Self.victim).suffix(2_000)
        #expect(code == DiskFault.cutCode, "\(words)")
        try cluster.start(Self.victim)
        try await cluster.wait { try await isWhole(cluster) }
        return true
    }

    /// Whether the node has what the others have, and votes.
    private func isWhole(_ cluster: TestCluster) async throws -> Bool {
        let status = await ClusterStatus.ask(cluster.configuration)
        guard status.isReady, let own = status.nodes.first(where: { $0.name == Self.victim }),
            own.problem == nil, own.repairing == 0, let group = own.groups.first
        else { return false }
        return status.nodes.allSatisfy { $0.groups.first?.commit == group.applied }
    }

    private func set(_ key: String, _ value: String, _ cluster: TestCluster) throws -> Bool {
        let client = try RawClient(port: cluster.port(of: "n1"))
        client.send(command: ["SET", key, value])
        return client.line() == "+OK"
    }

    private func write(_ count: Int, _ cluster: TestCluster, _ written: inout Int) throws {
        let client = try RawClient(port: cluster.port(of: "n1"))
        for _ in 0..<count {
            client.send(command: ["SET", "key-\(written)", "\(written)"])
            #expect(client.line() == "+OK")
            written += 1
        }
    }

    private func expect(_ keys: Range<Int>, _ cluster: TestCluster) throws {
        let client = try RawClient(port: cluster.port(of: Self.victim))
        for number in keys {
            client.send(command: ["GET", "key-\(number)"])
            #expect(client.bulk() == "\(number)", "key-\(number)")
        }
    }
}
