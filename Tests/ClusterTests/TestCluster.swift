// Three nodes on the loopback, on ports of their own, in a directory of their own.

import Foundation
import Glibc
import HoldfastClient
import HoldfastServer
import Logging
import Sealing
import Synchronization
import Testing

final class TestCluster {
    let directory: String
    /// The nodes with which it starts.
    let configuration: ClusterConfiguration
    /// Those, and nodes that may be added.
    private(set) var grown: ClusterConfiguration
    let configurationPath: String
    /// What the files of its nodes are sealed with, unless the settings say otherwise.
    let keysPath: String
    let grownPath: String
    private var processes: [String: NodeProcess] = [:]
    private let ports: [UInt16]

    /// What a disk must have free: little, for many clusters share one.
    static let disk = "disk: {low: 16MiB, reserve: 8MiB, ballast: 1MiB}"

    static let atRest = "at-rest: {keys-file: keys}"

    /// `settings` are lines of the configuration.
    init(
        nodeCount: Int = 3,
        spareCount: Int = 0,
        groupCount: Int = 6,
        disk: String = TestCluster.disk,
        settings: [String] = []
    ) throws {
        directory = NSTemporaryDirectory() + "holdfast-cluster-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory,
            withIntermediateDirectories: true
        )
        let ports = try Self.freePorts((nodeCount + spareCount) * 3)
        self.ports = ports.map { UInt16($0) }
        configurationPath = directory + "/cluster.yaml"
        grownPath = directory + "/grown.yaml"
        keysPath = directory + "/keys"
        try KeyFile.write(KeyRing(active: .now), to: keysPath)
        let atRest = settings.contains { $0.hasPrefix("at-rest:") } ? [] : [Self.atRest]
        for (path, count) in [
            (configurationPath, nodeCount), (grownPath, nodeCount + spareCount),
        ] {
            let lines = ["groups: \(groupCount)", disk] + atRest + settings
            let yaml = Self.yaml(lines, nodeCount: count, ports)
            try yaml.write(toFile: path, atomically: true, encoding: .utf8)
        }
        configuration = try ClusterConfiguration(path: configurationPath)
        grown = try ClusterConfiguration(path: grownPath)
        for node in grown.nodes { processes[node.name] = NodeProcess() }
    }

    private static func yaml(_ settings: [String], nodeCount: Int, _ ports: [Int]) -> String {
        var yaml = """
            cluster-id: 11111111222233334444555555555555
            reactors: 2

            """
        for line in settings { yaml += line + "\n" }
        yaml += "nodes:\n"
        for node in 1...nodeCount {
            let own = ports[(node - 1) * 3..<node * 3].map(String.init)
            yaml += """
                  - name: n\(node)
                    id: \(node)
                    host: 127.0.0.1
                    cluster-port: \(own[0])
                    standalone-port: \(own[1])
                    peer-port: \(own[2])

                """
        }
        return yaml
    }

    /// Writes another word into the configuration: for the starts that follow.
    func reconfigure(_ old: String, _ new: String) throws {
        let yaml = try String(contentsOfFile: configurationPath, encoding: .utf8)
        guard yaml.contains(old) else {
            throw ProcessFailure(description: "the configuration has no '\(old)'")
        }
        try yaml.replacing(old, with: new)
            .write(toFile: configurationPath, atomically: true, encoding: .utf8)
    }

    /// Writes the grown configuration anew, with another node in the place and at the addresses of
    /// one.
    func putInPlace(of old: String, _ name: String, id: Int) throws {
        let yaml = try String(contentsOfFile: grownPath, encoding: .utf8)
        let node = try #require(grown.node(named: old))
        try yaml.replacing("name: \(old)\n", with: "name: \(name)\n")
            .replacing(" id: \(node.number)\n", with: " id: \(id)\n")
            .write(toFile: grownPath, atomically: true, encoding: .utf8)
        grown = try ClusterConfiguration(path: grownPath)
        processes[name] = NodeProcess()
    }

    /// Runs `body` on a cluster that is up, when there is a permit for one; every process is gone
    /// afterwards, whatever happens.
    static func with(
        nodeCount: Int = 3,
        spareCount: Int = 0,
        groupCount: Int = 6,
        settings: [String] = [],
        _ body: (TestCluster) async throws -> Void
    ) async throws {
        try await ClusterPermits.shared.hold {
            let cluster = try TestCluster(
                nodeCount: nodeCount,
                spareCount: spareCount,
                groupCount: groupCount,
                settings: settings
            )
            defer { cluster.remove() }
            for name in cluster.names { try cluster.start(name) }
            try await cluster.waitUntilReady()
            try await body(cluster)
        }
    }

    /// The same with a client of all its nodes.
    static func withClient(
        nodeCount: Int = 3,
        spareCount: Int = 0,
        settings: [String] = [],
        _ body: (TestCluster, HoldfastClient) async throws -> Void
    ) async throws {
        try await with(
            nodeCount: nodeCount,
            spareCount: spareCount,
            settings: settings
        ) { cluster in
            try await HoldfastClient.withClient(
                configuration: .init(seeds: cluster.seeds),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ) { client in try await body(cluster, client) }
        }
    }

    var names: [String] { configuration.nodes.map(\.name) }

    /// Of all nodes, spare ones included.
    var seeds: [(host: String, port: Int)] {
        grown.nodes.map { (host: $0.host, port: $0.clusterPort) }
    }

    func start(_ name: String, environment: [String: String] = [:]) throws {
        try process(name).start(arguments(name), log: log(name), environment: environment)
    }

    /// Starts a node that is to be added, and waits until it can be asked.
    func startJoining(
        _ name: String,
        flags: [String] = ["--join"],
        knowing configuration: String? = nil
    ) async throws {
        var arguments = arguments(name)
        arguments[1] = configuration ?? grownPath
        try process(name).start(flags + arguments, log: log(name))
        let node = try #require(grown.node(named: name))
        for _ in 0..<100 {
            if (try? await NodeProbe.ask(node, ["PING"])) != nil { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw ProcessFailure(description: "\(name) cannot be asked\n\(try lastWords(of: name))")
    }

    /// A configuration that names no node but this one; its path.
    func configuration(ofAlone name: String) throws -> String {
        let node = try #require(grown.node(named: name))
        let yaml = try String(contentsOfFile: grownPath, encoding: .utf8)
        let parts = yaml.components(separatedBy: "  - name: ")
        let own = try #require(parts.first { $0.hasPrefix(node.name + "\n") })
        let path = directory + "/\(name)-alone.yaml"
        try (parts[0] + "  - name: " + own).write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// What `holdfastd` is started with; the data directory is the third from the end.
    func arguments(_ name: String) -> [String] {
        [
            "--config", configurationPath, "--node", name, "--data", data(name), "--log-level",
            "notice",
        ]
    }

    func data(_ name: String) -> String { directory + "/" + name }

    /// Runs `holdfast members` to its end; its exit code and what it said.
    func members(_ arguments: [String]) throws -> (code: Int32, text: String) {
        try holdfast(["members"] + arguments + ["--config", grownPath])
    }

    /// Runs `holdfast` to its end; its exit code and what it said.
    func holdfast(_ arguments: [String]) throws -> (code: Int32, text: String) {
        let output = directory + "/holdfast-\(UUID().uuidString).out"
        let process = NodeProcess()
        try process.start(arguments, log: output, program: "holdfast")
        let code = process.wait()
        return (code, try String(contentsOfFile: output, encoding: .utf8))
    }

    /// What a node has said since it was first started.
    func words(_ name: String) throws -> String {
        try String(contentsOfFile: log(name), encoding: .utf8)
    }

    func port(of name: String) throws -> Int {
        try #require(configuration.node(named: name)).standalonePort
    }

    /// Waits until something is true.
    func wait(seconds: Int = 20, _ isTrue: () async throws -> Bool) async throws {
        for _ in 0..<seconds * 10 {
            if try await isTrue() { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw ProcessFailure(description: "not so after \(seconds) s")
    }

    /// Waits until a node has said something.
    func wait(for words: String, from name: String, seconds: Int = 20) async throws {
        for _ in 0..<seconds * 10 {
            if try self.words(name).contains(words) { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw ProcessFailure(description: "\(name) did not say '\(words)'")
    }

    /// SIGKILL; -9, or the exit code where the node had ended before.
    @discardableResult
    func crash(_ name: String) throws -> Int32 { try process(name).end(by: SIGKILL) }

    /// SIGTERM; the exit code.
    func terminate(_ name: String) throws -> Int32 { try process(name).end(by: SIGTERM) }

    /// The exit code of a node that has ended by itself; nil where it runs.
    func ended(_ name: String) throws -> Int32? { try process(name).ended() }

    /// Waits until a node has ended by itself; its exit code.
    func wait(_ name: String) throws -> Int32 { try process(name).wait() }

    /// Stops a node, and waits until none of its threads runs any more: a signal takes its time.
    func freeze(_ name: String) throws {
        try signal(name, SIGSTOP)
        let tasks = "/proc/\(try process(name).pid)/task"
        for _ in 0..<10_000 {
            let threads = try FileManager.default.contentsOfDirectory(atPath: tasks)
            let areStopped = try threads.allSatisfy { thread in
                let path = "\(tasks)/\(thread)/stat"
                let text = try String(contentsOfFile: path, encoding: .utf8)
                // The state follows the name, which stands in brackets.
                return text.split(separator: ")").last?.hasPrefix(" T") == true
            }
            if areStopped { return }
            usleep(100)
        }
        throw ProcessFailure(description: "\(name) does not stop")
    }

    func signal(_ name: String, _ number: Int32) throws { try process(name).signal(number) }

    /// Memory of a node's process that is in RAM.
    func residentBytes(_ name: String) throws -> Int {
        let path = "/proc/\(try process(name).pid)/statm"
        let fields = try String(contentsOfFile: path, encoding: .utf8).split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else {
            throw ProcessFailure(description: "\(path) is not as expected")
        }
        return pages * Int(getpagesize())
    }

    func log(_ name: String) -> String { directory + "/" + name + ".log" }

    private func process(_ name: String) throws -> NodeProcess {
        try #require(processes[name])
    }

    /// Waits until every group has a leader that every node knows.
    func waitUntilReady(seconds: Int = 30) async throws {
        for _ in 0..<seconds * 10 {
            if await ClusterStatus.ask(configuration).isReady { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        var words = ""
        for name in names { words += try lastWords(of: name) }
        throw ProcessFailure(description: "not ready after \(seconds) s\n\(words)")
    }

    private func lastWords(of name: String) throws -> String {
        "\(name): \(try words(name).suffix(500))\n"
    }

    /// The node that leads a key.
    func leader(of key: String) async throws -> String {
        for _ in 0..<100 {
            let status = await ClusterStatus.ask(configuration)
            if let leader = status.leader(of: status.group(of: key)) { return leader.name }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw ProcessFailure(description: "nobody leads \(key)")
    }

    /// Ends every process, and removes what they wrote.
    func remove() {
        for process in processes.values { process.end(by: SIGKILL) }
        Self.given.withLock { $0.subtract(ports) }
        do {
            try FileManager.default.removeItem(atPath: directory)
        } catch {
            print("left behind: \(directory): \(error)")
        }
    }

    /// What clusters of this process have, and let go while a node of theirs is down.
    private static let given = Mutex<Set<UInt16>>([])

    /// Ports that nobody has now. All are held until all are known, so that none is given twice;
    /// and they lie below those that Linux gives to connections that go out, of which one would
    /// sooner or later take the port of a node that is down.
    private static func freePorts(_ count: Int) throws -> [Int] {
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        var ports: [Int] = []
        for _ in 0..<1_000 where ports.count < count {
            // No node that is started meanwhile may inherit it, and hold the port while it lives.
            let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            sockets.append(handle)
            let port = UInt16.random(in: 10_000..<32_000)
            // First: a node that is down must not find its port held, for however short a time.
            if given.withLock({ $0.insert(port).inserted }), bind(handle, port) {
                ports.append(Int(port))
            }
        }
        guard ports.count == count else { throw ProcessFailure(description: "no free ports") }
        return ports
    }

    private static func bind(_ handle: Int32, _ port: UInt16) -> Bool {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                Glibc.bind(handle, generic, length) == 0
            }
        }
    }
}
