// Whose directory it is: everybody else is refused, and nothing is changed by the refusal.

import Foundation
import LogStore
import RaftCore
import Sealing
import Testing

@Suite("LogStore's directory")
struct DirectoryTests {
    @Test("another cluster, node or group count is refused, and nothing is written")
    func refused() throws {
        let directory = TemporaryDirectory()
        let store = try start(directory).store
        try store.close()
        let before = try directory.contents()
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
                    groupCount: groups,
                    keys: .none
                )
            }
        }
        #expect(try directory.contents() == before)
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
        let store = try start(directory).store
        try store.store([(GroupID(0), batch(term: 1, [noop(1, 1)]))])
        let names = try FileManager.default.subpathsOfDirectory(atPath: directory.path)
        #expect(names.count >= 9)
        for name in names {
            let file = directory.path + "/" + name
            let attributes = try FileManager.default.attributesOfItem(atPath: file)
            let mode = try #require(attributes[.posixPermissions] as? NSNumber).intValue
            let wanted = name == "snapshots" ? 0o700 : 0o600
            #expect(mode == wanted, "\(name) has mode \(String(mode, radix: 8))")
        }
        try store.close()
    }
}
