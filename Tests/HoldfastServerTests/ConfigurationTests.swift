import RaftCore
import Sealing
import Testing

@testable import HoldfastServer

private let good = """
    cluster-id: 7d3a5c52-93d1-4f0e-9b7e-52d0c1a4a003
    groups: 8
    reactors: 2
    timing:
      tick: 20ms
      heartbeat: 40ms
      election: 1s
    limits:
      value-bytes: 64KiB
    at-rest:
      keys-file: keys
    nodes:
      - name: n2
        id: 2
        host: 127.0.0.1
        cluster-port: 7102
        standalone-port: 7202
        peer-port: 7302
        data: /var/lib/holdfast
      - name: n1
        id: 1
        host: 127.0.0.1
        cluster-port: 7101
        standalone-port: 7201
        peer-port: 7301
    """

/// The message for `good` with one text replaced by another.
private func complaint(_ old: String, _ new: String) -> String? {
    guard let range = good.firstRange(of: old) else { return "the test replaces nothing" }
    var text = good
    text.replaceSubrange(range, with: new)
    do {
        _ = try ClusterConfiguration(yaml: text, file: "c.yaml")
        return nil
    } catch {
        return error.description
    }
}

@Suite("Configuration files")
struct ConfigurationTests {
    @Test("a whole file is read, its nodes by id")
    func whole() throws {
        let configuration = try ClusterConfiguration(yaml: good, file: "c.yaml")
        #expect(
            configuration.cluster
                == ClusterID(high: 0x7d3a_5c52_93d1_4f0e, low: 0x9b7e_52d0_c1a4_a003)
        )
        #expect(configuration.groupCount == 8)
        #expect(configuration.reactors == 2)
        #expect(configuration.nodes.map(\.name) == ["n1", "n2"])
        #expect(configuration.timing.electionTicks == 50)
        #expect(configuration.timing.heartbeatTicks == 2)
        #expect(configuration.limits.valueBytesMax == 65_536)
        #expect(configuration.node(named: "n2")?.dataDirectory == "/var/lib/holdfast")
        #expect(configuration.node(NodeID(1))?.peerPort == 7301)
    }

    @Test(
        "each mistake is told with its line and what is allowed",
        arguments: [
            (
                "groups: 8", "groups: 0",
                "c.yaml:2: 'groups' must be a whole number from 1 to 1024, not '0'"
            ),
            (
                "groups: 8", "groups: many",
                "c.yaml:2: 'groups' must be a whole number from 1 to 1024, not 'many'"
            ),
            (
                "groups: 8", "group: 8",
                "c.yaml:2: 'group' is not known; allowed here: at-rest, cluster-id, disk, groups, "
                    + "limits, max-clock-drift, nodes, reactors, reads, snapshot, timing"
            ),
            (
                "tick: 20ms", "tick: 20",
                "c.yaml:5: 'timing.tick' must be a time from 5ms to 1000ms, as '50ms' or '5s'"
            ),
            (
                "tick: 20ms", "tock: 20ms",
                "c.yaml:5: 'timing.tock' is not known; allowed here: commit, disk-stall, "
                    + "disk-stop, election, handover, heartbeat, parking, tick"
            ),
            (
                "election: 1s", "election: 50ms",
                "c.yaml:7: 'timing.election' must be at least three times 'timing.heartbeat'"
            ),
            (
                "heartbeat: 40ms", "heartbeat: 10ms",
                "c.yaml:6: 'timing.heartbeat' must not be shorter than 'timing.tick'"
            ),
            (
                "64KiB", "9999999MiB",
                "c.yaml:9: 'limits.value-bytes' must be a size from 1024 to 4194304 "
                    + "bytes, as '65536', '64KiB', '1MiB' or '4GiB'"
            ),
            (
                "value-bytes: 64KiB", "max-memory: 64KiB",
                "c.yaml:9: 'limits.max-memory' must be a size from 1048576 to 1125899906842624 "
                    + "bytes, as '65536', '64KiB', '1MiB' or '4GiB'"
            ),
            ("id: 1\n", "id: 2\n", "c.yaml:21: 'nodes[1].id' 2 is used by two nodes"),
            ("name: n1", "name: n2", "c.yaml:20: 'nodes[1].name' 'n2' is used by two nodes"),
            (
                "peer-port: 7301", "peer-port: 7102",
                "c.yaml:25: 'nodes[1].peer-port' 127.0.0.1:7102 is also n2 cluster-port"
            ),
            (
                "peer-port: 7301", "peer-port: 70000",
                "c.yaml:25: 'nodes[1].peer-port' must be a whole number from 1 to "
                    + "65535, not '70000'"
            ),
            (
                "7d3a5c52-", "7d3a5c5-",
                "c.yaml:1: 'cluster-id' must be 32 hexadecimal digits (hyphens allowed)"
            ),
            ("reactors: 2", "groups: 2", "c.yaml:2: 'groups' stands here twice"),
            (
                "host: 127.0.0.1", "host: [1]",
                "c.yaml:15: 'nodes[0].host' must be a text that is not empty"
            ),
            (
                "host: 127.0.0.1", "host: my host",
                "c.yaml:15: 'nodes[0].host' must be one word of at most 255 bytes"
            ),
            (
                "groups: 8", "groups: 8\nreads: stale",
                "c.yaml:3: 'reads' must be 'quorum' or 'lease', not 'stale'"
            ),
            (
                "groups: 8", "max-clock-drift: 1%",
                "c.yaml:2: 'max-clock-drift' is for 'reads: lease' only"
            ),
            (
                "groups: 8", "reads: lease\nmax-clock-drift: 0.05%",
                "c.yaml:3: 'max-clock-drift' must be a share from 0.1% to 10.0%, as '1%' or "
                    + "'0.5%'"
            ),
            (
                "groups: 8", "reads: lease\nmax-clock-drift: 11%",
                "c.yaml:3: 'max-clock-drift' must be a share from 0.1% to 10.0%, as '1%' or "
                    + "'0.5%'"
            ),
            (
                "groups: 8", "snapshot: {entries: 9}",
                "c.yaml:2: 'snapshot.entries' must be a whole number from 10 to 1000000000, not "
                    + "'9'"
            ),
            (
                "groups: 8", "disk: {low: 64MiB, reserve: 64MiB}",
                "c.yaml:2: 'disk.reserve' must be less than 'disk.low'"
            ),
            (
                "groups: 8", "disk: {high: 1MiB}",
                "c.yaml:2: 'disk.high' is not known; allowed here: ballast, low, reserve"
            ),
            (
                "groups: 8", "snapshot: {every: 9}",
                "c.yaml:2: 'snapshot.every' is not known; allowed here: bytes, entries, trailing"
            ),
            (
                "tick: 20ms", "disk-stop: 3s",
                "c.yaml:5: 'timing.disk-stop' must be longer than 'timing.disk-stall'"
            ),
            (
                "tick: 20ms", "disk-stall: 50ms",
                "c.yaml:5: 'timing.disk-stall' must be a time from 100ms to 600000ms, as '50ms' "
                    + "or '5s'"
            ),
        ]
    )
    func mistakes(old: String, new: String, message: String) {
        #expect(complaint(old, new) == message)
    }

    private func configuration(adding text: String) throws -> ClusterConfiguration {
        try ClusterConfiguration(yaml: good + "\n" + text, file: "c.yaml")
    }

    @Test("reads ask a quorum unless the file says lease, with one percent of clock drift")
    func reads() throws {
        #expect(try configuration(adding: "").reads == .quorum)
        #expect(try configuration(adding: "reads: quorum").reads == .quorum)
        #expect(
            try configuration(adding: "reads: lease").reads == .lease(maxClockDriftPermille: 10)
        )
        for (text, permille) in [("0.1%", 1), ("2%", 20), ("2.5%", 25), ("10.0%", 100)] {
            let lease = "reads: lease\nmax-clock-drift: \(text)"
            #expect(
                try configuration(adding: lease).reads == .lease(maxClockDriftPermille: permille)
            )
        }
        for text in ["1", "%", "1.25%", "-1%", ".%", "1.%", "1.-%", "a%"] {
            #expect(throws: ConfigurationError.self, "\(text)") {
                try configuration(adding: "reads: lease\nmax-clock-drift: \(text)")
            }
        }
    }

    @Test("snapshots and the patience with a disk have defaults, and can be set")
    func snapshots() throws {
        let usual = try configuration(adding: "")
        #expect(usual.snapshot.entries == 100_000)
        #expect(usual.snapshot.bytes == 64 << 20)
        #expect(usual.snapshot.trailing == 4_096)
        #expect(usual.timing.diskStallTicks == 150)
        #expect(usual.timing.diskStopTicks == 1_500)
        let own = try configuration(adding: "snapshot: {entries: 50, bytes: 8MiB, trailing: 0}")
        #expect(own.snapshot.entries == 50)
        #expect(own.snapshot.bytes == 8 << 20)
        #expect(own.snapshot.trailing == 0)
    }

    @Test("how much of a disk must be free has defaults, and can be set")
    func space() throws {
        let usual = try configuration(adding: "").space
        #expect(usual == SpaceWatch.Marks(low: 256 << 20, reserve: 32 << 20, ballast: 64 << 20))
        // Its reserve is of what is left.
        let small = try configuration(adding: "disk: {low: 8MiB, ballast: 0}").space
        #expect(small == SpaceWatch.Marks(low: 8 << 20, reserve: 4 << 20, ballast: 0))
        let own = try configuration(adding: "disk: {low: 8MiB, reserve: 64KiB, ballast: 1MiB}")
        #expect(own.space == SpaceWatch.Marks(low: 8 << 20, reserve: 64 << 10, ballast: 1 << 20))
    }

    @Test("encryption at rest is configured, or refused in so many words")
    func atRest() throws {
        func atRest(_ text: String, _ file: String = "c.yaml") throws -> AtRest {
            try ClusterConfiguration(
                yaml: good.replacing("keys-file: keys", with: text),
                file: file
            ).atRest
        }
        #expect(try atRest("keys-file: k") == AtRest(source: .file("k"), seals: true))
        #expect(try atRest("keys-file: k", "/a/c.yaml").source == .file("/a/k"))
        #expect(try atRest("keys-file: /b/k", "/a/c.yaml").source == .file("/b/k"))
        #expect(
            try atRest("keys-command: [vault, 'read it', '']").source
                == .command(["vault", "read it", ""])
        )
        #expect(try atRest("encryption: off") == AtRest(source: nil, seals: false))
        #expect(try atRest("{encryption: off, keys-file: k}").seals == false)
        #expect(
            complaint("keys-file: keys", "encryption: on")?.contains("names no keys") == true
        )
        #expect(
            complaint("at-rest:\n  keys-file: keys\n", "")?
                .hasPrefix("c.yaml:1: 'at-rest' is missing. Make a file of keys") == true
        )
        #expect(
            complaint("keys-file: keys", "{keys-file: k, keys-command: [a]}")?
                .contains("exclude each other") == true
        )
        for words in ["keys-command: vault", "keys-command: []", "keys-command: [[a]]"] {
            #expect(complaint("keys-file: keys", words)?.contains("must be a list") == true)
        }
        #expect(complaint("keys-file: keys", "encryption: maybe")?.contains("'on' or") == true)
    }

    @Test("the promise behind a lease is the election timeout, in nanoseconds")
    func promise() throws {
        #expect(try configuration(adding: "").timing.promise == 1_000_000_000)
    }

    @Test("what is no YAML, empty, or without nodes says so")
    func unreadable() {
        #expect(complaint(good, "") == "c.yaml: is empty")
        #expect(complaint(good, "- a\n- b") == "c.yaml:1: the file must hold keys and values")
        #expect(complaint(good, "a: [")?.hasPrefix("c.yaml:") == true)
        let alone = """
            cluster-id: 7d3a5c52-93d1-4f0e-9b7e-52d0c1a4a003
            at-rest: {encryption: off}
            """
        #expect(
            complaint(good, alone) == "c.yaml:1: 'nodes' must be a list with an item for each node"
        )
    }
}
