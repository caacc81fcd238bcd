// YAML text to a cluster's configuration. Everything is checked here, before anything is started:
// a value that gets past this file is one that the server can run with.

import Commands
import RaftCore
import Sealing
import Yams

extension ClusterConfiguration {
    /// Reads the file at `path`.
    package init(path: String) throws(ConfigurationError) {
        let text: String
        do {
            text = try FileText.read(path, bytesMax: Self.fileBytesMax)
        } catch {
            throw ConfigurationError(file: path, problem: "cannot be read: \(error.reason)")
        }
        try self.init(yaml: text, file: path)
    }

    /// A cluster of seven nodes takes under 4 KiB; whoever names a log file here is told soon.
    private static let fileBytesMax = 1024 * 1024

    /// Reads the text of a configuration file; `file` is its name, for messages.
    package init(yaml: String, file: String) throws(ConfigurationError) {
        var top = try YAMLMapping(Self.compose(yaml, file), file: file, path: "")
        cluster = try Self.clusterID(&top)
        groupCount = try top.number("groups", in: 1...1_024) ?? 12
        reactors = try top.number("reactors", in: 1...256)
        timing = try Self.timing(&top)
        limits = try Self.limits(&top)
        reads = try Self.reads(&top)
        snapshot = try Self.snapshot(&top)
        space = try Self.space(&top)
        atRest = try Self.atRest(&top)
        nodes = try Self.nodes(&top)
        try top.finish()
    }

    private static func compose(_ yaml: String, _ file: String) throws(ConfigurationError) -> Node {
        do {
            if let node = try Yams.compose(yaml: yaml) { return node }
        } catch let error as YamlError {
            throw ConfigurationError(file: file, line: line(of: error), problem: problem(of: error))
        } catch {
            throw ConfigurationError(file: file, problem: "is not YAML: \(error)")
        }
        throw ConfigurationError(file: file, problem: "is empty")
    }

