// The main job with real processes: three nodes under load while they crash, freeze and come back.
// Nothing acknowledged is missing afterwards, nothing revoked or expired is valid.

import Foundation
import HoldfastClient
import Logging
import Testing

@Suite("A cluster of processes", .serialized)
struct CrashTests {
    private static let workers = 12

    @Test("crashes of leaders, of all nodes, and a frozen leader lose nothing")
    func faults() async throws {
        try await TestCluster.with { cluster in
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            try await HoldfastClient.withClient(
                configuration: .init(seeds: cluster.seeds),
                logger: logger
            ) { client in
                let load = Load(client: client)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for worker in 0..<Self.workers {
                        group.addTask { await load.run(worker: worker) }
                    }
                    defer { load.stop() }
                    try await crashLeaders(cluster, client)
                    try await freezeLeader(cluster, client)
                    try await crashAll(cluster, client)
                    try await reachFloors(load)
                }
                try await judge(load)
            }
        }
    }

    /// Ten times: the node that leads a key is killed, a write goes through, the node comes back.
    private func crashLeaders(_ cluster: TestCluster, _ client: HoldfastClient) async throws {
        var pauses: [Duration] = []
        for round in 0..<10 {
            let key = "crash-\(round)"
            try await client.set(key, [1], repetition: .always)
            let leader = try await cluster.leader(of: key)
            try cluster.crash(leader)
            let start = ContinuousClock.now
            try await client.set(key, [2], repetition: .always)
            pauses.append(ContinuousClock.now - start)
            #expect(try await client.get(key) == [2])
            try cluster.start(leader)
            try await cluster.waitUntilReady()
        }
        pauses.sort()
        print("writes resumed after a leader's crash: median \(pauses[5]), worst \(pauses[9])")
    }

    private func freezeLeader(_ cluster: TestCluster, _ client: HoldfastClient) async throws {
        let key = "freeze"
        try await client.set(key, [1], repetition: .always)
        let leader = try await cluster.leader(of: key)
        try cluster.freeze(leader)
        try await client.set(key, [2], repetition: .always)
        try cluster.signal(leader, SIGCONT)
        // The old leader still thinks that it leads; nobody may be told the old value.
        for _ in 0..<20 { #expect(try await client.get(key) == [2]) }
        try await cluster.waitUntilReady()
    }

    private func crashAll(_ cluster: TestCluster, _ client: HoldfastClient) async throws {
        try await client.set("all", [1], repetition: .always)
        for name in cluster.names { try cluster.crash(name) }
        for name in cluster.names { try cluster.start(name) }
        try await cluster.waitUntilReady()
        #expect(try await client.get("all") == [1])
    }

    /// A slow machine gets more time, not a lower floor.
    private func reachFloors(_ load: Load) async throws {
        for _ in 0..<120 {
            let ledger = load.snapshot
            if ledger.created >= 1_000, ledger.revocations >= 300, ledger.short.count >= 60 {
                return
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    private func judge(_ load: Load) async throws {
        let ledger = try await load.check()
        print(
            """
            acknowledged: \(ledger.created) logins, \(ledger.revocations) logouts, \
            \(ledger.written) values; \(ledger.validated) validations, \(ledger.failed) failed calls
            """
        )
        #expect(ledger.broken.prefix(5) == [])
        #expect(ledger.created >= 1_000, "too little was asked for this to prove anything")
        #expect(ledger.revocations >= 300)
        #expect(ledger.short.count >= 50)
        #expect(ledger.written >= 500)
        #expect(ledger.validated >= 3_000)
    }

    @Test("SIGTERM hands leadership over and ends with exit code 0; the node comes back")
    func terminate() async throws {
        try await TestCluster.with { cluster in
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            try await HoldfastClient.withClient(
                configuration: .init(seeds: cluster.seeds),
                logger: logger
            ) { client in
                let session = try await client.sessions.create(for: "alice")
                for name in cluster.names {
                    #expect(try cluster.terminate(name) == 0)
                    guard case .valid = try await client.sessions.validate(session.token) else {
                        Issue.record("a session was lost when \(name) ended")
                        return
                    }
                    try cluster.start(name)
                    try await cluster.waitUntilReady()
                }
            }
        }
    }
}
