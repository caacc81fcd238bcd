// `holdfast verify` on the directory of a real node.

import Foundation
import Sealing
import Testing

@Suite("holdfast verify", .serialized)
struct VerifyTests {
    private func verify(_ path: String, _ cluster: TestCluster) throws -> (
        code: Int32, text: String
    ) {
        try cluster.holdfast(["verify", path, "--keys", cluster.keysPath])
    }

    @Test("a node's directory: in use, sound, and damaged in several of its files")
    func verify() async throws {
        let settings = ["snapshot: {entries: 20, trailing: 5}"]
        let cluster = try TestCluster(nodeCount: 1, groupCount: 2, settings: settings)
        defer { cluster.remove() }
        try cluster.start("n1")
        try await cluster.waitUntilReady()
        let client = try RawClient(port: cluster.port(of: "n1"))
        for number in 0..<200 {
            client.send(command: ["SET", "key-\(number % 50)", "\(number)"])
            #expect(client.line() == "+OK")
        }
        let path = cluster.data("n1")
        let running = try verify(path, cluster)
        #expect(running.0 == 73, "\(running.1)")
        try cluster.crash("n1")
        let sound = try verify(path, cluster)
        #expect(sound.0 == 0, "\(sound.1)")
        #expect(sound.1.contains("all is as it was written"))
        let unreadable = try cluster.holdfast(["verify", path])
        #expect(unreadable.code == 78, "\(unreadable.text)")
        let key = try KeyFile.read(cluster.keysPath).active
        #expect(unreadable.text.contains("is sealed with the key \(key)"))
        var damaged = 0
        let snapshots = try FileManager.default.contentsOfDirectory(atPath: path + "/snapshots")
        let names = ["identity", "durable", "log.db-wal", "peers", "snapshots/" + snapshots[0]]
        for name in names {
            let file = URL(fileURLWithPath: path + "/" + name)
            let data = try Data(contentsOf: file)
            var changed = data
            changed[data.count / 2] ^= 4
            try changed.write(to: file)
            let found = try verify(path, cluster)
            #expect(found.0 == 65, "\(name): \(found.1)")
            #expect(found.1.contains("DAMAGED"), "\(name): \(found.1)")
            try data.write(to: file)
            damaged += 1
        }
        #expect(damaged == 5)
        #expect(try verify(path, cluster).0 == 0)
        let nowhere = try verify(path + "/nowhere", cluster)
        #expect(nowhere.0 == 74, "\(nowhere.1)")
        try cluster.start("n1")
        try await cluster.waitUntilReady()
    }
}