    private static func line(of error: YamlError) -> Int? {
        switch error {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _):
            mark.line
        case .duplicatedKeysInMapping(_, let context): context.mark.line
        case .no, .memory, .reader, .writer, .emitter, .representer, .dataCouldNotBeDecoded: nil
        }
    }

    private static func problem(of error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, _, _), .parser(_, let problem, _, _),
            .composer(_, let problem, _, _), .reader(let problem, _, _, _), .writer(let problem),
            .emitter(let problem), .representer(let problem):
            "is not YAML: \(problem)"
        case .duplicatedKeysInMapping(let duplicates, _):
            "'\(duplicates.joined(separator: "', '"))' stands here twice"
        case .no, .memory, .dataCouldNotBeDecoded: "is not YAML"
        }
    }

    /// 32 hexadecimal digits, with or without hyphens: the form of a UUID is welcome.
    private static func clusterID(_ top: inout YAMLMapping) throws(ConfigurationError) -> ClusterID
    {
        let text = try top.requiredText("cluster-id")
        let digits = text.filter { $0 != "-" }
        guard digits.utf8.count == 32, digits.allSatisfy(\.isHexDigit),
            let high = UInt64(digits.prefix(16), radix: 16),
            let low = UInt64(digits.suffix(16), radix: 16)
        else {
            throw top.error("cluster-id", "must be 32 hexadecimal digits (hyphens allowed)")
        }
        return ClusterID(high: high, low: low)
    }

    private static func timing(_ top: inout YAMLMapping) throws(ConfigurationError) -> Timing {
        var timing = Timing()
        guard var section = try top.mapping("timing") else { return timing }
        timing.tick = try section.duration("tick", in: 5...1_000) ?? timing.tick
        timing.heartbeat = try section.duration("heartbeat", in: 5...10_000) ?? timing.heartbeat
        timing.election = try section.duration("election", in: 20...60_000) ?? timing.election
        timing.parking = try section.duration("parking", in: 0...60_000) ?? timing.parking
        timing.commit = try section.duration("commit", in: 100...600_000) ?? timing.commit
        timing.handover = try section.duration("handover", in: 0...60_000) ?? timing.handover
        timing.diskStall =
            try section.duration("disk-stall", in: 100...600_000) ?? timing.diskStall
        timing.diskStop =
            try section.duration("disk-stop", in: 200...3_600_000)
            ?? max(timing.diskStop, 2 * timing.diskStall)
        try section.finish()
        guard timing.diskStop > timing.diskStall else {
            throw section.error("disk-stop", "must be longer than 'timing.disk-stall'")
        }
        guard timing.heartbeat >= timing.tick else {
            throw section.error("heartbeat", "must not be shorter than 'timing.tick'")
        }
        guard timing.election >= 3 * timing.heartbeat else {
            throw section.error("election", "must be at least three times 'timing.heartbeat'")
        }
        return timing
    }

    private static func limits(_ top: inout YAMLMapping) throws(ConfigurationError) -> ServerLimits
    {
        var limits = ServerLimits()
        guard var section = try top.mapping("limits") else { return limits }
        limits.valueBytesMax =
            try section.size("value-bytes", in: 1_024...4 * 1024 * 1024) ?? limits.valueBytesMax
        limits.clientsMax = try section.number("clients", in: 1...1_000_000) ?? limits.clientsMax
        limits.requestsPerClientMax =
            try section.number("requests-per-client", in: 1...65_536) ?? limits.requestsPerClientMax
        let memoryMax = 1 << 50
        limits.memoryBytesMax =
            try section.size("max-memory", in: 1024 * 1024...memoryMax) ?? limits.memoryBytesMax
        try section.finish()
        return limits
    }

    private static func reads(_ top: inout YAMLMapping) throws(ConfigurationError) -> Reads {
        let rule = try top.text("reads") ?? "quorum"
        let drift = try top.permille("max-clock-drift", in: 1...100)
        switch rule {
        case "quorum":
            guard drift == nil else {
                throw top.error("max-clock-drift", "is for 'reads: lease' only")
            }
            return .quorum
        case "lease": return .lease(maxClockDriftPermille: drift ?? 10)
        default: throw top.error("reads", "must be 'quorum' or 'lease', not '\(rule)'")
        }
    }

    private static func snapshot(
        _ top: inout YAMLMapping
    ) throws(ConfigurationError) -> SnapshotSettings {
        var snapshot = SnapshotSettings()
        guard var section = try top.mapping("snapshot") else { return snapshot }
        snapshot.entries =
            try section.number("entries", in: 10...1_000_000_000) ?? snapshot.entries
        snapshot.bytes =
            try section.size("bytes", in: 1_024...4 * 1024 * 1024 * 1024) ?? snapshot.bytes
        snapshot.trailing =
            try section.number("trailing", in: 0...1_000_000) ?? snapshot.trailing
        try section.finish()
        return snapshot
    }

    private static func space(
        _ top: inout YAMLMapping
    ) throws(ConfigurationError) -> SpaceWatch.Marks {
        let mebibyte = 1024 * 1024
        // A log and a snapshot of a small group.
        var low = 256 * mebibyte
        // A store of 20 MiB at most, and a checkpoint of 16 MiB, seldom both.
        var reserve = 32 * mebibyte
        // What the write-ahead log takes at most.
        var ballast = 64 * mebibyte
        if var section = try top.mapping("disk") {
            let sizes = 0...1024 * 1024 * mebibyte
            low = try section.size("low", in: mebibyte...sizes.upperBound) ?? low
            reserve =
                try section.size("reserve", in: 64 * 1024...sizes.upperBound)
                ?? min(reserve, low / 2)
            ballast = try section.size("ballast", in: sizes) ?? ballast
            try section.finish()
            guard reserve < low else {
                throw section.error("reserve", "must be less than 'disk.low'")
            }
        }
        return SpaceWatch.Marks(
            low: UInt64(low),
            reserve: UInt64(reserve),
            ballast: UInt64(ballast)
        )
    }

    private static func atRest(_ top: inout YAMLMapping) throws(ConfigurationError) -> AtRest {
        guard var section = try top.mapping("at-rest") else {
            throw top.error("at-rest", "is missing. \(howToSeal)")
        }
        let isSealing = try section.text("encryption") ?? "on"
        let file = try section.text("keys-file")
        let command = try section.words("keys-command")
        try section.finish()
        guard ["on", "off"].contains(isSealing) else {
            throw section.error("encryption", "must be 'on' or 'off', not '\(isSealing)'")
        }
        let source: KeySource?
        switch (file, command) {
        case (_?, _?):
            throw section.error("keys-command", "and 'at-rest.keys-file' exclude each other")
        case (let file?, nil): source = .file(Self.path(file, beside: section.file))
        case (nil, let command?): source = .command(command)
        case (nil, nil):
            guard isSealing == "off" else {
                throw top.error("at-rest", "names no keys. \(howToSeal)")
            }
            source = nil
        }
        return AtRest(source: source, seals: isSealing == "on")
    }

    /// A path that is not absolute counts from the directory of the configuration file.
    private static func path(_ path: String, beside file: String) -> String {
        guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
        return file[...slash] + path
    }

    private static let howToSeal =
        "Make a file of keys with 'holdfast keys new FILE' and name it as 'keys-file' under "
        + "'at-rest'; or say 'encryption: off' there, and whoever gets hold of a disk reads the "
        + "sessions"

    private static func nodes(
        _ top: inout YAMLMapping
    ) throws(ConfigurationError) -> [NodeConfiguration] {
        var nodes: [NodeConfiguration] = []
        var addresses: [String: String] = [:]
        let items = try top.mappings("nodes")
        guard items.count <= 7 else { throw top.error("nodes", "must be at most 7") }
        for var item in items {
            let node = try node(&item)
            guard !nodes.contains(where: { $0.id == node.id }) else {
                throw item.error("id", "\(node.id.rawValue) is used by two nodes")
            }
            guard !nodes.contains(where: { $0.name == node.name }) else {
                throw item.error("name", "'\(node.name)' is used by two nodes")
            }
            let ports = [
                ("cluster-port", node.clusterPort), ("standalone-port", node.standalonePort),
                ("peer-port", node.peerPort),
            ]
            for (key, port) in ports {
                let address = "\(node.host):\(port)"
                if let other = addresses.updateValue("\(node.name) \(key)", forKey: address) {
                    throw item.error(key, "\(address) is also \(other)")
                }
            }
            nodes.append(node)
        }
        return nodes.sorted { $0.id < $1.id }
    }

    private static func node(
        _ item: inout YAMLMapping
    ) throws(ConfigurationError) -> NodeConfiguration {
        let ports = 1...65_535
        let node = NodeConfiguration(
            name: try item.requiredWord("name"),
            id: NodeID(
                UInt64(try item.requiredNumber("id", in: 1...RequestBounds.nodeIDMax))
            ),
            host: try item.requiredWord("host"),
            clusterPort: try item.requiredNumber("cluster-port", in: ports),
            standalonePort: try item.requiredNumber("standalone-port", in: ports),
            peerPort: try item.requiredNumber("peer-port", in: ports),
            dataDirectory: try item.text("data")
        )
        try item.finish()
        return node
    }
}
