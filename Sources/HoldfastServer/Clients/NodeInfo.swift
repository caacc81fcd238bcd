// INFO: the sections that Redis clients and monitors read, and one of ours with a line a group,
// from which `holdfast status` is made.

import Glibc
import RaftCore
import Replica
import Sealing
import SessionMachine

struct NodeInfo {
    /// What we behave as.
    static let redisVersion = "7.0.15"
    static let version = "0.1.0"

    private let node: NodeContext
    private let port: ClientPort
    private let groups: [GroupStatus]

    init(_ node: NodeContext, port: ClientPort) {
        self.node = node
        self.port = port
        groups = node.board.snapshot()
    }

    /// The sections asked for; all of them where none is named.
    func text(_ wanted: [String]) -> String {
        let sections: [(name: String, lines: [String])] = [
            ("Server", server), ("Clients", clients), ("Memory", memory),
            ("Persistence", persistence),
            ("Stats", stats), ("Replication", ["role:master", "connected_slaves:0"]),
            ("Cluster", ["cluster_enabled:\(port == .cluster ? 1 : 0)"]),
            ("Keyspace", keyspace), ("Holdfast", holdfast),
        ]
        let everything: Set<String> = ["all", "default", "everything"]
        let shown = sections.filter { section in
            wanted.isEmpty
                || wanted.contains { everything.contains($0) || $0 == section.name.lowercased() }
        }
        return
            shown
            .map { "# \($0.name)\r\n" + $0.lines.map { $0 + "\r\n" }.joined() }
            .joined(separator: "\r\n")
    }

    private var server: [String] {
        let uptime = WallClock.now().duration(since: node.startedAt).count / 1_000
        return [
            "redis_version:\(Self.redisVersion)", "holdfast_version:\(Self.version)",
            "redis_mode:\(port == .cluster ? "cluster" : "standalone")", "os:Linux",
            "process_id:\(getpid())",
            "tcp_port:\(port == .cluster ? node.own.clusterPort : node.own.standalonePort)",
            "uptime_in_seconds:\(uptime)",
        ]
    }

    private var disk: DiskCondition {
        if node.board.isDiskStalled { return .stalled }
        switch node.space.room {
        case .ample: return .ok
        case .low: return .low
        case .exhausted: return .full
        }
    }

    private var clients: [String] {
        let counts = node.board.clientCounts
        return [
            "connected_clients:\(counts.clients)",
            "maxclients:\(node.configuration.limits.clientsMax)",
        ]
    }

    private var memory: [String] {
        [
            "used_memory:\(node.board.memoryBytes)",
            "maxmemory:\(node.configuration.limits.memoryBytesMax)",
            "maxmemory_policy:noeviction",
        ]
    }

    private var persistence: [String] {
        let status = disk == .stalled || disk == .full ? "err" : "ok"
        return ["loading:0", "aof_enabled:1", "aof_last_write_status:\(status)"]
    }

    private var stats: [String] {
        let counts = node.board.clientCounts
        return [
            "total_connections_received:\(counts.accepted)",
            "rejected_connections:\(counts.refused)",
        ]
    }

    private var keyspace: [String] {
        let values = groups.filter { $0.role == .leader }.reduce(0) { $0 + $1.values }
        return values == 0 ? [] : ["db0:keys=\(values),expires=0,avg_ttl=0"]
    }

    private var keysInUse: String {
        guard let inUse = node.keys.inUse else { return "unknown" }
        return inUse.map { $0.map { "\($0)" } ?? "clear" }.sorted().joined(separator: ",")
    }

    private var holdfast: [String] {
        var lines = [
            "node:\(node.id.rawValue)", "name:\(node.own.name)", "groups:\(groups.count)",
            "led:\(groups.count { $0.role == .leader })",
            "disk:\(disk.rawValue)",
            "groups_repairing:\(groups.count { $0.isMute })",
            "sealing_key:\(node.keys.keys.current.map { "\($0)" } ?? "off")",
            "sealing_keys_in_use:\(keysInUse)",
            "disk_free_bytes:\(node.space.free.map(String.init) ?? "")",
            "sessions:\(groups.filter { $0.role == .leader }.reduce(0) { $0 + $1.sessions })",
        ]
        for (number, group) in groups.enumerated() {
            let members = group.membership.members.map { "\($0.id.rawValue)" }
            let matches = group.progress.map { "\($0.id.rawValue)=\($0.match.rawValue)" }
            lines.append(
                "group\(number):role=\(group.role),term=\(group.term.rawValue)"
                    + ",leader=\(group.leader?.rawValue ?? 0),commit=\(group.commit.rawValue)"
                    + ",applied=\(group.applied.rawValue),last=\(group.last.rawValue)"
                    + ",members=\(members.joined(separator: "/"))"
                    + (matches.isEmpty ? "" : ",match=\(matches.joined(separator: "/"))")
            )
        }
        return lines
    }
}
