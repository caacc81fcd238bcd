// What strangers send to the ports of a real node. Every mistake gets an error that says what to
// do, the connection lives where the frame could be read and ends where it could not, and the node
// goes on serving.

import Foundation
import HoldfastServer
import Testing

@Suite("A node that is sent nonsense", .serialized)
struct BadInputTests {
    /// What is sent, and how the answer begins.
    private static let readable: [(words: [String], answer: String)] = [
        (["NOSUCH"], "-ERR unknown command 'NOSUCH'"),
        (["GET"], "-ERR wrong number of arguments for 'get' command"),
        (["GET", "a", "b"], "-ERR wrong number of arguments for 'get' command"),
        (["SET", "k", "v", "EX", "ten"], "-ERR value is not an integer or out of range"),
        (["SET", "k", "v", "EX", "0"], "-ERR invalid expire time in 'set' command"),
        (["SET", "k", "v", "EX", "9223372036854775807"], "-ERR invalid expire time in 'set'"),
        (["SET", "k", "v", "NX", "XX"], "-ERR syntax error"),
        (["EXPIRE", "k", "99999999999999999999"], "-ERR value is not an integer"),
        (["SESSION"], "-ERR wrong number of arguments for 'session' command"),
        (["SESSION", "DANCE", "alice"], "-ERR unknown subcommand"),
        (["SESSION", "CREATE"], "-ERR wrong number of arguments"),
        (["SESSION", "CREATE", ""], "-ERR"),
        (["SESSION", "CREATE", "alice", "IDLE"], "-ERR"),
        (["SESSION", "CREATE", "alice", "IDLE", "-1"], "-ERR"),
        (["SESSION", "CREATE", "alice", "TTL", "1e9"], "-ERR"),
        (["SESSION", "CREATE", "alice", "ID", "short"], "-ERR"),
        (["SESSION", "CREATE", String(repeating: "a", count: 100_000)], "-ERR"),
        (["SESSION", "VALIDATE", "no.such"], "-ERR"),
        (["SESSION", "VALIDATE", String(repeating: "\u{1}", count: 69)], "-ERR"),
        (["SESSION", "REVOKE", ""], "-ERR"),
        (["GET", String(repeating: "k", count: 4_097)], "-ERR"),
        (["SET", "k", String(repeating: "v", count: 1_048_577)], "-ERR"),
        (["HELLO", "4"], "-NOPROTO"),
        (["HOLDFAST", "MEMBERS", "DANCE"], "-ERR unknown subcommand 'DANCE'"),
        (["HOLDFAST", "MEMBERS", "REMOVE", "99", "1"], "-ERR"),
        (["HOLDFAST", "MEMBERS", "ADD", "0", "9", "nowhere"], "-ERR"),
        (["MGET"], "-ERR wrong number of arguments for 'mget' command"),
    ]

    /// Bytes that are no frame at all.
    private static let unreadable: [String] = [
        "*1048577\r\n$1\r\n", "*1\r\n+OK\r\n", "*1\r\n$-1\r\n", "*1\r\n$x\r\n",
        "*9223372036854775808\r\n", "*1\r\n$9223372036854775807\r\n", "*2\r\n$3\r\nGETxx$1\r\n",
        "*1\r\n$3\r\nGET\n\n\r\n\r\n", "SET \"unbalanced\r\n", "*\r\n\u{0}",
        String(repeating: "x", count: 70_000),
    ]

    @Test("answers every mistake, closes where it must, and goes on")
    func mistakes() async throws {
        try await TestCluster.with(nodeCount: 1) { cluster in
            let node = try #require(cluster.configuration.nodes.first)
            for port in [node.clusterPort, node.standalonePort] {
                try keepsReadable(port)
                try closesUnreadable(port)
                try survivesGarbage(port)
            }
            try survivesGarbage(node.peerPort)
            try #expect(cluster.terminate(node.name) == 0)
            let log = try String(contentsOfFile: cluster.log(node.name), encoding: .utf8)
            #expect(!log.contains("Fatal error"))
        }
    }

    private func keepsReadable(_ port: Int) throws {
        let client = try RawClient(port: port)
        for (words, answer) in Self.readable {
            client.send(command: words)
            let line = client.line() ?? "nothing"
            let name = words.prefix(2).joined(separator: " ").prefix(40)
            #expect(line.hasPrefix(answer), "\(name): \(line)")
            #expect(line.utf8.count < 300, "\(name) is answered at length")
            client.send(command: ["PING"])
            #expect(client.line() == "+PONG", "after \(name)")
        }
        // Between good requests, in one piece.
        client.send("*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nGETS\r\n*1\r\n$4\r\nPING\r\n")
        let lines = (0..<3).map { _ in client.line() ?? "nothing" }
        #expect(lines[0] == "+PONG")
        #expect(lines[1].hasPrefix("-ERR unknown command"))
        #expect(lines[2] == "+PONG")
    }

