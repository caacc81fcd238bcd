import HoldfastWire
import Testing

@testable import HoldfastClient

@Suite(.timeLimit(.minutes(1))) struct RoutingTests {
    @Test func `A redirection is followed, and remembered`() async throws {
        try await withNodes(2) { nodes in
            let (wrong, right) = (nodes[0], nodes[1])
            wrong.rescript { words in
                if words[0] == "CLUSTER" { return .error("ERR no map today") }
                return .error("MOVED \(HashSlot.of(Array("k".utf8))) \(right.address)")
            }
            right.rescript { _ in .bulk("v") }
            try await withClient(configuration([wrong])) { client in
                for _ in 0..<3 {
                    let value = try await client.text("k")
                    #expect(value == "v")
                }
            }
            #expect(wrong.requests("GET").count == 1)
            #expect(right.requests("GET").count == 3)
        }
    }

    @Test func `The map of slots leads straight to the leader`() async throws {
        try await withNodes(3) { nodes in
            let low: RESPValue = range(0, 8_191, nodes[1].address)
            let high: RESPValue = range(8_192, 16_383, nodes[2].address)
            nodes[0].rescript { words in
                words[0] == "CLUSTER" ? .reply(.array([low, high])) : .error("ERR not asked")
            }
            nodes[1].rescript { _ in .bulk("low") }
            nodes[2].rescript { _ in .bulk("high") }
            try await withClient(configuration([nodes[0]])) { client in
                await client.router.mapped()
                for number in 0..<64 {
                    let slot = HashSlot.of(Array("key\(number)".utf8))
                    let expected = slot < 8_192 ? "low" : "high"
                    let value = try await client.text("key\(number)")
                    #expect(value == expected)
                }
            }
            #expect(nodes[0].requests("GET").isEmpty)
        }
    }

    @Test func `A redirection fetches the map anew`() async throws {
        try await withNodes(2) { nodes in
            let (old, new) = (nodes[0], nodes[1])
            old.rescript { words in
                words[0] == "CLUSTER" ? slots(ledBy: old) : .error("MOVED 0 \(new.address)")
            }
            new.rescript { words in words[0] == "CLUSTER" ? slots(ledBy: new) : .bulk("v") }
            try await withClient(configuration([old])) { client in
                await client.router.mapped()
                // From now on both say that the new one leads.
                old.rescript { words in
                    words[0] == "CLUSTER" ? slots(ledBy: new) : .error("MOVED 0 \(new.address)")
                }
                let before = old.requests("CLUSTER").count + new.requests("CLUSTER").count
                let value = try await client.text("k")
                #expect(value != nil)
                await until {
                    old.requests("CLUSTER").count + new.requests("CLUSTER").count > before
                }
                #expect(old.requests("GET").count <= 1)
            }
        }
    }

    @Test func `Nodes that redirect to each other end with the deadline`() async throws {
        try await withNodes(2) { nodes in
            let slot = HashSlot.of(Array("k".utf8))
            for (node, other) in [(nodes[0], nodes[1]), (nodes[1], nodes[0])] {
                node.rescript { words in
                    words[0] == "GET" ? .error("MOVED \(slot) \(other.address)") : .error("ERR")
                }
            }
            try await withClient(configuration(nodes)) { client in
                let error = await failure { () throws(HoldfastError) in
                    _ = try await client.get("k", deadline: .milliseconds(300))
                }
                #expect(error?.code == .deadlineExceeded)
                #expect(error?.outcome == .notDone)
            }
            // Without pauses there would be tens of thousands.
            #expect(nodes[0].requests("GET").count < 1_000)
        }
    }

    @Test func `A node that is gone is passed over`() async throws {
        try await withNodes(2) { nodes in
            let (gone, there) = (nodes[0], nodes[1])
            try await gone.stop()
            there.rescript { words in
                words[0] == "CLUSTER" ? slots(ledBy: gone) : .bulk("v")
            }
            try await withClient(configuration([there])) { client in
                await client.router.mapped()
                let value = try await client.text("k")
                #expect(value == "v")
            }
        }
    }
}

extension Router {
    /// Returns once a map was fetched.
    func mapped() async {
        await until { self.hasMap }
    }
}

@Suite struct SlotMapTests {
    private let origin = NodeAddress(host: "origin", port: 9)
    private let one = NodeAddress(host: "one", port: 1)
    private let two = NodeAddress(host: "two", port: 2)

    @Test func `Ranges name their leaders and gaps name nobody`() throws {
        let reply = RESPValue.array([range(0, 5, one), range(7, 9, two), range(10, 16_383, one)])
        let map = try #require(SlotMap(reply: reply, answeredBy: origin))
        #expect(map.leader(of: 5) == one)
        #expect(map.leader(of: 6) == nil)
        #expect(map.leader(of: 9) == two)
        #expect(map.leader(of: 16_383) == one)
        #expect(map.nodes == [one, two])
    }

    @Test func `No host means the one that answered`() throws {
        let nobody = NodeAddress(host: "", port: 4)
        let map = try #require(
            SlotMap(reply: .array([range(0, 0, nobody)]), answeredBy: origin)
        )
        #expect(map.leader(of: 0) == NodeAddress(host: "origin", port: 4))
    }

    @Test(arguments: [
        RESPValue.null, .integer(1), .array([.integer(1)]),
        .array([range(5, 4, NodeAddress(host: "a", port: 1))]),
        .array([range(0, 16_384, NodeAddress(host: "a", port: 1))]),
        .array([range(-1, 4, NodeAddress(host: "a", port: 1))]),
        .array([range(0, 4, NodeAddress(host: "a", port: 70_000))]),
    ])
    func `What is no map is refused`(reply: RESPValue) {
        #expect(SlotMap(reply: reply, answeredBy: origin) == nil)
    }

    @Test func `A redirection overrides one slot`() {
        var map = SlotMap()
        #expect(map.leader(of: 3) == nil)
        map.learn(leader: two, of: 3)
        #expect(map.leader(of: 3) == two)
        #expect(map.leader(of: 4) == nil)
    }

    @Test(arguments: [
        ("10.0.0.1:7101", "10.0.0.1", 7_101), ("fe80::1:7101", "fe80::1", 7_101),
        ("[fe80::1]:7101", "fe80::1", 7_101), (":7101", "origin", 7_101),
        ("?:7101", "origin", 7_101),
    ])
    func `Redirections are split at the last colon`(text: String, host: String, port: Int) {
        #expect(NodeAddress(moved: text, answeredBy: origin) == NodeAddress(host: host, port: port))
    }

    @Test(arguments: ["", "host", "host:", "host:0", "host:65536", "host:x"])
    func `Addresses without a port are none`(text: String) {
        #expect(NodeAddress(moved: text, answeredBy: origin) == nil)
    }
}
