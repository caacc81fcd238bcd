// The life of a session on three nodes, while the node that leads it is killed in between: its
// fields, its versions, its rotation.

import Foundation
import HoldfastClient
import HoldfastServer
import Testing

@Suite("The life of a session on a cluster", .serialized)
struct SessionLifeTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// Kills whoever leads the subject's sessions; a follower takes over.
    private func crashLeader(_ cluster: TestCluster, of subject: String) async throws {
        let leader = try await cluster.leader(of: subject)
        try cluster.crash(leader)
        try cluster.start(leader)
    }

    @Test("fields are patched, versions hold, and what is taken is taken once")
    func fields() async throws {
        try await TestCluster.withClient { cluster, client in
            let sessions = client.sessions
            var options = SessionOptions(idle: .seconds(600), lifetime: .seconds(3_600))
            options.fields = ["cart": bytes("1 book"), "flash": bytes("welcome")]
            let session = try await sessions.create(for: "fields", options)
            let token = session.token
            #expect(try await sessions.set(["cart": bytes("2")], in: token, ifVersion: 1) == 2)
            try await crashLeader(cluster, of: "fields")
            await #expect(throws: HoldfastError.self) {
                try await sessions.set(["cart": bytes("3")], in: token, ifVersion: 1)
            }
            #expect(try await sessions.set(["lang": bytes("de")], in: token) == 3)
            var takers = 0
            try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
                for _ in 0..<8 {
                    group.addTask { try await sessions.take("flash", from: token) }
                }
                for try await value in group where value == bytes("welcome") { takers += 1 }
            }
            #expect(takers == 1)
            try await crashLeader(cluster, of: "fields")
            #expect(try await sessions.unset(["lang", "none"], in: token) == 1)
            let left = try await sessions.fields(of: token)
            #expect(left == ["cart": bytes("2")])
            try await sessions.revoke(token)
            #expect(try await sessions.set(["cart": bytes("late")], in: token) == nil)
            #expect(try await sessions.fields(of: token) == nil)
            guard case .revoked = try await sessions.validate(token) else {
                Issue.record("a late write brought the session back")
                return
            }
        }
    }

    @Test("ten tabs that rotate a session at once are given the same new token")
    func rotation() async throws {
        try await TestCluster.withClient { cluster, client in
            let sessions = client.sessions
            let old = try await sessions.create(
                for: "rotation",
                SessionOptions(idle: .seconds(600), fields: ["cart": bytes("1 book")])
            ).token
            let tokens = try await withThrowingTaskGroup(of: Rotation.self) { group in
                for _ in 0..<10 {
                    group.addTask { try await sessions.rotate(old, grace: .seconds(4)) }
                }
                var tokens: [SessionToken] = []
                for try await case .rotated(let session) in group { tokens.append(session.token) }
                return tokens
            }
            #expect(tokens.count == 10)
            let new = try #require(tokens.first)
            let isSame = tokens.allSatisfy { $0 == new }
            #expect(isSame)
            #expect(new != old)
            try await crashLeader(cluster, of: "rotation")
            guard case .valid(let byOld) = try await sessions.validate(old),
                case .valid(let byNew) = try await sessions.validate(new, fields: .all)
            else {
                Issue.record("both tokens are good while the grace lasts")
                return
            }
            #expect(byOld.mustRotate)
            #expect(!byNew.mustRotate)
            #expect(byOld.state.handle == new.handle)
            #expect(byNew.fields == ["cart": bytes("1 book")])
            #expect(try await sessions.sessions(of: "rotation").map(\.handle) == [new.handle])
            // One more who comes late, through another leader, is told the same.
            let late = try await again(old, sessions)
            #expect(late == new)
            try await cluster.wait {
                if case .revoked = try await sessions.validate(old) { return true }
                return false
            }
            guard case .valid = try await sessions.validate(new) else {
                Issue.record("the new token outlives the grace")
                return
            }
            #expect(try await sessions.rotate(old) == .revoked)
            // A logout with the old token still means the session.
            #expect(try await sessions.revoke(old))
            guard case .revoked = try await sessions.validate(new) else {
                Issue.record("a logout by an old token ends the session")
                return
            }
        }
    }

    private func again(
        _ old: SessionToken,
        _ sessions: Sessions
    ) async throws -> SessionToken? {
        guard case .rotated(let session) = try await sessions.rotate(old) else { return nil }
        return session.token
    }

    @Test("any Redis client speaks to sessions, on either port")
    func raw() async throws {
        try await TestCluster.withClient { cluster, client in
            let token = try await client.sessions.create(for: "raw").token
            let leader = try await cluster.leader(of: "raw")
            let other = try #require(cluster.names.first { $0 != leader })
            let node = try #require(cluster.configuration.nodes.first { $0.name == other })
            let raw = try RawClient(port: node.standalonePort)
            raw.send(command: ["SESSION", "SET", token.rawValue, "REQ", "7", "a", "1"])
            #expect(raw.line() == ":2")
            raw.send(command: ["SESSION", "SET", token.rawValue, "REQ", "7", "a", "1"])
            #expect(raw.line() == ":2")
            raw.send(command: ["SESSION", "SET", token.rawValue, "IFVERSION", "1", "a", "2"])
            #expect(
                raw.line() == "-CONFLICT the session has version 2; read it and try again"
            )
            raw.send(command: ["SESSION", "UNSET", token.rawValue, "REQ", "7", "a"])
            #expect(
                raw.line() == "-ERR the request id was another request's; use a new one for each"
            )
            raw.send(command: ["SESSION", "TAKE", token.rawValue, "a"])
            #expect(raw.bulk() == "1")
            raw.send(command: ["SESSION", "TAKE", token.rawValue, "a"])
            #expect(raw.line() == "$-1")
        }
    }
}
