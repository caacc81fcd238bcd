// Three nodes on the loopback, on ports that the kernel gave, in a directory of their own.

import Foundation
import HoldfastClient
import HoldfastServer
import Logging
import Testing

final class TestCluster {
    let directory: String
    let configuration: ClusterConfiguration
    private let configurationPath: String
    private var processes: [String: NodeProcess] = [:]

    init(nodeCount: Int = 3) throws {
        directory = NSTemporaryDirectory() + "holdfast-cluster-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory,
            withIntermediateDirectories: true
        )
        let ports = try Self.freePorts(nodeCount * 3)
        var yaml = """
            cluster-id: 11111111222233334444555555555555
            groups: 6
            reactors: 2
            nodes:

            """
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
        configurationPath = directory + "/cluster.yaml"
        try yaml.write(toFile: configurationPath, atomically: true, encoding: .utf8)
        configuration = try ClusterConfiguration(path: configurationPath)
        for node in configuration.nodes { processes[node.name] = NodeProcess() }
    }

    /// Runs `body` on a cluster that is up; every process is gone afterwards, whatever happens.
    static func with(
        nodeCount: Int = 3,
        _ body: (TestCluster) async throws -> Void
    ) async throws {
        let cluster = try TestCluster(nodeCount: nodeCount)
        defer { cluster.remove() }
        for name in cluster.names { try cluster.start(name) }
        try await cluster.waitUntilReady()
        try await body(cluster)
    }

    var names: [String] { configuration.nodes.map(\.name) }

    var seeds: [(host: String, port: Int)] {
        configuration.nodes.map { (host: $0.host, port: $0.clusterPort) }
    }

    func start(_ name: String) throws {
        try process(name).start(arguments(name), log: log(name))
    }

    /// What `holdfastd` is started with; the data directory is the third from the end.
    func arguments(_ name: String) -> [String] {
        [
            "--config", configurationPath, "--node", name, "--data", directory + "/" + name,
            "--log-level", "warning",
        ]
    }

    func crash(_ name: String) throws { try process(name).end(by: SIGKILL) }

    /// SIGTERM; the exit code.
    func terminate(_ name: String) throws -> Int32 { try process(name).end(by: SIGTERM) }

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
        for name in names {
            let text = try String(contentsOfFile: log(name), encoding: .utf8)
            words += "\(name): \(text.suffix(500))\n"
        }
        throw ProcessFailure(description: "not ready after \(seconds) s\n\(words)")
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

    private func remove() {
        for process in processes.values { process.end(by: SIGKILL) }
        do {
            try FileManager.default.removeItem(atPath: directory)
        } catch {
            print("left behind: \(directory): \(error)")
        }
    }

    /// Ports that nobody has now. All are held until all are known, so that none is given twice.
    private static func freePorts(_ count: Int) throws -> [Int] {
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        return try (0..<count).map { _ in
            let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            sockets.append(handle)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let result = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                    bind(handle, generic, length) | getsockname(handle, generic, &length)
                }
            }
            guard result == 0 else { throw ProcessFailure(description: "no free port") }
            return Int(UInt16(bigEndian: address.sin_port))
        }
    }
}
