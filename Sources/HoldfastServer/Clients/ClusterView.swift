// The cluster as Redis Cluster clients want to see it: one shard for each node that leads
// something, and no replicas. Clients send reads and writes to shards only, and none of ours may be
// read anywhere but at its leader.

import HoldfastWire
import RaftCore

struct ClusterView {
    private let node: NodeContext
    private let groups: [GroupStatus]
    private let members: [NodeConfiguration]
    /// Nodes that lead something, with their slots in ascending ranges.
    private let shards: [(node: NodeConfiguration, ranges: [ClosedRange<UInt16>])]

    init(_ node: NodeContext) {
        self.node = node
        groups = node.board.snapshot()
        members = node.members.members
        var ranges: [NodeID: [ClosedRange<UInt16>]] = [:]
        for (group, status) in groups.enumerated() {
            guard let leader = status.leader else { continue }
            let range = HashSlot.range(ofGroup: group, groupCount: groups.count)
            var own = ranges[leader] ?? []
            if let last = own.last, last.upperBound + 1 == range.lowerBound {
                own[own.count - 1] = last.lowerBound...range.upperBound
            } else {
                own.append(range)
            }
            ranges[leader] = own
        }
        shards = members.compactMap { member in ranges[member.id].map { (member, $0) } }
    }

    /// The 40 characters by which Redis clients know a node.
    func identifier(of id: NodeID) -> String {
        let cluster = node.configuration.cluster
        return [(cluster.high, 16), (cluster.low, 16), (id.rawValue & 0xffff_ffff, 8)]
            .map { word, width in
                let digits = String(word, radix: 16)
                return String(repeating: "0", count: width - digits.count) + digits
            }
            .joined()
    }

    func writeSlots(into writer: inout ReplyWriter) {
        writer.array(shards.reduce(0) { $0 + $1.ranges.count })
        for shard in shards {
            for range in shard.ranges {
                writer.array(3)
                writer.integer(Int64(range.lowerBound))
                writer.integer(Int64(range.upperBound))
                writer.array(4)
                writer.bulk(shard.node.host)
                writer.integer(Int64(shard.node.clusterPort))
                writer.bulk(identifier(of: shard.node.id))
                writer.array(0)
            }
        }
    }

    func writeShards(into writer: inout ReplyWriter) {
        writer.array(shards.count)
        for shard in shards {
            writer.map(2)
            writer.bulk("slots")
            writer.array(shard.ranges.count * 2)
            for range in shard.ranges {
                writer.integer(Int64(range.lowerBound))
                writer.integer(Int64(range.upperBound))
            }
            writer.bulk("nodes")
            writer.array(1)
            writer.map(7)
            let fields: [(String, String)] = [
                ("id", identifier(of: shard.node.id)), ("ip", shard.node.host),
                ("endpoint", shard.node.host), ("role", "master"), ("health", "online"),
            ]
            for (name, value) in fields {
                writer.bulk(name)
                writer.bulk(value)
            }
            writer.bulk("port")
            writer.integer(Int64(shard.node.clusterPort))
            writer.bulk("replication-offset")
            writer.integer(0)
        }
    }

    /// One line for each shard, and one for this node where it leads nothing.
    var nodesText: String {
        var lines = shards.map { shard in
            let slots = shard.ranges.map { "\($0.lowerBound)-\($0.upperBound)" }
            return line(shard.node) + " " + slots.joined(separator: " ")
        }
        if !shards.contains(where: { $0.node.id == node.id }) { lines.append(line(node.own)) }
        return lines.map { $0 + "\n" }.joined()
    }

    private func line(_ other: NodeConfiguration) -> String {
        let flags = other.id == node.id ? "myself,master" : "master"
        let address = "\(other.host):\(other.clusterPort)@\(other.peerPort)"
        return
            "\(identifier(of: other.id)) \(address) \(flags) - 0 0 \(other.id.rawValue) connected"
    }

    var infoText: String {
        let led = groups.indices.filter { groups[$0].leader != nil }
        let slots = led.reduce(0) {
            $0 + HashSlot.range(ofGroup: $1, groupCount: groups.count).count
        }
        let lines = [
            "cluster_enabled:1", "cluster_state:\(led.count == groups.count ? "ok" : "fail")",
            "cluster_slots_assigned:16384", "cluster_slots_ok:\(slots)",
            "cluster_slots_pfail:0", "cluster_slots_fail:\(HashSlot.count - slots)",
            "cluster_known_nodes:\(members.count)",
            "cluster_size:\(shards.count)",
            "cluster_current_epoch:\(groups.map(\.term.rawValue).max() ?? 0)",
            "cluster_my_epoch:\(node.id.rawValue)",
        ]
        return lines.map { $0 + "\r\n" }.joined()
    }
}
