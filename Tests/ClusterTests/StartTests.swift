// How a node refuses to start: with an exit code of its own, a message that says what to do, and
// without having written anything.

import Foundation
import HoldfastServer
import Testing

@Suite("A node that must not start", .serialized)
struct StartTests {
    @Test("mistakes in the arguments and the configuration end with 64 and 78, and write nothing")
    func mistakes() throws {
        let directory = NSTemporaryDirectory() + "holdfast-start-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory,
            withIntermediateDirectories: true
        )
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let good = """
            cluster-id: 11111111222233334444555555555555
            groups: 3
            at-rest: {keys-file: keys}
            nodes:
              - {name: n1, id: 1, host: node, cluster-port: 1, standalone-port: 2, peer-port: 3}
            """
        let cases: [(text: String, arguments: [String], code: Int32, hint: String)] = [
            (good, ["--node", "n2"], 64, "n1"),
            (good, [], 64, "--node"),
            (good, ["--node", "n1", "--log-level", "loud"], 64, "warning"),
            (good.replacing("groups: 3", with: "groups: 0"), ["--node", "n1"], 78, "groups"),
            (good.replacing("groups", with: "gruops"), ["--node", "n1"], 78, "gruops"),
            (good.replacing("id: 1,", with: "id: one,"), ["--node", "n1"], 78, "id"),
            (good.replacing("peer-port: 3", with: "peer-port: 2"), ["--node", "n1"], 78, "port"),
            (
                good.replacing("cluster-id: 1", with: "cluster-id: x"), ["--node", "n1"], 78,
                "cluster"
            ),
            ("nodes: [", ["--node", "n1"], 78, "not YAML"),
            ("", ["--node", "n1"], 78, "cluster"),
        ]
        let data = directory + "/data"
        for (text, arguments, code, hint) in cases {
            let path = directory + "/cluster.yaml"
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let log = directory + "/log"
            try? FileManager.default.removeItem(atPath: log)
            let process = NodeProcess()
            try process.start(["--config", path, "--data", data] + arguments, log: log)
            #expect(process.wait() == code, "\(arguments) \(text)")
            let message = try String(contentsOfFile: log, encoding: .utf8)
            #expect(message.contains(hint), "\(message)")
            #expect(!FileManager.default.fileExists(atPath: data))
        }
        let process = NodeProcess()
        let log = directory + "/log"
        try process.start(["--config", directory + "/none", "--node", "n1"], log: log)
        #expect(process.wait() == 78)
    }

    @Test("a port in use ends with 69, another node's directory or one in use with 73")
    func taken() async throws {
        try await TestCluster.with(nodeCount: 3) { cluster in
            // The same node again: its ports are taken.
            let second = NodeProcess()
            let log = cluster.directory + "/second.log"
            try second.start(cluster.arguments("n1"), log: log)
            #expect(second.wait() == 69)
            #expect(try String(contentsOfFile: log, encoding: .utf8).contains("port"))

            _ = try cluster.terminate("n1")
            var arguments = cluster.arguments("n1")
            arguments[arguments.count - 3] = cluster.directory + "/n2"
            let before = try Self.identity(cluster, "n2")
            try second.start(arguments, log: log)
            #expect(second.wait() == 73)
            #expect(try Self.identity(cluster, "n2") == before)
            try cluster.start("n1")
            try await cluster.waitUntilReady()
        }
    }

    @Test("without the file that says which peers it has met, a node does not start")
    func forgottenPeers() async throws {
        try await TestCluster.with { cluster in
            _ = try cluster.terminate("n2")
            let peers = cluster.data("n2") + "/peers"
            let bytes = try Data(contentsOf: URL(fileURLWithPath: peers))
            try FileManager.default.removeItem(atPath: peers)
            try cluster.start("n2")
            #expect(try cluster.wait("n2") == 65)
            #expect(try cluster.words("n2").contains("peers is missing"))
            try bytes.dropLast().write(to: URL(fileURLWithPath: peers))
            try cluster.start("n2")
            #expect(try cluster.wait("n2") == 65)
            #expect(try cluster.words("n2").contains("peers cannot be read"))
            try bytes.write(to: URL(fileURLWithPath: peers))
            try cluster.start("n2")
            try await cluster.waitUntilReady()
        }
    }

    private static func identity(_ cluster: TestCluster, _ node: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: cluster.directory + "/\(node)/identity"))
    }
}
