import HoldfastWire
import NIOCore
import Testing

@testable import HoldfastClient

@Suite(.timeLimit(.minutes(1))) struct FailureTests {
    @Test func `A lost write of a value has an unknown outcome and is not repeated`() async throws {
        try await withNodes(1) { nodes in
            nodes[0].rescript { words in
                words[0] == "CLUSTER" ? slots(ledBy: nodes[0]) : .close
            }
            try await withClient(configuration(nodes)) { client in
                let set = await failure { () throws(HoldfastError) in try await client.set("k", [1])
                }
                let absent = await failure { () throws(HoldfastError) in
                    _ = try await client.setIfAbsent("k", [1])
                }
                let delete = await failure { () throws(HoldfastError) in
                    _ = try await client.delete("k")
                }
                for error in [set, absent, delete] {
                    #expect(error?.code == .outcomeUnknown)
                    #expect(error?.outcome == .unknown)
                }
            }
            #expect(nodes[0].requests("SET").count == 2)
            #expect(nodes[0].requests("DEL").count == 1)
        }
    }

    @Test func `A lost write is repeated when the caller says so`() async throws {
        try await withNodes(1) { nodes in
            let isFirst = Locked(true)
            nodes[0].rescript { words in
                guard words[0] == "SET" else { return slots(ledBy: nodes[0]) }
                return isFirst.take() ? .close : .ok
            }
            try await withClient(configuration(nodes)) { client in
                try await client.set("k", [1], repetition: .always)
            }
            #expect(nodes[0].requests("SET").count == 2)
        }
    }

    @Test func `A lost read is repeated`() async throws {
        try await withNodes(1) { nodes in
            let isFirst = Locked(true)
            nodes[0].rescript { words in
                guard words[0] == "GET" else { return slots(ledBy: nodes[0]) }
                return isFirst.take() ? .close : .bulk("v")
            }
            try await withClient(configuration(nodes)) { client in
                let value = try await client.text("k")
                #expect(value == "v")
            }
            #expect(nodes[0].requests("GET").count == 2)
        }
    }

    @Test func `A write that a server did not do is repeated`() async throws {
        try await withNodes(1) { nodes in
            let answers = Locked(["UNAVAILABLE no leader", "TRYAGAIN", "OVERLOADED"])
            nodes[0].rescript { words in
                guard words[0] == "SET" else { return slots(ledBy: nodes[0]) }
                return answers.withLock { $0.popLast() }.map(FakeAnswer.error) ?? .ok
            }
            try await withClient(configuration(nodes)) { client in try await client.set("k", [1]) }
            #expect(nodes[0].requests("SET").count == 4)
        }
    }

    @Test func `A request without an answer ends with its deadline, and its connection goes on`()
        async throws
    {
        try await withNodes(1) { nodes in
            let late = promise()
            nodes[0].rescript { words in
                switch words[0] {
                case "SET": .later(late.futureResult)
                case "GET": .bulk("v")
                default: slots(ledBy: nodes[0])
                }
            }
            try await withClient(configuration(nodes)) { client in
                // So that the connection is there, and the deadline is for the reply alone.
                _ = try await client.text("k")
                let error = await failure { () throws(HoldfastError) in
                    try await client.set("k", [1], deadline: .milliseconds(500))
                }
                #expect(error?.code == .deadlineExceeded)
                #expect(error?.outcome == .unknown)
                late.succeed(.status("OK"))
                let value = try await client.text("k")
                #expect(value == "v")
            }
        }
    }

    @Test func `With nobody to ask, the deadline ends the call and nothing was done`() async throws
    {
        try await withNodes(1) { nodes in
            try await nodes[0].stop()
            try await withClient(configuration(nodes)) { client in
                let error = await failure { () throws(HoldfastError) in
                    try await client.set("k", [1], deadline: .milliseconds(200))
                }
                #expect(error?.code == .deadlineExceeded)
                #expect(error?.outcome == .notDone)
            }
        }
    }

    @Test func `A cancelled caller leaves at once, and its reply goes to nobody else`() async throws
    {
        try await withNodes(1) { nodes in
            let late = promise()
            nodes[0].rescript { words in
                switch words[0] {
                case "GET" where words[1] == "slow": .later(late.futureResult)
                case "GET": .bulk(words[1])
                default: slots(ledBy: nodes[0])
                }
            }
            try await withClient(configuration(nodes)) { client in
                await client.router.mapped()
                let caller = Task { () throws(HoldfastError) in try await client.get("slow") }
                await nodes[0].received(1, of: "GET")
                caller.cancel()
                let result = await caller.result
                #expect(throws: HoldfastError.self) { try result.get() }
                async let next = client.text("next")
                await nodes[0].received(2, of: "GET")
                late.succeed(.bulk(Array("slow".utf8)))
                let value = try await next
                #expect(value == "next")
            }
        }
    }

    @Test(arguments: [
        "+surplus\r\n+surplus\r\n", ">1\r\n+push\r\n", "what?\r\n", "*99999999999\r\n",
    ])
    func `A reply out of step closes the connection`(bytes: String) async throws {
        try await withNodes(1) { nodes in
            let isFirst = Locked(true)
            nodes[0].rescript { words in
                guard words[0] == "GET" else { return slots(ledBy: nodes[0]) }
                return isFirst.take() ? .raw(bytes) : .bulk("v")
            }
            try await withClient(configuration(nodes)) { client in
                await client.router.mapped()
                let before = nodes[0].acceptedConnections
                _ = try? await client.get("k")
                // Whatever the first was told: the next has its own answer, on a new connection.
                let value = try await client.text("k")
                #expect(value == "v")
                #expect(nodes[0].acceptedConnections > before + 1)
            }
        }
    }

    @Test func `A node that accepts and never answers is noticed, and others are asked`()
        async throws
    {
        try await withNodes(2) { nodes in
            let (stalled, other) = (nodes[0], nodes[1])
            stalled.rescript { _ in slots(ledBy: stalled) }
            other.rescript { words in
                words[0] == "GET" ? .bulk("v") : .error("ERR no map")
            }
            var impatient = configuration(nodes)
            impatient.silenceTimeout = .milliseconds(100)
            impatient.probeTimeout = .milliseconds(100)
            try await withClient(impatient) { client in
                await client.router.mapped()
                _ = try? await client.get("k")
                stalled.stall()
                let begin = ContinuousClock.now
                let value = try await client.text("k")
                #expect(value == "v")
                // Far below the 20 s of the attempt's own timeout.
                #expect(ContinuousClock.now - begin < .seconds(10))
            }
        }
    }

    @Test func `A node that is busy with one request and answers a PING is left in peace`()
        async throws
    {
        try await withNodes(1) { nodes in
            let late = promise()
            nodes[0].rescript { words in
                words[0] == "SET" ? .later(late.futureResult) : slots(ledBy: nodes[0])
            }
            var impatient = configuration(nodes)
            impatient.silenceTimeout = .milliseconds(30)
            try await withClient(impatient) { client in
                async let write: Void = client.set("k", [1])
                await nodes[0].received(3, of: "PING")
                late.succeed(.status("OK"))
                try await write
            }
            #expect(nodes[0].requests("SET").count == 1)
        }
    }

    @Test func `A connection that owes a reply for too long is closed`() async throws {
        try await withNodes(1) { nodes in
            nodes[0].rescript { words in
                words[0] == "SET" ? .silence : slots(ledBy: nodes[0])
            }
            var impatient = configuration(nodes)
            impatient.attemptTimeout = .milliseconds(100)
            try await withClient(impatient) { client in
                let error = await failure { () throws(HoldfastError) in
                    try await client.set("k", [1])
                }
                #expect(error?.code == .outcomeUnknown)
            }
        }
    }
}
