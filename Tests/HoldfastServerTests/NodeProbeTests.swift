import NIOCore
import NIOPosix
import RaftCore
import Testing

@testable import HoldfastServer

@Suite("A question to a node")
struct NodeProbeTests {
    /// A node that takes the question and never answers.
    private func withSilentNode(
        _ body: (NodeConfiguration, EventLoopFuture<Void>) async throws -> Void
    ) async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        try await SilentServer.with(on: loop) { server in
            let node = NodeConfiguration(
                name: "n1",
                id: NodeID(1),
                host: "127.0.0.1",
                clusterPort: server.port,
                standalonePort: 1,
                peerPort: 2,
                dataDirectory: nil
            )
            try await body(node, server.heard)
        }
    }

    @Test("whoever asks and is cancelled does not wait for the answer")
    func cancelled() async throws {
        try await withSilentNode { node, asked in
            let question = Task {
                try await NodeProbe.ask(node, ["PING"], timeout: .seconds(30))
            }
            try await asked.get()
            let start = ContinuousClock.now
            question.cancel()
            await #expect(throws: ProbeError.self) { try await question.value }
            #expect(ContinuousClock.now - start < .seconds(15))
        }
    }

    @Test("a node that does not answer in time is given up")
    func late() async throws {
        try await withSilentNode { node, _ in
            let error = await #expect(throws: ProbeError.self) {
                try await NodeProbe.ask(node, ["PING"], timeout: .milliseconds(50))
            }
            #expect(error?.description == "no answer in time")
        }
    }

    @Test("a node that is not there is not reachable")
    func away() async throws {
        var gone: NodeConfiguration?
        try await withSilentNode { node, _ in gone = node }
        let node = try #require(gone)
        let error = await #expect(throws: ProbeError.self) {
            try await NodeProbe.ask(node, ["PING"])
        }
        #expect(error?.description == "127.0.0.1:\(node.clusterPort): not reachable")
    }
}
