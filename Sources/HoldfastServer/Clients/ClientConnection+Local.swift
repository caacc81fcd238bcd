// What the node answers by itself: the connection's own commands, and questions about the node.

import Commands
import HoldfastWire
import NIOCore
import SessionMachine

extension ClientConnection {
    func answer(_ command: LocalCommand) {
        switch command {
        case .ping(let text):
            if let text { writer.bulk(text) } else { writer.status("PONG") }
        case .echo(let text): writer.bulk(text)
        case .hello(let hello): answer(hello)
        case .select(let number): select(number)
        case .client(let command): answer(command)
        case .quit:
            writer.status("OK")
            quit()
        case .reset:
            writer.version = .two
            name = []
            writer.status("RESET")
        case .info(let sections):
            writer.bulk(NodeInfo(reactor.node, port: port).text(sections))
        case .command(let question): CommandDescriptions.write(question, into: &writer)
        case .configGet(let patterns): answerConfiguration(patterns)
        case .role:
            writer.array(3)
            writer.bulk("master")
            writer.integer(0)
            writer.array(0)
        case .time:
            let now = WallClock.microseconds()
            writer.array(2)
            writer.bulk(String(now / 1_000_000))
            writer.bulk(String(now % 1_000_000))
        case .readMode: writer.status("OK")
        case .cluster(let question): answer(question)
        // Answered by the group, or already.
        case .members, .backup: break
        }
    }

    private func answer(_ hello: HelloRequest) {
        if hello.isVersionUnknown { return writer.error("NOPROTO unsupported protocol version") }
        if hello.wantsAuth {
            return writer.error(
                "ERR AUTH <password> called without any password configured for the default "
                    + "user. Are you sure your configuration is correct?"
            )
        }
        if let version = hello.version { writer.version = version }
        if let name = hello.name { self.name = name }
        writer.map(8)
        text("server", "redis")
        text("version", NodeInfo.redisVersion)
        text("holdfast", NodeInfo.version)
        writer.bulk("proto")
        writer.integer(Int64(writer.version.rawValue))
        writer.bulk("id")
        writer.integer(number)
        text("mode", port == .cluster ? "cluster" : "standalone")
        text("role", "master")
        writer.bulk("modules")
        writer.array(0)
    }

    private func text(_ name: String, _ value: String) {
        writer.bulk(name)
        writer.bulk(value)
    }

    /// Unique on this node.
    private var number: Int64 {
        Int64(clamping: id &* UInt64(reactor.node.reactorCount) &+ UInt64(reactor.index))
    }

    private func select(_ number: Int64) {
        if port == .cluster {
            writer.error("ERR SELECT is not allowed in cluster mode")
        } else if number == 0 {
            writer.status("OK")
        } else {
            writer.error("ERR DB index is out of range")
        }
    }

    private func answer(_ command: ClientCommand) {
        switch command {
        case .id: writer.integer(number)
        case .name: name.isEmpty ? writer.null() : writer.bulk(name)
        case .setName(let name):
            self.name = name
            writer.status("OK")
        case .accepted: writer.status("OK")
        case .info: writer.bulk(line + "\n")
        case .list:
            // Those of this reactor: enough for a pool that looks for itself.
            let all = reactor.connections.values.sorted { $0.id < $1.id }
            writer.bulk(all.map { $0.line + "\n" }.joined())
        }
    }

    private var line: String {
        let remote = channel.remoteAddress
        let address = "\(remote?.ipAddress ?? "?"):\(remote?.port ?? 0)"
        let name = String(decoding: name, as: UTF8.self)
        return "id=\(number) addr=\(address) name=\(name) db=0 resp=\(writer.version.rawValue)"
    }

    private func answerConfiguration(_ patterns: [GlobPattern]) {
        let limits = reactor.node.configuration.limits
        let values: [(String, String)] = [
            ("appendfsync", "always"), ("appendonly", "yes"),
            ("cluster-enabled", port == .cluster ? "yes" : "no"), ("databases", "1"),
            ("maxclients", String(limits.clientsMax)), ("maxmemory", String(limits.memoryBytesMax)),
            ("maxmemory-policy", "noeviction"), ("notify-keyspace-events", ""),
            ("proto-max-bulk-len", String(limits.valueBytesMax)), ("save", ""), ("timeout", "0"),
        ]
        let found = values.filter { value in
            patterns.contains { $0.matches(value.0.utf8) }
        }
        writer.map(found.count)
        for (name, value) in found { text(name, value) }
    }

    private func answer(_ question: ClusterQuestion) {
        guard port == .cluster else {
            return writer.error("ERR This instance has cluster support disabled")
        }
        let view = ClusterView(reactor.node)
        switch question {
        case .slots: view.writeSlots(into: &writer)
        case .shards: view.writeShards(into: &writer)
        case .nodes: writer.bulk(view.nodesText)
        case .info: writer.bulk(view.infoText)
        case .myID: writer.bulk(view.identifier(of: reactor.node.id))
        case .keySlot(let key): writer.integer(Int64(HashSlot.of(key)))
        }
    }
}
