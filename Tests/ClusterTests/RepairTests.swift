// A node of a running cluster loses a part of its log, in each way in which it can, and comes back:
// it says so, gets from the others what it lacks, and votes again; nothing acknowledged is lost.
// Where a majority has lost its log, the cluster serves nothing instead of less.

import Foundation
import HoldfastServer
import Testing

@Suite("A log that is repaired from the others", .serialized)
struct RepairTests {
    private static let settings = ["snapshot: {entries: 200, trailing: 50}"]

    private enum Loss: CaseIterable {
        case noWriteAheadLog, flippedRow, noJournal, olderJournal
    }

    private func write(_ keys: Range<Int>, _ cluster: TestCluster) async throws {
        let client = try RawClient(port: cluster.port(of: "n1"))
        for number in keys {
            client.send(command: ["SET", "key-\(number)", "\(number)"])
            #expect(client.line() == "+OK")
        }
    }

    private func expect(_ keys: Range<Int>, _ cluster: TestCluster, at name: String) throws {
        let client = try RawClient(port: cluster.port(of: name))
        for number in keys {
            client.send(command: ["GET", "key-\(number)"])
            #expect(client.bulk() == "\(number)", "key-\(number) at \(name)")
        }
    }

    private func lose(_ loss: Loss, _ path: String, old: Data) throws {
        let files = FileManager.default
        let log = URL(fileURLWithPath: path + "/log.db-wal")
        switch loss {
        case .noWriteAheadLog: try files.removeItem(at: log)
        case .flippedRow:
            var bytes = try Data(contentsOf: log)
            bytes[bytes.count / 3] ^= 8
            try bytes.write(to: log)
        case .noJournal: try files.removeItem(atPath: path + "/log.db")
        case .olderJournal: try old.write(to: log)
        }
    }

    private func waitForRepair(_ name: String, _ cluster: TestCluster) async throws {
        try await cluster.wait {
            let status = await ClusterStatus.ask(cluster.configuration)
            guard status.isReady else { return false }
            return status.nodes.first { $0.name == name }?.repairing == 0
        }
    }

    @Test("each kind of loss: noticed, repaired, and nothing is missing")
    func losses() async throws {
        try await TestCluster.with(settings: Self.settings) { cluster in
            let victim = "n2"
            let path = cluster.data(victim)
            var written = 0
            for (round, loss) in Loss.allCases.enumerated() {
                try await write(written..<written + 300, cluster)
                let old = try Data(contentsOf: URL(fileURLWithPath: path + "/log.db-wal"))
                try await write(written + 300..<written + 400, cluster)
                written += 400
                try cluster.crash(victim)
                try lose(loss, path, old: old)
                try cluster.start(victim)
                try await waitForRepair(victim, cluster)
                let words = try cluster.words(victim)
                let notices = words.components(separatedBy: "the log is damaged").count - 1
                #expect(notices == round + 1, "\(loss): \(words.suffix(2_000))")
                let names = try FileManager.default.contentsOfDirectory(atPath: path)
                #expect(names.contains("damaged-\(round + 1)"))
                // It has what it lost: with another node away it is needed.
                try cluster.crash("n3")
                try await cluster.wait {
                    let client = try RawClient(port: cluster.port(of: "n1"))
                    client.send(command: ["SET", "probe", "\(round)"])
                    return client.line() == "+OK"
                }
                try expect(0..<written, cluster, at: victim)
                try cluster.start("n3")
                try await cluster.waitUntilReady()
            }
            #expect(written == 1_600)
        }
    }

    @Test("an old image of the whole directory: the leaders remember, and nothing is missing")
    func oldImage() async throws {
        try await TestCluster.with(settings: Self.settings) { cluster in
            let victim = "n2"
            let path = cluster.data(victim)
            let files = FileManager.default
            try await write(0..<150, cluster)
            try cluster.crash(victim)
            try files.copyItem(atPath: path, toPath: path + ".image")
            try cluster.start(victim)
            try await cluster.waitUntilReady()
            try await write(150..<400, cluster)
            // Its own groups go to the others, who then know nothing of it.
            try cluster.crash(victim)
            try files.moveItem(atPath: path, toPath: path + ".newer")
            try files.moveItem(atPath: path + ".image", toPath: path)
            try cluster.start(victim)
            let notice = "the disk holds less than this node has acknowledged"
            try await cluster.wait(for: notice, from: victim)
            try await waitForRepair(victim, cluster)
            try await cluster.wait(for: "the log is whole again", from: victim)
            try await write(400..<500, cluster)
            try cluster.crash("n3")
            try await cluster.wait {
                let client = try RawClient(port: cluster.port(of: "n1"))
                client.send(command: ["SET", "probe", "1"])
                return client.line() == "+OK"
            }
            try expect(0..<500, cluster, at: victim)
        }
    }

    @Test("a majority that has lost its log elects nobody, and serves nothing")
    func majority() async throws {
        try await TestCluster.with(settings: Self.settings) { cluster in
            try await write(0..<100, cluster)
            for name in cluster.names { try cluster.crash(name) }
            for name in ["n2", "n3"] { try lose(.noJournal, cluster.data(name), old: Data()) }
            for name in cluster.names { try cluster.start(name) }
            for name in ["n2", "n3"] {
                try await cluster.wait(for: "the log is damaged", from: name)
            }
            // They say so before they can be asked.
            try await cluster.wait {
                let status = await ClusterStatus.ask(cluster.configuration)
                return status.nodes.allSatisfy { $0.problem == nil }
            }
            // Several times what an election takes.
            for _ in 0..<40 {
                let status = await ClusterStatus.ask(cluster.configuration)
                let silent = status.nodes.compactMap(\.problem)
                #expect(status.nodes.map(\.repairing) == [0, 6, 6], "\(silent)")
                for group in 0..<status.groupCount { #expect(status.leader(of: group) == nil) }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }
}
