// What the disks of a cluster hold, with real processes: nothing that anybody could read without
// the keys; and how the keys are changed while it runs.

import Foundation
import HoldfastClient
import Sealing
import Testing

@Suite("Encryption at rest", .serialized)
struct AtRestTests {
    /// Small snapshots, so that there are some.
    private static let settings = ["snapshot: {entries: 40, trailing: 5}"]

    private static let withoutKeys = settings + ["at-rest: {encryption: off}"]

    /// What stands nowhere else in the world.
    private struct Words {
        let subject = "subject-\(UUID().uuidString)"
        let field = "field-\(UUID().uuidString)"
        let value = "value-\(UUID().uuidString)"
        let address = "address-\(UUID().uuidString)"
        let key = "key-\(UUID().uuidString)"
        var tokens: [SessionToken] = []

        var all: [String] {
            // A token's second half is the secret, which no log may have even in part.
            let secrets = tokens.flatMap { [$0.rawValue, String($0.rawValue.suffix(20))] }
            return [subject, field, value, address, key] + secrets
        }
    }

    private func with(
        nodeCount: Int = 3,
        settings: [String] = Self.settings,
        _ body: (TestCluster, HoldfastClient) async throws -> Void
    ) async throws {
        try await TestCluster.withClient(nodeCount: nodeCount, settings: settings, body)
    }

    /// Logs in, with fields and an address, and writes plain values.
    private func write(
        _ words: inout Words,
        _ client: HoldfastClient,
        count: Int = 60
    ) async throws {
        for number in 0..<count {
            var options = SessionOptions(fields: [words.field: Array(words.value.utf8)])
            options.ip = words.address
            let subject = "\(words.subject)-\(number % 7)"
            words.tokens.append(try await client.sessions.create(for: subject, options).token)
            try await client.set(
                "\(words.key)-\(number % 11)",
                Array(words.value.utf8),
                repetition: .always
            )
        }
    }

    /// How many of the sessions are valid.
    private func valid(_ words: Words, _ client: HoldfastClient) async throws -> Int {
        var count = 0
        for token in words.tokens {
            if case .valid = try await client.sessions.validate(token) { count += 1 }
        }
        return count
    }

