// `reads: lease` with real clocks and processes that are stopped: a lease spares the quorum while
// it lasts, and not a moment longer.

import Foundation
import HoldfastServer
import Testing

@Suite("Reads by lease", .serialized)
struct LeaseTests {
    private static let settings = ["reads: lease", "max-clock-drift: 1%"]

    private func port(_ cluster: TestCluster, _ name: String) throws -> Int {
        try #require(cluster.configuration.node(named: name)).clusterPort
    }

    /// The reply to a GET: the value, or the first word of the error.
    private func answer(_ client: RawClient) -> String {
        guard let line = client.line() else { return "nothing" }
        guard line.hasPrefix("$") else { return String(line.prefix { $0 != " " }) }
        return client.line() ?? "nothing"
    }

    @Test("a leader whose followers are frozen answers for a moment, and then no more")
    func followersFrozen() async throws {
        try await TestCluster.with(settings: Self.settings) { cluster in
            var answered = 0
            var leader = ""
            // A machine that is busy with other tests may need a second try.
            for attempt in 1...3 where answered < 20 {
                if attempt > 1 { try await thaw(cluster, leader) }
                leader = try await cluster.leader(of: "k")
                answered = try freezeAndRead(cluster, leader)
            }
            print("reads by lease while nobody else could be asked: \(answered)")
            #expect(answered >= 20)
            // The promises of before are over, and nobody can renew them.
            try await Task.sleep(for: .seconds(1))
            let late = try RawClient(port: port(cluster, leader))
            late.send(command: ["GET", "k"])
            try await Task.sleep(for: .seconds(1))
            #expect(!late.hasBytes, "a read was answered without a quorum or a lease")
            try await thaw(cluster, leader)
            // It has waited for a leader, here or elsewhere.
            #expect(["1", "-MOVED"].contains(answer(late)))
        }
    }

    /// Freezes everybody else; how many reads are answered in the 150 ms after.
    private func freezeAndRead(_ cluster: TestCluster, _ leader: String) throws -> Int {
        let client = try RawClient(port: port(cluster, leader))
        client.send(command: ["SET", "k", "1"])
        #expect(client.line() == "+OK")
        for name in cluster.names where name != leader { try cluster.freeze(name) }
        let frozen = ContinuousClock.now
        var answered = 0
        while true {
            client.send(command: ["GET", "k"])
            while !client.hasBytes {
                if ContinuousClock.now - frozen > .milliseconds(150) { return answered }
            }
            #expect(answer(client) == "1")
            answered += 1
        }
    }

    private func thaw(_ cluster: TestCluster, _ leader: String) async throws {
        for name in cluster.names where name != leader { try cluster.signal(name, SIGCONT) }
        try await cluster.waitUntilReady()
    }

    @Test("a leader that wakes up after others have written serves nothing stale")
    func leaderFrozen() async throws {
        try await TestCluster.with(settings: Self.settings) { cluster in
            var values = 0
            var redirects = 0
            for round in 1...4 {
                let key = "k\(round)"
                let leader = try await cluster.leader(of: key)
                let old = try RawClient(port: port(cluster, leader))
                old.send(command: ["SET", key, "old"])
                #expect(old.line() == "+OK")
                try cluster.freeze(leader)
                // They lie in its socket while it sleeps, and it finds them when it wakes up.
                for _ in 0..<200 { old.send(command: ["GET", key]) }
                try await write(key, "new", past: leader, in: cluster)
                try cluster.signal(leader, SIGCONT)
                for _ in 0..<200 {
                    let found = answer(old)
                    if found == "new" { values += 1 }
                    if found == "-MOVED" { redirects += 1 }
                    #expect(["new", "-MOVED", "-UNAVAILABLE"].contains(found))
                }
                try await cluster.waitUntilReady()
            }
            print("reads of a leader that woke up: \(values) new, \(redirects) redirected")
            #expect(values + redirects >= 400)
        }
    }

    /// Writes by whoever leads now.
    private func write(
        _ key: String,
        _ value: String,
        past frozen: String,
        in cluster: TestCluster
    ) async throws {
        let others = try cluster.names.filter { $0 != frozen }.map { try port(cluster, $0) }
        for attempt in 0..<200 {
            let client = try RawClient(port: others[attempt % others.count])
            client.send(command: ["SET", key, value])
            if client.line() == "+OK" { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw ProcessFailure(description: "nobody took the write")
    }
}
