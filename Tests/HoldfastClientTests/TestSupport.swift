// What the tests of the client share: a cluster of fakes, a configuration, and common replies.

import HoldfastWire
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import HoldfastClient

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Starts `count` fakes that know nothing yet but the map, runs `body`, and stops them.
func withNodes(
    _ count: Int,
    _ body: (_ nodes: [FakeNode]) async throws -> Void
) async throws {
    var nodes: [FakeNode] = []
    for _ in 0..<count { nodes.append(try await FakeNode.start { _ in .error("ERR no script") }) }
    let outcome: Result<Void, any Error>
    do {
        outcome = .success(try await body(nodes))
    } catch {
        outcome = .failure(error)
    }
    for node in nodes { try await node.stop() }
    try outcome.get()
}

/// A patient configuration, so that a slow machine does not look like a dead node.
func configuration(_ seeds: [FakeNode]) -> HoldfastClient.Configuration {
    var configuration = HoldfastClient.Configuration(seeds: seeds.map(\.address))
    configuration.deadline = .seconds(20)
    configuration.connectTimeout = .seconds(5)
    configuration.attemptTimeout = .seconds(20)
    configuration.silenceTimeout = .seconds(10)
    configuration.probeTimeout = .seconds(5)
    configuration.mapRefreshInterval = .seconds(60)
    return configuration
}

func withClient(
    _ configuration: HoldfastClient.Configuration,
    _ body: (HoldfastClient) async throws -> Void
) async throws {
    try await HoldfastClient.withClient(configuration: configuration, logger: quiet, body)
}

/// Returns once the condition holds. The pause only leaves the processor to others: a test that
/// waits here passes at any speed, or ends with its time limit.
func until(_ condition: () -> Bool) async {
    while !condition(), !Task.isCancelled { try? await Task.sleep(for: .milliseconds(1)) }
}

/// The error that `body` throws; fails the test when it throws none.
func failure(
    _ body: () async throws(HoldfastError) -> Void,
    sourceLocation: SourceLocation = #_sourceLocation
) async -> HoldfastError? {
    do throws(HoldfastError) {
        try await body()
        Issue.record("no error was thrown", sourceLocation: sourceLocation)
        return nil
    } catch {
        return error
    }
}

/// CLUSTER SLOTS of a cluster in which `node` leads all slots.
func slots(ledBy node: FakeNode) -> FakeAnswer {
    .reply(.array([range(0, 16_383, node.address)]))
}

func range(_ start: Int64, _ end: Int64, _ address: NodeAddress) -> RESPValue {
    .array([
        .integer(start), .integer(end),
        .array([
            .bulk(Array(address.host.utf8)), .integer(Int64(address.port)),
            .bulk(Array("id".utf8)),
        ]),
    ])
}

func map(_ entries: [(String, RESPValue)]) -> RESPValue {
    .map(entries.map { RESPPair(key: bulk($0.0), value: $0.1) })
}

func bulk(_ text: String) -> RESPValue { .bulk(Array(text.utf8)) }

/// What a server answers to the SESSION CREATE of these words.
func created(_ words: [String]) -> RESPValue {
    let id = words[4]
    return map([
        ("id", bulk(id)), ("handle", bulk(String(id.prefix(22)))), ("subject", bulk(words[2])),
        ("version", .integer(1)), ("created-at", .integer(1_000)), ("idle-expires-at", .null),
        ("expires-at", .integer(61_000)),
    ])
}

func promise() -> EventLoopPromise<RESPValue> {
    MultiThreadedEventLoopGroup.singleton.any().makePromise(of: RESPValue.self)
}

extension HoldfastClient {
    /// The value as text. (Its untyped throw is what `#expect` can hold.)
    func text(_ key: String) async throws -> String? {
        try await get(key).map { String(decoding: $0, as: UTF8.self) }
    }
}

/// Of a session of slot 9.
let sampleToken = SessionToken(
    SessionID.mint(
        randomBytes: [UInt8](repeating: 5, count: SessionID.randomByteCount),
        slot: 9
    )
)

/// One node that leads everything and answers sessions by `script`.
func withSessions(
    _ script: @escaping FakeNode.Script,
    _ body: (Sessions, FakeNode) async throws -> Void
) async throws {
    try await withNodes(1) { nodes in
        nodes[0].rescript { words in
            words[0] == "SESSION" ? script(words) : slots(ledBy: nodes[0])
        }
        try await withClient(configuration(nodes)) { client in
            try await body(client.sessions, nodes[0])
        }
    }
}