    /// Files below `path` in which one of the words stands.
    private func leaks(of words: [String], below path: String) throws -> (
        found: [String], files: Int
    ) {
        let searched = words.map { Data($0.utf8) }
        var found: [String] = []
        var files = 0
        for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
            var isDirectory: ObjCBool = false
            let file = path + "/" + name
            _ = FileManager.default.fileExists(atPath: file, isDirectory: &isDirectory)
            // A snapshot gets its name, or goes, while this looks.
            guard !isDirectory.boolValue, let data = FileManager.default.contents(atPath: file)
            else { continue }
            files += 1
            if searched.contains(where: { data.range(of: $0) != nil }) { found.append(name) }
        }
        return (found, files)
    }

    private func info(_ name: String, _ cluster: TestCluster) throws -> String {
        let client = try RawClient(port: cluster.port(of: name))
        client.send(command: ["INFO"])
        return try #require(client.text())
    }

    private func has(_ line: String, _ name: String, _ cluster: TestCluster) throws -> Bool {
        try info(name, cluster).split(separator: "\r\n").contains { $0 == line }
    }

    /// Tells all nodes to read the keys again, and waits until each has said what it made of them.
    private func reload(_ cluster: TestCluster, says text: String) async throws {
        func count(_ name: String) throws -> Int {
            try cluster.words(name).components(separatedBy: text).count
        }
        for name in cluster.names {
            let before = try count(name)
            try cluster.signal(name, SIGHUP)
            try await cluster.wait { try count(name) > before }
        }
    }

    private static let wasRead = "the keys were read again"

    @Test("no token, subject, field, value, address or key stands in any file, log or metric")
    func nothingReadable() async throws {
        try await with { cluster, client in
            var words = Words()
            try await write(&words, client)
            try cluster.crash("n2")
            try await write(&words, client)
            try cluster.start("n2")
            try await cluster.waitUntilReady()
            #expect(words.tokens.count == 120)
            let (found, files) = try leaks(of: words.all, below: cluster.directory)
            #expect(found == [])
            #expect(files >= 50)
            let key = try KeyFile.read(cluster.keysPath).active
            for name in cluster.names {
                let text = try info(name, cluster)
                #expect(try has("sealing_key:\(key)", name, cluster))
                #expect(!words.all.contains { text.contains($0) })
                let snapshots = try FileManager.default
                    .contentsOfDirectory(atPath: cluster.data(name) + "/snapshots")
                #expect(snapshots.count > 6)
            }
        }
    }

    @Test("where it is off it is said to be off, and the same search finds what is there")
    func off() async throws {
        try await with(settings: Self.withoutKeys) {
            cluster,
            client in
            var words = Words()
            // Until the groups that have them have cut snapshots: that takes its time.
            try await cluster.wait {
                try await write(&words, client, count: 20)
                return try [words.subject, words.field, words.value, words.address, words.key]
                    .allSatisfy { word in
                        let found = try leaks(of: [word], below: cluster.directory).found
                        return found.contains { $0.hasSuffix(".snapshot") }
                            && found.contains { $0.contains("/log.db") }
                    }
            }
            #expect(try cluster.words("n1").contains("encryption at rest is off"))
            #expect(try has("sealing_key:off", "n1", cluster))
            #expect(try has("sealing_keys_in_use:clear", "n1", cluster))
        }
    }

    @Test("a rotation while the cluster runs: new key, active key, old key gone; nothing is lost")
    func rotation() async throws {
        try await with { cluster, client in
            var words = Words()
            try await write(&words, client)
            let keys = cluster.keysPath
            let old = try KeyFile.read(keys).active
            #expect(try cluster.holdfast(["keys", "new", keys]).code == 0)
            try await reload(cluster, says: Self.wasRead)
            #expect(try cluster.holdfast(["keys", "rotate", keys]).code == 0)
            let new = try KeyFile.read(keys).active
            #expect(new != old)
            try await reload(cluster, says: Self.wasRead)
            try await write(&words, client, count: 20)
            for name in cluster.names {
                try await cluster.wait(seconds: 30) {
                    try has("sealing_keys_in_use:\(new)", name, cluster)
                }
                #expect(try has("sealing_key:\(new)", name, cluster))
            }
            #expect(try cluster.holdfast(["keys", "remove", keys, "\(old)"]).code == 0)
            try await reload(cluster, says: Self.wasRead)
            for name in cluster.names {
                #expect(try cluster.terminate(name) == 0)
                try cluster.start(name)
                try await cluster.waitUntilReady()
            }
            #expect(words.tokens.count == 80)
            #expect(try await valid(words, client) == 80)
        }
    }

    @Test("a key that is still needed is not let go of, and nonsense is no key")
    func refusedReload() async throws {
        try await with(nodeCount: 1) { cluster, client in
            var words = Words()
            try await write(&words, client)
            let keys = cluster.keysPath
            let ring = try KeyFile.read(keys)
            try KeyFile.write(KeyRing(active: .now), to: keys)
            try await reload(cluster, says: "lack one that is still needed")
            try "nonsense".write(toFile: keys, atomically: false, encoding: .utf8)
            try await reload(cluster, says: "the keys cannot be read again")
            #expect(try has("sealing_key:\(ring.active)", "n1", cluster))
            try await write(&words, client, count: 5)
            // A start is not so patient, and says which key is wanted.
            #expect(try cluster.terminate("n1") == 0)
            try cluster.start("n1")
            #expect(try cluster.wait("n1") == 78)
            #expect(try cluster.words("n1").contains("these are no keys"))
            try KeyFile.write(KeyRing(active: .now), to: keys)
            try cluster.start("n1")
            #expect(try cluster.wait("n1") == 78)
            #expect(try cluster.words("n1").contains("is sealed with the key \(ring.active)"))
            try FileManager.default.removeItem(atPath: keys)
            try cluster.start("n1")
            #expect(try cluster.wait("n1") == 78)
            try KeyFile.write(ring, to: keys)
            try cluster.start("n1")
            try await cluster.waitUntilReady()
            #expect(try await valid(words, client) == 65)
        }
    }

    @Test("encryption is turned on a node at a time, and nothing stays behind in clear")
    func turnedOn() async throws {
        try await with(settings: Self.withoutKeys) {
            cluster,
            client in
            var words = Words()
            try await write(&words, client)
            try cluster.reconfigure("encryption: off", "keys-file: keys")
            for name in cluster.names {
                #expect(try cluster.terminate(name) == 0)
                try cluster.start(name)
                try await cluster.waitUntilReady()
                #expect(
                    try cluster.words(name).contains("sealed the log, which was stored in clear")
                )
            }
            try await write(&words, client, count: 10)
            let key = try KeyFile.read(cluster.keysPath).active
            for name in cluster.names {
                try await cluster.wait {
                    try has("sealing_keys_in_use:\(key)", name, cluster)
                }
            }
            let (found, _) = try leaks(of: words.all, below: cluster.directory)
            #expect(found == [])
            #expect(try await valid(words, client) == 70)
        }
    }

    @Test("a follower without the key of a snapshot says so, and takes it once it has the key")
    func missingAtFollower() async throws {
        try await with { cluster, client in
            var words = Words()
            try await write(&words, client, count: 10)
            // Its keys lack the one that becomes active while it is away.
            try cluster.crash("n3")
            let keys = cluster.keysPath
            let old = try KeyFile.read(keys)
            let new = try old.addingKey(created: .now)
            try KeyFile.write(try new.activating(new.newest), to: keys)
            for name in ["n1", "n2"] { try cluster.signal(name, SIGHUP) }
            for name in ["n1", "n2"] { try await cluster.wait(for: Self.wasRead, from: name) }
            try await write(&words, client, count: 150)
            try KeyFile.write(old, to: keys)
            try cluster.start("n3")
            try await cluster.wait(for: "sealed with a key that is not here", from: "n3")
            try KeyFile.write(try new.activating(new.newest), to: keys)
            try cluster.signal("n3", SIGHUP)
            try await cluster.wait(for: "snapshot received", from: "n3", seconds: 40)
            try cluster.crash("n1")
            #expect(try await valid(words, client) == 160)
            try cluster.start("n1")
        }
    }
}