    private func closesUnreadable(_ port: Int) throws {
        for bytes in Self.unreadable {
            let client = try RawClient(port: port)
            client.send(bytes)
            let line = client.line() ?? "nothing"
            #expect(line.hasPrefix("-ERR"), "\(bytes.prefix(30).debugDescription): \(line)")
            #expect(client.isClosed(), "\(bytes.prefix(30).debugDescription) leaves it open")
        }
    }

    /// Random bytes on many connections, some of which say nothing or half a frame and go.
    private func survivesGarbage(_ port: Int) throws {
        var random = SystemRandomNumberGenerator()
        for round in 0..<60 {
            let client = try RawClient(port: port)
            let count = Int.random(in: 0...4_000, using: &random)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            if round.isMultiple(of: 3) {
                bytes = Array("*3\r\n$3\r\nSET\r\n$1000\r\n".utf8) + bytes
            }
            client.send(bytes)
        }
    }

    @Test("a long pipeline of what the node answers itself, in one piece, is answered whole")
    func longPipeline() async throws {
        try await TestCluster.with(nodeCount: 1) { cluster in
            let port = try #require(cluster.configuration.nodes.first).clusterPort
            let client = try RawClient(port: port)
            let count = 10_000
            client.send(String(repeating: "PING\r\n", count: count))
            var answered = 0
            while answered < count, client.line() == "+PONG" { answered += 1 }
            #expect(answered == count)
        }
    }

    @Test("a request behind one with a reply that is larger than the socket takes is answered")
    func largeReply() async throws {
        try await TestCluster.with(nodeCount: 1) { cluster in
            let client = try RawClient(port: cluster.port(of: "n1"))
            let value = String(repeating: "v", count: 200_000)
            let keys = (0..<20).map { "large-\($0)" }
            for key in keys {
                client.send(command: ["SET", key, value])
                #expect(client.line() == "+OK")
            }
            for count in 4...20 {
                let wanted = Array(keys.prefix(count))
                client.send("MGET \(wanted.joined(separator: " "))\r\nPING\r\n")
                #expect(client.line() == "*\(count)")
                for _ in wanted { #expect(client.text()?.utf8.count == value.utf8.count) }
                #expect(client.line() == "+PONG", "behind \(count) values")
            }
        }
    }

    @Test("keys of one DEL that fit no entry of the log are refused, and the node lives")
    func hugeDelete() async throws {
        try await TestCluster.with(nodeCount: 1) { cluster in
            let port = try #require(cluster.configuration.nodes.first).clusterPort
            let client = try RawClient(port: port)
            let long = "{t}" + String(repeating: "k", count: 4_000)
            client.send(command: ["DEL"] + (0..<5_000).map { "\(long)\($0)" })
            #expect(client.line()?.hasPrefix("-ERR the keys have more than") == true)
            client.send(command: ["DEL"] + (0..<900).map { "\(long)\($0)" })
            #expect(client.line() == ":0")
            #expect(try cluster.terminate("n1") == 0)
        }
    }

    @Test("a client that never reads its replies is held up, and others are not")
    func neverReads() async throws {
        try await TestCluster.with(nodeCount: 1) { cluster in
            let port = try #require(cluster.configuration.nodes.first).clusterPort
            let other = try RawClient(port: port)
            other.send(command: ["SET", "big", String(repeating: "v", count: 100_000)])
            #expect(other.line() == "+OK")
            let greedy = try RawClient(port: port)
            let request = Array("*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n".utf8)
            // 200 GB of replies, unless the node stops reading. It does: the sockets fill.
            let many = [UInt8]((0..<1_000).map { _ in request }.joined())
            var batches = 0
            while batches < 2_000, greedy.send(many, atMost: .seconds(1)) { batches += 1 }
            #expect(batches < 2_000, "the node took requests without end")
            let memory = try cluster.residentBytes("n1")
            #expect(memory < 400 << 20, "\(memory >> 20) MiB resident")
            for _ in 0..<100 {
                other.send(command: ["PING"])
                #expect(other.line() == "+PONG")
            }
        }
    }
}
