import HoldfastWire
import Testing

@testable import HoldfastClient

@Suite(.timeLimit(.minutes(1))) struct ValuesTests {
    @Test func `Values go out and come back as bytes`() async throws {
        try await withNodes(1) { nodes in
            let values = Locked<[String: String]>([:])
            nodes[0].rescript { words in
                values.withLock { values in
                    switch words[0] {
                    case "GET": return .reply(values[words[1]].map(bulk) ?? .null)
                    case "SET" where words.last == "NX" && values[words[1]] != nil:
                        return .reply(.null)
                    case "SET":
                        values[words[1]] = words[2]
                        return .ok
                    case "DEL":
                        return .reply(.integer(values.removeValue(forKey: words[1]) == nil ? 0 : 1))
                    default: return slots(ledBy: nodes[0])
                    }
                }
            }
            try await withClient(configuration(nodes)) { client in
                let before = try await client.text("k")
                #expect(before == nil)
                try await client.set("k", Array("v".utf8), expiresAfter: .microseconds(1_500))
                let after = try await client.text("k")
                #expect(after == "v")
                let again = try await client.setIfAbsent("k", [])
                #expect(!again)
                let other = try await client.setIfAbsent("other", [], expiresAfter: .seconds(1))
                #expect(other)
                let removed = try await client.delete("k")
                #expect(removed)
                let twice = try await client.delete("k")
                #expect(!twice)
            }
            #expect(
                nodes[0].requests("SET") == [
                    ["SET", "k", "v", "PX", "2"], ["SET", "k", "", "NX"],
                    ["SET", "other", "", "PX", "1000", "NX"],
                ]
            )
        }
    }

    @Test func `A life of nothing is a mistake`() async throws {
        try await withNodes(1) { nodes in
            nodes[0].rescript { _ in slots(ledBy: nodes[0]) }
            try await withClient(configuration(nodes)) { client in
                let error = await failure { () throws(HoldfastError) in
                    try await client.set("k", [], expiresAfter: .zero)
                }
                #expect(error?.code == .invalidArgument)
            }
        }
    }
}
