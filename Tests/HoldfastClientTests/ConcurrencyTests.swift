import HoldfastWire
import Logging
import NIOCore
import ServiceLifecycle
import Testing

@testable import HoldfastClient

@Suite(.timeLimit(.minutes(2))) struct ConcurrencyTests {
    @Test(arguments: [1, 3])
    func `Of many calls at once each gets its own answer`(connections: Int) async throws {
        let calls = 5_000
        try await withNodes(1) { nodes in
            nodes[0].rescript { words in
                words[0] == "GET" ? .bulk("value of \(words[1])") : slots(ledBy: nodes[0])
            }
            var shared = configuration(nodes)
            shared.connectionsPerNode = connections
            shared.requestsInFlightPerConnection = 64
            try await withClient(shared) { client in
                let right = try await withThrowingTaskGroup(of: Bool.self) { group in
                    for number in 0..<calls {
                        group.addTask {
                            let value = try await client.get("key \(number)")
                            return value == Array("value of key \(number)".utf8)
                        }
                    }
                    return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
                }
                #expect(right == calls)
            }
            #expect(nodes[0].requests("GET").count >= calls)
            #expect(nodes[0].connections(asking: "GET") <= connections)
        }
    }

    @Test func `Cancellations in the midst of traffic mix nobody's answers up`() async throws {
        try await withNodes(1) { nodes in
            nodes[0].rescript { words in
                words[0] == "GET" ? .bulk(words[1]) : slots(ledBy: nodes[0])
            }
            try await withClient(configuration(nodes)) { client in
                let tasks = (0..<2_000).map { number in
                    Task { try await client.get("\(number)") }
                }
                for task in tasks.indices where task.isMultiple(of: 3) { tasks[task].cancel() }
                var answered = 0
                for (number, task) in tasks.enumerated() {
                    switch await task.result {
                    case .success(let value):
                        #expect(value == Array("\(number)".utf8))
                        answered += 1
                    case .failure(let error):
                        #expect((error as? HoldfastError)?.code == .cancelled)
                        #expect(number.isMultiple(of: 3))
                    }
                }
                #expect(answered >= 1_333)
            }
        }
    }

    @Test func `A full queue in the client is pressure, not an error`() async throws {
        try await withNodes(1) { nodes in
            nodes[0].rescript { words in
                words[0] == "SET" ? .ok : slots(ledBy: nodes[0])
            }
            var narrow = configuration(nodes)
            narrow.requestsInFlightPerConnection = 1
            narrow.requestsWaitingPerConnection = 1
            try await withClient(narrow) { client in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<30 {
                        group.addTask { try await client.set("key \(number)", [1]) }
                    }
                    try await group.waitForAll()
                }
            }
            #expect(nodes[0].requests("SET").count == 30)
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct LifeTests {
    private let zeros = [UInt8](repeating: 0, count: SessionID.randomByteCount)

    @Test func `Graceful shutdown lets calls end, refuses new ones and closes the connections`()
        async throws
    {
        try await withNodes(1) { nodes in
            let late = promise()
            nodes[0].rescript { words in
                words[0] == "SET" ? .later(late.futureResult) : slots(ledBy: nodes[0])
            }
            let client = HoldfastClient(configuration: configuration(nodes), logger: quiet)
            let handle = SessionHandle(SessionID.mint(randomBytes: zeros, slot: 0).handle)
            let group = ServiceGroup(services: [client], logger: quiet)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                await client.router.mapped()
                async let write: Void = client.set("k", [1])
                await nodes[0].received(1, of: "SET")
                await group.triggerGracefulShutdown()
                var code: HoldfastError.Code?
                while code != .shutdown {
                    do throws(HoldfastError) {
                        _ = try await client.sessions.revoke(handle, deadline: .milliseconds(10))
                    } catch {
                        code = error.code
                    }
                }
                late.succeed(.status("OK"))
                try await write
                try await tasks.waitForAll()
            }
            await until { nodes[0].openConnections == 0 }
        }
    }

    @Test func `Cancellation ends calls under way`() async throws {
        try await withNodes(1) { nodes in
            nodes[0].rescript { words in
                words[0] == "SET" ? .silence : slots(ledBy: nodes[0])
            }
            let client = HoldfastClient(configuration: configuration(nodes), logger: quiet)
            let run = Task { try await client.run() }
            let write = Task { try await client.set("k", [1]) }
            await nodes[0].received(1, of: "SET")
            run.cancel()
            try await run.value
            let result = await write.result
            #expect(throws: HoldfastError.self) { try result.get() }
            if case .failure(let error) = result {
                #expect((error as? HoldfastError)?.outcome == .unknown)
            }
        }
    }

    @Test func `A client runs once`() async throws {
        try await withNodes(1) { nodes in
            nodes[0].rescript { _ in slots(ledBy: nodes[0]) }
            try await withClient(configuration(nodes)) { client in
                await client.router.mapped()
                await #expect(throws: HoldfastError.self) { try await client.run() }
            }
        }
    }

    @Test func `Calls work without run, by redirection`() async throws {
        try await withNodes(1) { nodes in
            nodes[0].rescript { _ in .bulk("v") }
            let client = HoldfastClient(configuration: configuration(nodes), logger: quiet)
            let value = try await client.text("k")
            #expect(value == "v")
            await client.router.shutDown()
        }
    }

    @Test func `What the body throws comes out`() async throws {
        struct Mine: Error {}
        try await withNodes(1) { nodes in
            nodes[0].rescript { _ in slots(ledBy: nodes[0]) }
            await #expect(throws: Mine.self) {
                try await withClient(configuration(nodes)) { _ in throw Mine() }
            }
        }
    }
}
