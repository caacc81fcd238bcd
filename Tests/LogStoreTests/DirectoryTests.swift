// Whose directory it is: everybody else is refused, and nothing is changed by the refusal.

import Foundation
import LogStore
import RaftCore
import TestKit
import Testing

@Suite("LogStore's directory")
struct DirectoryTests {
    @Test("another cluster, node or group count is refused, and nothing is written")
    func refused() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        _ = try store.recover()
        try store.close()
        let before = try contents(directory)
        let others: [(NodeIdentity, Int)] = [
            (NodeIdentity(cluster: ClusterID(high: 7, low: 8), node: NodeID(2)), 3),
            (NodeIdentity(cluster: ClusterID(high: 7, low: 9), node: NodeID(3)), 3),
            (testNode, 4),
        ]
        for (identity, groups) in others {
            #expect(throws: LogStoreError.self) {
                _ = try LogStore.open(
                    directory: directory.path,
                    identity: identity,
                    groupCount: groups
                )
            }
        }
        #expect(try contents(directory) == before)
        let again = try open(directory)
        _ = try again.recover()
        try again.close()
    }

    @Test("a directory that is open is refused")
    func inUse() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        #expect(throws: LogStoreError.inUse(directory: directory.path)) { _ = try open(directory) }
        try store.close()
        try open(directory).close()
    }

    @Test("nobody but the owner can read what is in it")
    func modes() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        _ = try store.recover()
        var random = SeededRandom(1)
        var group = ModelGroup()
        try store.store([(GroupID(0), group.batch(&random, payloadMax: 100))])
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(names.count >= 5)
        for name in names {
            let file = directory.path + "/" + name
            let attributes = try FileManager.default.attributesOfItem(atPath: file)
            let mode = try #require(attributes[.posixPermissions] as? NSNumber).intValue
            #expect(mode == 0o600, "\(name) has mode \(String(mode, radix: 8))")
        }
        try store.close()
    }

    private func contents(_ directory: TemporaryDirectory) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path) {
            files[name] = try Data(contentsOf: directory.file(name))
        }
        return files
    }
}
