// A backup of a cluster that works, and a new cluster of it, with the commands that an operator
// has.

import Foundation
import HoldfastClient
import HoldfastServer
import Logging
import Testing

@Suite("Backup and restore", .serialized)
struct BackupTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private static let oldID = "11111111222233334444555555555555"
    private static let newID = "99999999222233334444555555555555"

    /// A cluster with a backup that was taken under load, and what had been acknowledged before.
    private func withBackup(
        nodeCount: Int = 3,
        _ body: (TestCluster, String, Ledger, HoldfastClient) async throws -> Void
    ) async throws {
        // Small snapshots, so that new ones are cut while they are read.
        let settings = ["snapshot: {entries: 40, trailing: 5}"]
        try await TestCluster.withClient(nodeCount: nodeCount, settings: settings) {
            cluster,
            client in
            let load = Load(client: client)
            let file = cluster.data("backup") + ".hfbk"
            let before = try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 { group.addTask { await load.run(worker: worker) } }
                defer { load.stop() }
                try await cluster.wait { load.snapshot.created >= 150 }
                let before = load.snapshot
                let (code, text) = try cluster.backup(to: file)
                #expect(code == 0, "\(text)")
                #expect(text.contains("6 groups"), "\(text)")
                return before
            }
            #expect(before.revoked.count >= 20)
            #expect(load.snapshot.broken == [])
            try await body(cluster, file, before, client)
        }
    }

    /// Ends the cluster's nodes and begins another one with their addresses.
    private func restore(
        _ cluster: TestCluster,
        _ file: String,
        _ flags: [String] = []
    ) async throws -> [String] {
        for name in cluster.names {
            #expect(try cluster.terminate(name) == 0)
            try FileManager.default.moveItem(
                atPath: cluster.data(name),
                toPath: cluster.data(name) + "-old"
            )
        }
        try cluster.reconfigure(Self.oldID, Self.newID)
        var texts: [String] = []
        for name in cluster.names {
            let (code, text) = try cluster.restore(name, from: file, flags)
            #expect(code == 0, "\(text)")
            texts.append(text)
        }
        for name in cluster.names { try cluster.start(name) }
        try await cluster.waitUntilReady()
        return texts
    }

    private func statuses(
        of tokens: [SessionToken],
        _ client: HoldfastClient
    ) async throws -> (valid: Int, revoked: Int, other: Int) {
        var counts = (valid: 0, revoked: 0, other: 0)
        for token in tokens {
            switch try await client.sessions.validate(token) {
            case .valid: counts.valid += 1
            case .revoked: counts.revoked += 1
            default: counts.other += 1
            }
        }
        return counts
    }

    @Test("what was acknowledged before a backup under load is in the cluster that is made of it")
    func backupAndRestore() async throws {
        try await withBackup { cluster, file, before, client in
            // Ended after the backup: alive in it.
            let ended = before.live.prefix(10)
            for token in ended { _ = try await client.sessions.revoke(token, reason: "late") }
            let tail = cluster.data("revoked") + ".txt"
            let unknown = try await client.sessions.create(for: "later").token
            let lines = ended.map { "\($0.handle) logout" } + ["", "# later", "\(unknown.handle)"]
            try lines.joined(separator: "\n").write(toFile: tail, atomically: true, encoding: .utf8)
            // Two clusters of one id are none.
            let same = try cluster.restore("n1", from: file, ["--data", cluster.data("x")])
            #expect(same.code == 78)
            #expect(same.text.contains("cluster-id"), "\(same.text)")

            let texts = try await restore(cluster, file, ["--revoked", tail])
            #expect(Set(texts.map { $0.split(separator: "\n").dropFirst().joined() }).count == 1)
            #expect(texts[0].contains("ended 10 sessions; 1 handles"), "\(texts[0])")
            #expect(texts[0].contains(Self.oldID))
            try await HoldfastClient.withClient(
                configuration: .init(seeds: cluster.seeds),
                logger: Self.logger
            ) { client in
                let late = try await statuses(of: Array(ended), client)
                #expect(late.revoked == 10)
                let live = try await statuses(of: Array(before.live.dropFirst(10)), client)
                #expect(live.valid == before.live.count - 10)
                let revoked = try await statuses(of: before.revoked, client)
                #expect(revoked.revoked == before.revoked.count)
                #expect(try await statuses(of: [unknown], client).other == 1)
                // It is a cluster like any other.
                let fresh = try await client.sessions.create(for: "somebody").token
                #expect(try await statuses(of: [fresh], client).valid == 1)
                print("restored: \(live.valid) alive, \(revoked.revoked + late.revoked) ended")
            }
            let (code, text) = try cluster.restore("n1", from: file)
            #expect(code == 73)
            #expect(text.contains("is not empty"), "\(text)")
            try cluster.crash("n2")
            #expect(
                try cluster.holdfast(["verify", cluster.data("n2"), "--keys", cluster.keysPath])
                    .code == 0
            )
        }
    }

    @Test("a file that is sealed anew while it is read is not taken for the one before")
    func rotationMeanwhile() async throws {
        try await withBackup(nodeCount: 1) { cluster, _, _, _ in
            let port = try #require(cluster.configuration.nodes.first).clusterPort
            func ask(_ words: String) throws -> RawClient {
                let client = try RawClient(port: port)
                client.send("HOLDFAST BACKUP \(words)\r\n")
                return client
            }
            func number(_ client: RawClient) throws -> Int {
                try #require(client.line().flatMap { Int($0.dropFirst()) })
            }
            let cut = try ask("CUT 0")
            #expect(cut.line() == "*2")
            let place = "0 \(try number(cut)) \(try number(cut))"
            func tag() throws -> Int {
                let piece = try ask("READ \(place) 0")
                #expect(piece.line() == "*3")
                _ = try number(piece)
                return try number(piece)
            }
            let before = try tag()
            #expect(try ask("READ \(place) 1 \(before)").line() == "*3")
            #expect(try cluster.holdfast(["keys", "new", cluster.keysPath]).code == 0)
            #expect(try cluster.holdfast(["keys", "rotate", cluster.keysPath]).code == 0)
            try cluster.signal("n1", SIGHUP)
            try await cluster.wait { try tag() != before }
            #expect(try ask("READ \(place) 1 \(before)").line()?.hasPrefix("-GONE") == true)
        }
    }

    @Test("a snapshot that cannot be stored is told to who waits for it")
    func noSnapshot() async throws {
        let settings = ["timing: {tick: 10ms, heartbeat: 20ms, election: 100ms}"]
        try await TestCluster.with(nodeCount: 1, groupCount: 1, settings: settings) { cluster in
            let node = try #require(cluster.configuration.nodes.first)
            let client = try RawClient(port: node.clusterPort)
            client.send(command: ["SET", "key", "1"])
            #expect(client.line() == "+OK")
            let folder = cluster.data("n1") + "/snapshots"
            try FileManager.default.moveItem(atPath: folder, toPath: folder + ".away")
            client.send("HOLDFAST BACKUP CUT 0\r\n")
            #expect(client.line()?.hasPrefix("-ERR the snapshot could not be stored") == true)
            try FileManager.default.moveItem(atPath: folder + ".away", toPath: folder)
            client.send("HOLDFAST BACKUP CUT 0\r\n")
            #expect(client.line() == "*2")
        }
    }

    @Test("a configuration that is not the cluster's takes no backup")
    func otherConfiguration() async throws {
        try await withBackup(nodeCount: 1) { cluster, file, _, _ in
            for (old, new) in [("groups: 6", "groups: 5"), (Self.oldID, Self.newID)] {
                try cluster.reconfigure(old, new)
                let (code, text) = try cluster.backup(to: file + ".2")
                #expect(code == 78, "\(text)")
                #expect(text.contains("take the cluster's own configuration"), "\(text)")
                #expect(!FileManager.default.fileExists(atPath: file + ".2"))
                try cluster.reconfigure(new, old)
            }
            // Any way to write the directory's name will do.
            try cluster.reconfigure(Self.oldID, Self.newID)
            let target = cluster.data("target")
            try FileManager.default.createDirectory(
                atPath: target,
                withIntermediateDirectories: false
            )
            try FileManager.default.createSymbolicLink(
                atPath: cluster.data("link"),
                withDestinationPath: target
            )
            for data in [cluster.data("link"), cluster.data("slash") + "/"] {
                let (code, text) = try cluster.restore("n1", from: file, ["--data", data])
                #expect(code == 0, "\(text)")
                #expect(FileManager.default.fileExists(atPath: data + "/identity"))
            }
            let (code, text) = try cluster.restore("n1", from: file + ".no", ["--data", target])
            #expect(code == 64)
            #expect(text.contains("cannot be read"), "\(text)")
        }
    }

    @Test("a restore can end all sessions, and values stay")
    func endAll() async throws {
        try await withBackup(nodeCount: 1) { cluster, file, before, client in
            try await client.set("kept", Array("yes".utf8))
            let second = file + ".2"
            #expect(try cluster.backup(to: second).code == 0)
            #expect(try cluster.backup(to: second).code == 64, "it is there already")
            let texts = try await restore(cluster, second, ["--end-all"])
            #expect(texts[0].contains("ended"))
            try await HoldfastClient.withClient(
                configuration: .init(seeds: cluster.seeds),
                logger: Self.logger
            ) { client in
                let live = try await statuses(of: before.live, client)
                #expect(live.revoked == before.live.count)
                #expect(try await client.get("kept") == Array("yes".utf8))
            }
        }
    }

    @Test("a damaged or cut backup is refused with its place, and nothing is made of it")
    func damaged() async throws {
        try await withBackup(nodeCount: 1) { cluster, file, _, _ in
            try cluster.reconfigure(Self.oldID, Self.newID)
            let sound = try Data(contentsOf: URL(fileURLWithPath: file))
            let copy = file + ".copy"
            let data = cluster.data("x")
            var cases = 0
            func refuse(_ bytes: Data) throws {
                try bytes.write(to: URL(fileURLWithPath: copy))
                let (code, text) = try cluster.restore("n1", from: copy, ["--data", data])
                #expect(code == 65, "\(text)")
                #expect(text.contains("byte "), "\(text)")
                #expect(!FileManager.default.fileExists(atPath: data))
                #expect(!FileManager.default.fileExists(atPath: data + ".restoring"))
                cases += 1
            }
            for part in 0..<6 {
                let place = sound.count * part / 6 + 7 * part
                try refuse(sound.prefix(place))
                var flipped = sound
                flipped[place] ^= 0x10
                try refuse(flipped)
            }
            try refuse(sound + Data([0]))
            #expect(cases == 13)
            print("damaged backups: \(cases), all refused")
            // Without its keys it is not damaged.
            let keys = cluster.keysPath
            try FileManager.default.moveItem(atPath: keys, toPath: keys + ".away")
            let other = try cluster.holdfast(["keys", "new", keys])
            #expect(other.code == 0, "\(other.text)")
            let (code, text) = try cluster.restore("n1", from: file, ["--data", data])
            #expect(code == 78, "\(text)")
            #expect(text.contains("is sealed with the key"), "\(text)")
        }
    }
}

extension TestCluster {
    fileprivate func backup(to file: String) throws -> (code: Int32, text: String) {
        try holdfast(["backup", file, "--config", configurationPath])
    }

    fileprivate func restore(
        _ name: String,
        from file: String,
        _ flags: [String] = []
    ) throws -> (code: Int32, text: String) {
        var words = ["restore", file, "--config", configurationPath, "--node", name] + flags
        if !flags.contains("--data") { words += ["--data", data(name)] }
        return try holdfast(words)
    }
}
