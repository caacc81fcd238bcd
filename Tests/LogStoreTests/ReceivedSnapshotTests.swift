// A snapshot on its way from one node's directory to another's: in pieces of any size, and never
// kept unless it is whole and a machine can be made of it.

import Bytes
import Foundation
import Sealing
import TestKit
import Testing

@testable import LogStore
@testable import RaftCore

@Suite("LogStore's received snapshots")
struct ReceivedSnapshotTests {
    private let group = GroupID(1)
    private let mark = SnapshotMark(
        position: LogPosition(term: Term(4), index: LogIndex(90)),
        membership: testVoters
    )

    /// The bytes of a leader's snapshot, and a follower's store.
    private func leaderAndFollower() throws -> (
        bytes: [UInt8], LogStore, TemporaryDirectory
    ) {
        let source = TemporaryDirectory()
        let leader = try open(source)
        try leader.snapshots.write(group, mark)
        let reader = try #require(try leader.snapshots.reader(of: group, at: mark.position))
        let bytes = try reader.bytes(inPieces: 31)
        #expect(UInt64(bytes.count) == reader.byteCount)
        #expect(bytes == (try reader.bytes(inPieces: 100_000)))
        try leader.close()
        let directory = TemporaryDirectory()
        let follower = try LogStore.open(
            directory: directory.path,
            identity: NodeIdentity(cluster: testNode.cluster, node: NodeID(3)),
            groupCount: 3,
            keys: .none
        )
        return (bytes, follower, directory)
    }

    @Test(
        "pieces of any size make the same file, which a start finds",
        arguments: [1, 7, 64, 4_096]
    )
    func pieces(size: Int) throws {
        let (bytes, follower, directory) = try leaderAndFollower()
        // A start comes before anything is received.
        _ = try follower.recover()
        let receiver = try follower.snapshots.receiver(of: group, at: mark)
        var rest = bytes[...]
        var pieces = 0
        while !rest.isEmpty {
            try receiver.append(rest.prefix(size), at: receiver.wanted)
            rest = rest.dropFirst(size)
            pieces += 1
        }
        #expect(pieces == (bytes.count + size - 1) / size)
        var sections: [[UInt8]] = []
        try receiver.verify { sections.append(Array($0)) }
        #expect(sections == testSections(group, mark))
        #expect(try follower.snapshots.reader(of: group, at: mark.position) == nil)
        try receiver.keep()
        let reader = try #require(try follower.snapshots.reader(of: group, at: mark.position))
        #expect(try reader.bytes() == bytes)
        #expect(reader.mark == mark)
        try follower.close()
        let again = try LogStore.open(
            directory: directory.path,
            identity: NodeIdentity(cluster: testNode.cluster, node: NodeID(3)),
            groupCount: 3,
            keys: .none
        )
        let found = try again.recover()
        #expect(found.map { $0.snapshot?.position } == [nil, mark.position, nil])
        #expect(try directory.snapshotNames().count == 1)
        try again.close()
    }

    @Test("a piece that is missing, doubled or swapped is refused, and the right one still taken")
    func misplaced() throws {
        let (bytes, follower, directory) = try leaderAndFollower()
        let receiver = try follower.snapshots.receiver(of: group, at: mark)
        let refusal = LogStoreError.unsoundSnapshot(
            group,
            mark.position,
            .invalid("offset of a snapshot's piece")
        )
        try receiver.append(bytes[..<50], at: 0)
        var refused = 0
        for offset in [0, 49, 51, 100, UInt64.max] {
            #expect(throws: refusal) { try receiver.append(bytes[50..<60], at: offset) }
            refused += 1
        }
        #expect(refused == 5)
        #expect(receiver.wanted == 50)
        try receiver.append(bytes[50...], at: 50)
        try receiver.verify { _ in }
        try receiver.keep()
        #expect(try directory.snapshotNames().count == 1)
        try follower.close()
    }

    @Test("a file that lacks or repeats a piece, or has one of another snapshot, is not kept")
    func wrongPieces() throws {
        let (bytes, follower, directory) = try leaderAndFollower()
        let size = 20
        let pieces = stride(from: 0, to: bytes.count, by: size).map {
            bytes[$0..<min($0 + size, bytes.count)]
        }
        #expect(pieces.count >= 10)
        var orders: [[ArraySlice<UInt8>]] = []
        for place in pieces.indices {
            var missing = pieces
            missing.remove(at: place)
            var doubled = pieces
            doubled.insert(pieces[place], at: place)
            var other = pieces
            other[place] = pieces[place].map { $0 ^ 0x20 }[...]
            orders += [missing, doubled, other]
            if place > 0 {
                var swapped = pieces
                swapped.swapAt(place, place - 1)
                orders.append(swapped)
            }
        }
        var refused = 0
        for order in orders {
            let receiver = try follower.snapshots.receiver(of: group, at: mark)
            if try isRefused(receiver, order) { refused += 1 }
        }
        #expect(refused == orders.count)
        #expect(refused >= 40)
        #expect(try directory.snapshotNames().isEmpty, "nothing is left")
        try follower.close()
    }

