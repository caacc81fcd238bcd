// Disks that fill up under nodes that run: one node's, and all of them; and a start on a full disk.
// Nothing that was acknowledged is lost, nobody has to do anything but make room, and until then
// sessions are validated and revoked as long as they can be.

import Foundation
import HoldfastClient
import HoldfastServer
import Logging
import Testing

@Suite("A disk that fills up", .serialized)
struct DiskFullTests {
    private static let mebibyte = 1 << 20
    private static let disk = "disk: {low: 16MiB, reserve: 8MiB, ballast: 4MiB}"
    /// Below `low`.
    private static let little = 12 * mebibyte
    /// Below `reserve`; with the ballast's place, above it.
    private static let reserve = 7 * mebibyte
    /// Below `reserve`, and with the ballast's place too.
    private static let nothing = 2 * mebibyte

    private func withCluster(
        nodeCount: Int = 3,
        _ body: (TestCluster, [String: DiskRoom]) async throws -> Void
    ) async throws {
        // On a busy machine, too, nobody is to campaign: a full disk takes no votes.
        let settings = ["timing: {election: 3s}"]
        let cluster = try TestCluster(
            nodeCount: nodeCount,
            disk: Self.disk,
            settings: settings
        )
        defer { cluster.remove() }
        var rooms: [String: DiskRoom] = [:]
        for name in cluster.names {
            let room = try DiskRoom(of: name, in: cluster)
            rooms[name] = room
            try cluster.start(name, environment: room.environment)
        }
        try await cluster.waitUntilReady()
        try await wait(cluster, until: .ok)
        for name in cluster.names {
            try await cluster.wait { hasBallast(name, cluster) }
        }
        try await body(cluster, rooms)
        // One that the test has ended itself counts as 0.
        for name in cluster.names { #expect(try cluster.ended(name) ?? 0 == 0) }
    }

    private func hasBallast(_ name: String, _ cluster: TestCluster) -> Bool {
        FileManager.default.fileExists(atPath: cluster.data(name) + "/ballast")
    }

    private func wait(
        _ cluster: TestCluster,
        until condition: DiskCondition,
        of names: [String]? = nil
    ) async throws {
        try await cluster.wait {
            await ClusterStatus.ask(cluster.configuration).nodes.allSatisfy { node in
                names?.contains(node.name) == false || node.disk == condition
            }
        }
    }

    private func leads(_ name: String, _ cluster: TestCluster) async -> Int {
        let status = await ClusterStatus.ask(cluster.configuration)
        return (0..<status.groupCount).count { status.leader(of: $0)?.name == name }
    }

    @Test("the disk of one node: the others lead, and everything is taken; it comes back by itself")
    func one() async throws {
        try await withCluster { cluster, rooms in
            let victim = "n2"
            try await cluster.wait { await leads(victim, cluster) > 0 }
            try rooms[victim]?.leave(free: Self.little)
            try await wait(cluster, until: .low, of: [victim])
            try await cluster.wait { await leads(victim, cluster) == 0 }
            let client = try RawClient(port: cluster.port(of: "n1"))
            var taken = 0
            for number in 0..<100 {
                client.send(command: ["SET", "key-\(number)", "\(number)"])
                if client.line() == "+OK" { taken += 1 }
            }
            #expect(taken == 100)
            try rooms[victim]?.leave(free: DiskRoom.plenty)
            try await wait(cluster, until: .ok)
            try await cluster.wait { await leads(victim, cluster) > 0 }
        }
    }

    @Test("the disks of all nodes: what is new is refused, then every write, and nothing is lost")
    func all() async throws {
        try await withCluster { cluster, rooms in
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let configuration = HoldfastClient.Configuration(seeds: cluster.seeds)
            try await HoldfastClient.withClient(configuration: configuration, logger: logger) {
                client in
                var sessions: [SessionToken] = []
                for number in 0..<40 {
                    let session = try await client.sessions.create(for: "user-\(number)")
                    sessions.append(session.token)
                }
                try await client.set("a", [1])
                let course = Course(client: client, sessions: sessions)
                try await fill(cluster, rooms, Self.little, .low)
                await course.expectNothingNew()
                try await course.revoke(sessions[0..<10])
                try await fill(cluster, rooms, Self.reserve, .low)
                for name in cluster.names {
                    try await cluster.wait(for: "the ballast is given up", from: name)
                    #expect(!hasBallast(name, cluster))
                }
                await course.expectNothingNew()
                try await course.revoke(sessions[10..<20])
                try await fill(cluster, rooms, Self.nothing, .full)
                await course.expectNothingNew()
                for token in sessions[20..<40] { await course.expectNoRevocation(of: token) }
                #expect(try await client.get("a") == [1])
                try await course.check(revoked: 20)
                try await fill(cluster, rooms, DiskRoom.plenty, .ok)
                for name in cluster.names { #expect(hasBallast(name, cluster)) }
                try await client.set("a", [2])
                try await course.revoke(sessions[20..<30])
                _ = try await client.sessions.create(for: "new")
                try await course.check(revoked: 30)
                #expect(try await client.get("a") == [2])
            }
        }
    }

    private func fill(
        _ cluster: TestCluster,
        _ rooms: [String: DiskRoom],
        _ free: Int,
        _ condition: DiskCondition
    ) async throws {
        for room in rooms.values { try room.leave(free: free) }
        try await wait(cluster, until: condition)
        if condition != .ok { try await waitUntilRefused(cluster) }
    }

    /// A node's reactors hear of it one after the other.
    private func waitUntilRefused(_ cluster: TestCluster) async throws {
        let client = try RawClient(port: cluster.port(of: "n1"))
        for number in 0..<48 {
            try await cluster.wait {
                client.send(command: ["SET", "probe-\(number)", "1"])
                return client.line()?.hasPrefix("-OOM") == true
            }
        }
    }

    @Test("a start on a full disk waits for room, and has all that was acknowledged")
    func start() async throws {
        try await withCluster(nodeCount: 1) { cluster, rooms in
            let room = try #require(rooms["n1"])
            var client = try RawClient(port: cluster.port(of: "n1"))
            client.send(command: ["SET", "a", "1"])
            #expect(client.line() == "+OK")
            try cluster.crash("n1")
            try room.leave(free: Self.nothing)
            // Its ballast is room enough to start.
            try cluster.start("n1", environment: room.environment)
            try await wait(cluster, until: .full)
            #expect(!hasBallast("n1", cluster))
            try cluster.crash("n1")
            try room.leave(free: Self.nothing)
            try cluster.start("n1", environment: room.environment)
            try await cluster.wait(for: "the start waits for room", from: "n1")
            #expect(try cluster.ended("n1") == nil)
            try room.leave(free: DiskRoom.plenty)
            try await cluster.waitUntilReady()
            client = try RawClient(port: cluster.port(of: "n1"))
            client.send(command: ["GET", "a"])
            #expect(client.bulk() == "1")
        }
    }

    @Test("a node that is stopped while its disk is full ends with exit code 0")
    func stop() async throws {
        try await withCluster(nodeCount: 1) { cluster, rooms in
            let room = try #require(rooms["n1"])
            try room.leave(free: Self.nothing)
            try await wait(cluster, until: .full)
            #expect(try cluster.terminate("n1") == 0)
        }
    }
}

/// What clients do while disks fill up.
private struct Course {
    let client: HoldfastClient
    let sessions: [SessionToken]

    func expectNothingNew() async {
        await expectNoRoom { _ = try await client.sessions.create(for: "too late") }
        await expectNoRoom { try await client.set("b", [1]) }
    }

    func expectNoRevocation(of token: SessionToken) async {
        await expectNoRoom { _ = try await client.sessions.revoke(token) }
    }

    private func expectNoRoom(_ body: () async throws -> Void) async {
        do {
            try await body()
            Issue.record("taken without room")
        } catch let error as HoldfastError {
            #expect(error.refusal == .full, "\(error)")
            #expect(error.outcome == .notDone)
        } catch {
            Issue.record("\(error)")
        }
    }

    func revoke(_ tokens: ArraySlice<SessionToken>) async throws {
        for token in tokens { _ = try await client.sessions.revoke(token) }
    }

    /// The first `count` sessions are revoked, and the others valid.
    func check(revoked count: Int) async throws {
        for (number, token) in sessions.enumerated() {
            let validation = try await client.sessions.validate(token)
            switch validation {
            case .revoked: #expect(number < count, "session \(number) is revoked")
            case .valid: #expect(number >= count, "session \(number) is valid")
            default: Issue.record("session \(number): \(validation)")
            }
        }
    }
}
