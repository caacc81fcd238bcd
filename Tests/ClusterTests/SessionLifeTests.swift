// The life of a session on three nodes, while the node that leads it is killed in between: its
// fields, its versions, its rotation.

import Foundation
import HoldfastClient
import HoldfastServer
import Testing

/// Who is at work under a lock.
private actor Holders {
    private var now = 0
    private(set) var most = 0
    private(set) var fences: [Int64] = []

    func enter(_ fence: Int64) {
        now += 1
        most = max(most, now)
        fences.append(fence)
    }

    func leave() { now -= 1 }
}

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
            let options = SessionOptions(idle: .seconds(600), fields: ["cart": bytes("1 book")])
            let old = try await sessions.create(for: "rotation", options).token
            let tokens = try await withThrowingTaskGroup(of: Rotation.self) { group in
                for _ in 0..<10 {
                    group.addTask { try await sessions.rotate(old, grace: .seconds(120)) }
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
            guard case .valid(let byOld) = try await sessions.validate(old, fields: .all),
                case .valid(let byNew) = try await sessions.validate(new, fields: .all)
            else {
                Issue.record("both tokens are good while the grace lasts")
                return
            }
            #expect(byOld.mustRotate)
            #expect(!byNew.mustRotate)
            #expect(byOld.state.handle == new.handle)
            #expect(byOld.fields == ["cart": bytes("1 book")])
            #expect(byNew.fields == byOld.fields)
            #expect(byNew.issuedAt >= byNew.state.createdAt)
            #expect(try await sessions.sessions(of: "rotation").map(\.handle) == [new.handle])
            // One more who comes late, through another leader, is told the same.
            let late = try await again(old, sessions)
            #expect(late == new)
            // A logout with the old token, by its handle alone, still means the session.
            #expect(try await sessions.revoke(old.handle))
            guard case .revoked = try await sessions.validate(new) else {
                Issue.record("a logout by an old token ends the session")
                return
            }
        }
    }

    @Test("an old token ends with its grace, and never has the level that the new one has")
    func oldToken() async throws {
        try await TestCluster.withClient { cluster, client in
            let sessions = client.sessions
            var options = SessionOptions(idle: .seconds(600))
            options.assurance = 1
            let old = try await sessions.create(for: "old", options).token
            guard
                case .rotated(let session) = try await sessions.rotate(
                    old,
                    grace: .seconds(2),
                    assurance: 2
                )
            else {
                Issue.record("it is not rotated")
                return
            }
            let new = session.token
            if case .valid(let byOld) = try await sessions.validate(old) {
                #expect(byOld.assurance == 1)
                #expect(try await sessions.rotate(old) == .revoked)
            }
            try await cluster.wait {
                let answer = try await sessions.validate(old)
                if case .revoked(let how) = answer { return how.reason == "rotated" }
                return false
            }
            guard case .valid(let byNew) = try await sessions.validate(new) else {
                Issue.record("the new token outlives the grace")
                return
            }
            #expect(byNew.assurance == 2)
            #expect(!byNew.mustRotate)
            #expect(try await sessions.rotate(old, grace: .zero) == .revoked)
            guard case .rotated(let third) = try await sessions.rotate(new, grace: .zero) else {
                Issue.record("it is not rotated at once")
                return
            }
            guard case .revoked = try await sessions.validate(new),
                case .valid = try await sessions.validate(third.token)
            else {
                Issue.record("without a grace the old token ends at once")
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

    @Test("one at a time holds a session's lock, in turn, though the leader is killed")
    func lock() async throws {
        try await TestCluster.withClient { cluster, client in
            let sessions = client.sessions
            let token = try await sessions.create(for: "lock").token
            let holders = Holders()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<6 {
                    group.addTask {
                        let patience = Duration.seconds(30)
                        let ran = try await sessions.withLock(
                            token,
                            lease: .seconds(20),
                            waiting: patience
                        ) { fence in
                            await holders.enter(fence)
                            try await Task.sleep(for: .milliseconds(50))
                            await holders.leave()
                            return true
                        }
                        #expect(ran == true)
                    }
                }
                try await crashLeader(cluster, of: "lock")
                try await group.waitForAll()
            }
            let fences = await holders.fences
            #expect(await holders.most == 1)
            #expect(fences.count == 6)
            #expect(fences == fences.sorted())
            #expect(Set(fences).count == 6)
            guard case .locked(let lock) = try await sessions.lock(token, lease: .seconds(9)) else {
                Issue.record("it is free")
                return
            }
            #expect(try await sessions.lock(token, lease: .seconds(1)) == .held)
            #expect(try await sessions.unlock(lock))
            try await sessions.revoke(token)
            #expect(try await sessions.lock(token, lease: .seconds(1)) == .notValid)
        }
    }

    @Test("any Redis client speaks to sessions, on either port")
    func raw() async throws {
        try await TestCluster.withClient { cluster, client in
            let token = try await client.sessions.create(for: "raw").token
            let leader = try await cluster.leader(of: "raw")
            let other = try #require(cluster.names.first { $0 != leader })
            let node = try #require(cluster.configuration.nodes.first { $0.name == other })
            let direct = try RawClient(port: cluster.port(of: leader))
            direct.send(command: ["SESSION", "SET", token.rawValue, "x", "y"])
            #expect(direct.line() == ":2")
            direct.send(command: ["SESSION", "UNSET", token.rawValue, "x"])
            #expect(direct.line() == ":1")
            let raw = try RawClient(port: node.standalonePort)
            raw.send(command: ["SESSION", "SET", token.rawValue, "REQ", "7", "a", "1"])
            #expect(raw.line() == ":4")
            raw.send(command: ["SESSION", "SET", token.rawValue, "REQ", "7", "a", "1"])
            #expect(raw.line() == ":4")
            raw.send(command: ["SESSION", "SET", token.rawValue, "IFVERSION", "1", "a", "2"])
            #expect(
                raw.line() == "-CONFLICT the session has version 4; read it and try again"
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
