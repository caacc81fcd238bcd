// A node without its processes' parts: reactors that are never turned, one connection, and what the
// node has logged.

import Commands
import Foundation
import HoldfastWire
import LogStore
import Logging
import NIOCore
import NIOEmbedded
import RaftCore
import Replica
import Sealing
import Synchronization
import Testing

@testable import HoldfastServer

final class Bench {
    let directory: String
    let channel = EmbeddedChannel()
    let node: NodeContext
    let reactors: [Reactor]
    let connection: ClientConnection
    let words: RecordedLog

    var reactor: Reactor { reactors[0] }
    var loop: EmbeddedEventLoop { channel.embeddedEventLoop }

    /// Node 1 of two groups. The others have these peer ports; each further loop has a reactor.
    init(
        peers: [Int] = [],
        loops: [any EventLoop] = [],
        first: FirstStart = .bootstrap
    ) throws {
        let configuration = try Self.configuration(peers: peers)
        directory = NSTemporaryDirectory() + "holdfast-bench-\(UUID().uuidString)"
        words = RecordedLog()
        let logger = words.logger
        let own = configuration.nodes[0]
        let recovery = NodeRecovery(
            configuration: configuration,
            own: own,
            first: first,
            keys: NodeKeys(.none)
        )
        let recovered = try recovery.open(directory, logger)
        let all: [any EventLoop] = [channel.embeddedEventLoop] + loops
        let space = DiskSpace(directory: directory, marks: configuration.space, logger: logger)
        (node, reactors) = recovered.makeReactors(on: all, configuration, own, space, logger)
        for reactor in reactors { reactor.reactors = reactors }
        connection = ClientConnection(
            id: 1,
            port: .cluster,
            reactor: reactors[0],
            channel: channel
        )
        reactors[0].connections[1] = connection
    }

    deinit {
        do {
            try FileManager.default.removeItem(atPath: directory)
        } catch {
            print("left behind: \(directory): \(error)")
        }
    }

    static func configuration(peers: [Int] = []) throws -> ClusterConfiguration {
        var yaml = """
            cluster-id: 11111111222233334444555555555555
            groups: 2
            at-rest: {encryption: off}
            nodes:
              - {name: n1, id: 1, host: h, cluster-port: 1, standalone-port: 2, peer-port: 3}

            """
        for (place, port) in peers.enumerated() {
            let id = place + 2
            yaml += "  - {name: n\(id), id: \(id), host: 127.0.0.1, cluster-port: \(id)1, "
            yaml += "standalone-port: \(id)2, peer-port: \(port)}\n"
        }
        return try ClusterConfiguration(yaml: yaml, file: "c.yaml")
    }

    func receive(_ text: String) {
        var bytes = ByteBuffer(string: text)
        connection.received(&bytes)
    }

    func target(_ sequence: UInt64) -> ReplyTarget {
        ReplyTarget(reactor: 0, connection: 1, sequence: sequence, part: 0, version: .two)
    }

    /// What has been written to the socket.
    func written() throws -> String {
        connection.flush()
        var text = ""
        while let bytes = try channel.readOutbound(as: ByteBuffer.self) {
            text += String(buffer: bytes)
        }
        return text
    }
}

/// What was logged, a line each with its metadata.
final class RecordedLog: Sendable {
    private let lines = Mutex<[String]>([])

    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    func all(with words: String) -> [String] {
        lines.withLock { $0.filter { $0.contains(words) } }
    }

    private struct Handler: LogHandler {
        let log: RecordedLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let more = (event.metadata ?? [:]).map { "\($0)=\($1)" }.sorted()
            log.lines.withLock {
                $0.append("\(event.message) \(more.joined(separator: " "))")
            }
        }
    }
}