    @Test("a file cut short anywhere is not kept")
    func cutShort() throws {
        let (bytes, follower, directory) = try leaderAndFollower()
        var refused = 0
        for count in 0..<bytes.count {
            let receiver = try follower.snapshots.receiver(of: group, at: mark)
            if try isRefused(receiver, [bytes[..<count]]) { refused += 1 }
        }
        #expect(refused == bytes.count)
        #expect(refused >= 200)
        #expect(try directory.snapshotNames().isEmpty)
        try follower.close()
    }

    @Test("a sound snapshot of another group, position, membership or cluster is not kept")
    func otherSnapshot() throws {
        let (bytes, follower, directory) = try leaderAndFollower()
        let files = follower.snapshots
        let later = LogPosition(term: Term(4), index: LogIndex(91))
        let receivers = [
            try files.receiver(of: GroupID(2), at: mark),
            try files.receiver(
                of: group,
                at: SnapshotMark(position: later, membership: testVoters)
            ),
            try files.receiver(
                of: group,
                at: SnapshotMark(position: mark.position, membership: .none)
            ),
            try SnapshotFiles(
                directory: directory.path + "/snapshots",
                cluster: ClusterID(high: 7, low: 10),
                keys: .none
            ).receiver(of: group, at: mark),
        ]
        var refused = 0
        for receiver in receivers {
            if try isRefused(receiver, [bytes[...]]) { refused += 1 }
        }
        #expect(refused == 4)
        try follower.close()
    }

    @Test("sections of which no machine can be made are not kept")
    func noMachine() throws {
        let (bytes, follower, directory) = try leaderAndFollower()
        do {
            let receiver = try follower.snapshots.receiver(of: group, at: mark)
            try receiver.append(bytes[...], at: 0)
            let refusal = LogStoreError.unsoundSnapshot(group, mark.position, .invalid("machine"))
            var taken = 0
            #expect(throws: refusal) {
                try receiver.verify { _ throws(DecodeError) in
                    taken += 1
                    if taken == 2 { throw .invalid("machine") }
                }
            }
            #expect(taken == 2)
        }
        #expect(try directory.snapshotNames().isEmpty)
        try follower.close()
    }

    /// At once, or when all of it is there.
    private func isRefused(
        _ receiver: SnapshotReceiver,
        _ pieces: [ArraySlice<UInt8>]
    ) throws -> Bool {
        do throws(LogStoreError) {
            for piece in pieces { try receiver.append(piece, at: receiver.wanted) }
            try receiver.verify { _ in }
            return false
        } catch .unsoundSnapshot {
            return true
        }
    }

    // MARK: The leader's side

    @Test("a stream comes to its end though newer snapshots are cut meanwhile")
    func streams() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        try store.snapshots.write(group, mark)
        var streams = SnapshotStreams(store.snapshots, of: group)
        let whole = try #require(
            try store.snapshots.reader(of: group, at: mark.position)
        ).bytes()
        var received: [UInt8] = []
        var cut = mark
        var fetches = 0
        while received.count < whole.count {
            let fetch = SnapshotFetch(
                follower: NodeID(3),
                mark: mark,
                offset: UInt64(received.count),
                bytesMax: 16
            )
            guard case .bytes(let bytes, let isLast) = try streams.read(fetch) else {
                Issue.record("a stream that was begun ends")
                return
            }
            received += bytes
            #expect(isLast == (received.count == whole.count))
            fetches += 1
            cut.position.index = cut.position.index.next
            try store.snapshots.write(group, cut)
        }
        #expect(received == whole)
        #expect(fetches >= 10)
        // Another follower comes too late for that one, and gets the newest.
        let late = SnapshotFetch(follower: NodeID(1), mark: mark, offset: 0, bytesMax: 16)
        #expect(try streams.read(late) == .gone)
        let newest = SnapshotFetch(follower: NodeID(1), mark: cut, offset: 0, bytesMax: 16)
        guard case .bytes(let bytes, isLast: false) = try streams.read(newest) else {
            Issue.record("the newest is there")
            return
        }
        #expect(bytes.count == 16)
        #expect(streams.count == 2)
        let beyond = SnapshotFetch(follower: NodeID(1), mark: cut, offset: 1 << 40, bytesMax: 16)
        #expect(try streams.read(beyond) == .gone)
        streams.close(NodeID(1))
        #expect(streams.count == 1)
        streams.closeAll()
        let again = SnapshotFetch(follower: NodeID(3), mark: mark, offset: 0, bytesMax: 16)
        #expect(try streams.read(again) == .gone)
        try store.close()
    }
}
