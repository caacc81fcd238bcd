// `holdfast session ...` as a shell sees it.

import Foundation
import HoldfastClient
import Testing

@Suite("holdfast session", .serialized)
struct SessionCommandTests {
    private struct Shell {
        let cluster: TestCluster

        /// What the command prints as JSON; and its exit code.
        func json(_ words: String...) throws -> (code: Int32, object: [String: Any]) {
            let (code, text) = try run(words + ["--json"])
            let object = try? JSONSerialization.jsonObject(with: Data(text.utf8))
            return (code, object as? [String: Any] ?? [:])
        }

        func run(_ words: [String]) throws -> (code: Int32, text: String) {
            let config = ["--config", cluster.configurationPath]
            return try cluster.holdfast(["session", words[0]] + config + words[1...])
        }
    }

    @Test("a whole life from the shell")
    func life() async throws {
        try await TestCluster.with { cluster in
            let shell = Shell(cluster: cluster)
            let made = try shell.json(
                "create",
                "alice",
                "--ttl",
                "600",
                "--aal",
                "1",
                "--field",
                "cart=1 book"
            )
            #expect(made.code == 0)
            let id = try #require(made.object["id"] as? String)
            let valid = try shell.json("validate", id)
            #expect(valid.code == 0)
            #expect(valid.object["status"] as? String == "valid")
            #expect(valid.object["fields"] as? [String: String] == ["cart": "1 book"])
            #expect(try shell.json("set", id, "cart=2", "lang=de").object["version"] as? Int == 2)
            #expect(try shell.run(["set", id, "a=b", "--if-version", "1"]).code == 1)
            #expect(try shell.json("take", id, "lang").object["lang"] as? String == "de")
            #expect(try shell.run(["take", id, "lang"]).code == 1)
            let text = try shell.run(["validate", id, "--no-touch"])
            #expect(text.text.contains("subject           alice\n"))
            #expect(text.text.contains("expires-at        in "))
            #expect(!text.text.contains(id), "an id is shown where it is given out alone")
            let rotated = try shell.json("rotate", id, "--grace", "0", "--aal", "2")
            let next = try #require(rotated.object["id"] as? String)
            let old = try shell.json("validate", id)
            #expect(old.code == 1)
            #expect(old.object["reason"] as? String == "rotated")
            let list = try shell.run(["list", "alice", "--json"])
            let sessions = try JSONSerialization.jsonObject(with: Data(list.text.utf8))
            #expect((sessions as? [[String: Any]])?.first?["aal"] as? Int == 2)
            #expect(!list.text.contains(next))
            #expect(try shell.json("renew", next, "--ttl", "900").code == 0)
            #expect(try shell.json("revoke", next).object["ended"] as? Int == 1)
            let ended = try shell.json("validate", next)
            #expect(ended.code == 1)
            #expect(ended.object["status"] as? String == "revoked")
            #expect(try shell.json("revoke-all", "alice").object["ended"] as? Int == 0)
        }
    }

    @Test("mistakes, and a cluster that is not there, have codes of their own")
    func mistakes() async throws {
        try await TestCluster.with { cluster in
            let shell = Shell(cluster: cluster)
            #expect(try shell.run(["validate", "nonsense"]).code == 64)
            #expect(try shell.run(["create", "alice", "--field", "cart"]).code == 64)
            #expect(try shell.run(["create", "alice", "--aal", "7"]).code == 64)
            #expect(try shell.run(["revoke", "nonsense"]).code == 64)
            for name in cluster.names { try cluster.crash(name) }
            #expect(try shell.run(["list", "alice"]).code == 69)
        }
    }
}
