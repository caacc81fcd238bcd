// The part of a `Group`'s drivers that has to do with disks: batches, and snapshots in both
// directions. Each step is one that a crash can come between.

import RaftCore
import Replica
import SessionMachine
import TestKit

/// What a driver was asked to do besides writing batches.
enum DriverWork {
    case read(SnapshotFetch)
    case store(SnapshotCut)
    case keep(LogPosition, through: UInt64)
    case receive(SnapshotMark, [UInt8])
}

extension Group {
    /// Finishes the write that is with a node's disk.
    mutating func sync(_ id: NodeID) {
        let index = index(of: id)
        guard isAwake(id), let batch = members[index].writing else { return }
        members[index].disk.store(batch)
        members[index].writing = nil
        turn(id) { replica, _ in replica.persisted(batch.mark) }
    }

    mutating func takeSnapshotEffects(_ effects: ReplicaEffects, at index: Int) {
        members[index].work += effects.fetch.map { .read($0) }
        for chunk in effects.chunks {
            if chunk.offset == 0 { members[index].incoming = [] }
            if UInt64(members[index].incoming.count) != chunk.offset {
                fail("node \(index + 1) gets chunks with a gap")
            }
            members[index].incoming += chunk.bytes
            let end = chunk.offset + UInt64(chunk.bytes.count)
            members[index].work.append(.keep(chunk.mark.position, through: end))
            if chunk.isLast {
                members[index].work.append(.receive(chunk.mark, members[index].incoming))
            }
        }
        guard let cut = effects.cut else { return }
        if members[index].work.contains(where: \.isStore) { fail("two snapshots at a time") }
        if cut.mark.membership.members.isEmpty {
            fail("node \(index + 1) cuts a snapshot without members")
        }
        if cut.mark.position.index != members[index].replica.applied {
            fail("node \(index + 1) cuts a snapshot of another moment")
        }
        members[index].work.append(.store(cut))
    }

    /// Does what the driver was asked first.
    mutating func work(_ id: NodeID) {
        let index = index(of: id)
        guard isAwake(id), !members[index].work.isEmpty else { return }
        switch members[index].work.removeFirst() {
        case .read(let fetch):
            let chunk = chunk(of: fetch, at: index)
            turn(id) { replica, _ in replica.fetched(fetch, chunk) }
        case .store(let cut):
            counts.cuts += 1
            keep(cut.mark, cut.machine.encodedSnapshot(), at: index)
            turn(id) { replica, _ in replica.snapshotStored(cut.mark) }
        case .keep(let position, let end):
            turn(id) { replica, _ in replica.chunkKept(position, through: end) }
        case .receive(let mark, let bytes):
            receive(mark, bytes, at: id)
        }
    }

    private func chunk(of fetch: SnapshotFetch, at index: Int) -> FetchedChunk {
        let bytes = members[index].snapshot
        guard members[index].disk.snapshot == fetch.mark, let start = Int(exactly: fetch.offset),
            start < bytes.count
        else { return .gone }
        let end = min(bytes.count, start + fetch.bytesMax)
        return .bytes(bytes[start..<end], isLast: end == bytes.count)
    }

    private mutating func receive(_ mark: SnapshotMark, _ bytes: [UInt8], at id: NodeID) {
        let index = index(of: id)
        guard let machine = decoded(bytes) else {
            counts.damages += 1
            return turn(id) { replica, _ in replica.snapshotDamaged(mark.position) }
        }
        keep(mark, bytes, at: index)
        let before = self[id].applied
        turn(id) { replica, _ in replica.snapshotReceived(mark, machine) }
        let isRestored = before < mark.position.index && self[id].raft.snapshot == mark
        if isRestored { counts.installs += 1 } else { counts.uselessInstalls += 1 }
    }

    /// An older snapshot never takes the place of a newer one.
    private mutating func keep(_ mark: SnapshotMark, _ bytes: [UInt8], at index: Int) {
        guard mark.position.index >= members[index].disk.snapshot.position.index else { return }
        members[index].disk.store(mark)
        members[index].snapshot = bytes
    }

    func decoded(_ bytes: [UInt8]) -> SessionMachine? {
        var decoder = SnapshotDecoder()
        guard (try? decoder.append(bytes[...])) != nil else { return nil }
        return try? decoder.finish()
    }

    /// A crash: a snapshot that was being stored may have made it or not, and nobody remembers the
    /// rest.
    mutating func loseDriver(_ index: Int) {
        for case .store(let cut) in members[index].work where random.chance(50) {
            keep(cut.mark, cut.machine.encodedSnapshot(), at: index)
        }
        members[index].work = []
        members[index].incoming = []
    }
}

extension DriverWork {
    fileprivate var isStore: Bool {
        if case .store = self { return true }
        return false
    }
}
