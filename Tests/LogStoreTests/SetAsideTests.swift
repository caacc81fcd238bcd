// A journal that is damaged and set aside: the records stay, everything else is to be got from the
// others. And the file of votes, on which that rests.

import Foundation
import RaftCore
import TestKit
import Testing

@testable import LogStore

@Suite("A journal that is set aside")
struct SetAsideTests {
    private let groups = 2

    /// Two groups with entries, votes, and a snapshot of group 0 at 5; as a crash leaves it.
    private func written() throws -> TemporaryDirectory {
        let directory = TemporaryDirectory()
        let store = try start(directory, groups: groups).store
        for number in 1...10 as ClosedRange<UInt64> {
            var first = batch(term: 3, [command(3, number, bytes: 50)])
            first.hardState.vote = NodeID(2)
            var second = batch(term: 5, [command(5, number, bytes: 50)])
            second.hardState.vote = NodeID(3)
            try store.store([(GroupID(0), first), (GroupID(1), second)])
        }
        let position = LogPosition(term: Term(3), index: LogIndex(5))
        try store.snapshots.write(
            GroupID(0),
            SnapshotMark(position: position, membership: testVoters)
        )
        let copy = try TemporaryDirectory(copyOf: directory)
        try store.close()
        return copy
    }

    private func setAside(_ directory: TemporaryDirectory) throws -> String {
        try LogStore.setJournalAside(
            directory: directory.path,
            identity: testNode,
            groupCount: groups,
            keys: directory.keys
        )
    }

    private func groupsFound(in directory: TemporaryDirectory) throws -> [RecoveredGroup] {
        try found(in: directory, groups: groups)
    }

    private func flip(_ name: String, at byte: Int, in directory: TemporaryDirectory) throws {
        var bytes = try Data(contentsOf: directory.file(name))
        bytes[byte] ^= 16
        try bytes.write(to: directory.file(name))
    }

    private func expectMute(_ directory: TemporaryDirectory) throws {
        let found = try groupsFound(in: directory)
        #expect(found.map(\.hardState.term) == [Term(3), Term(5)])
        #expect(found.map(\.hardState.vote) == [NodeID(2), NodeID(3)])
        #expect(found.map(\.hardState.isMute) == [true, true])
        #expect(found.map(\.entries.count) == [0, 0])
        #expect(found.map { $0.snapshot?.position.index } == [LogIndex(5), .zero])
    }

    @Test("the groups keep term and vote, are mute, and go on from their snapshots")
    func mute() throws {
        let directory = try written()
        try FileManager.default.removeItem(at: directory.file("log.db-wal"))
        #expect(throws: LogStoreError.self) { _ = try groupsFound(in: directory) }
        let place = try setAside(directory)
        #expect(place == directory.path + "/damaged-1")
        let kept = try FileManager.default.contentsOfDirectory(atPath: place).sorted()
        #expect(kept == ["durable", "log.db"])
        try expectMute(directory)
        // Again and again, until something is stored.
        try expectMute(directory)
    }

    @Test("what is stored afterwards is found, and the voice too when it is back")
    func voice() throws {
        let directory = try written()
        _ = try setAside(directory)
        let store = try start(directory, groups: groups).store
        var next = batch(term: 6, [])
        next.hardState.isMute = true
        next.base = LogPosition(term: Term(3), index: LogIndex(5))
        next.entries = [noop(3, 6)]
        try store.store([(GroupID(0), next)])
        let found = try groupsFound(in: directory)
        #expect(found[0].hardState == HardState(term: Term(6), isMute: true))
        #expect(found[0].entries == [noop(3, 6)])
        #expect(found[1].hardState.isMute)
        #expect(found[1].hardState.vote == NodeID(3))
        next.hardState.isMute = false
        next.base = nil
        next.entries = [noop(6, 7)]
        try store.store([(GroupID(0), next)])
        let last = try groupsFound(in: directory)
        #expect(last.map(\.hardState.isMute) == [false, true])
        try store.close()
    }

    @Test("a group whose snapshots are all damaged gets one from the others")
    func noSnapshot() throws {
        let directory = try written()
        for name in try directory.snapshotNames() {
            try flip("snapshots/" + name, at: 30, in: directory)
        }
        #expect(throws: LogStoreError.self) { _ = try groupsFound(in: directory) }
        _ = try setAside(directory)
        let found = try groupsFound(in: directory)
        #expect(found.map { $0.snapshot == nil } == [true, true])
        #expect(found.map(\.passedOver.count) == [2, 1])
        #expect(found.map(\.hardState.term) == [Term(3), Term(5)])
    }

    @Test("a crash at any step of it leaves a directory that is damaged, or one that is mute")
    func steps() throws {
        let whole = try written()
        try FileManager.default.removeItem(at: whole.file("log.db-wal"))
        // What is moved, in this order.
        for moved in [[], ["log.db"], ["log.db", "durable"]] {
            let directory = try TemporaryDirectory(copyOf: whole)
            var votes = try VoteFile(path: directory.path + "/votes", groupCount: groups)
            try votes.muteAll()
            votes.close()
            for name in moved { try FileManager.default.removeItem(at: directory.file(name)) }
            if moved.count < 2 {
                #expect(throws: LogStoreError.self) { _ = try groupsFound(in: directory) }
                _ = try setAside(directory)
            }
            try expectMute(directory)
        }
    }

    @Test("a journal is not set aside where its mark, or a row that is left, knows later votes")
    func lostVotes() throws {
        for isMarkOld in [false, true] {
            let directory = try written()
            let old = [VoteRecord(HardState(term: Term(3))), VoteRecord(HardState(term: Term(4)))]
            let count: UInt64 = isMarkOld ? 1_000 : 0
            try VoteFile(path: directory.path + "/votes", records: old, after: count).close()
            // The journal's end is damaged.
            let size = try Data(contentsOf: directory.file("log.db-wal")).count
            try flip("log.db-wal", at: size - 100, in: directory)
            #expect(throws: LogStoreError.damage(.oldVotes)) { _ = try setAside(directory) }
        }
    }

    @Test("without the mark of what was durable a journal is not set aside")
    func noMark() throws {
        let directory = try written()
        try FileManager.default.removeItem(at: directory.file("durable"))
        #expect(throws: LogStoreError.self) { _ = try setAside(directory) }
    }

    @Test("an empty journal is not taken for a new one where there was another")
    func emptied() throws {
        for names in [["log.db", "log.db-wal", "durable"], ["log.db", "durable"]] {
            let directory = try written()
            for name in names { try FileManager.default.removeItem(at: directory.file(name)) }
            #expect(throws: LogStoreError.self, "\(names)") {
                _ = try groupsFound(in: directory)
            }
            try FileManager.default.removeItem(at: directory.file("snapshots"))
            #expect(throws: LogStoreError.self, "\(names), snapshots") {
                _ = try groupsFound(in: directory)
            }
        }
    }

    @Test("a journal that was begun anew, and has no row yet, is not sound without the votes")
    func votesLostAfterwards() throws {
        let directory = try written()
        _ = try setAside(directory)
        // It ends before the first row.
        try open(directory, groups: groups).close()
        try FileManager.default.removeItem(at: directory.file("votes"))
        #expect(throws: LogStoreError.damage(.missingRow(sequence: 1))) {
            _ = try groupsFound(in: directory)
        }
    }

    @Test("without its votes a node does not go on, and nothing is moved")
    func noVotes() throws {
        for change in ["lost", "empty", "damaged"] {
            let directory = try written()
            try FileManager.default.removeItem(at: directory.file("log.db-wal"))
            let file = directory.file("votes")
            switch change {
            case "lost": try FileManager.default.removeItem(at: file)
            case "empty": try Data().write(to: file)
            default:
                let half = try Data(contentsOf: file).count / 2
                try flip("votes", at: 3, in: directory)
                try flip("votes", at: half + 3, in: directory)
            }
            let before = try directory.contents()
            #expect(throws: LogStoreError.self, "\(change)") { _ = try setAside(directory) }
            #expect(try directory.contents() == before)
        }
    }

    @Test("one copy of the votes is enough, and none where the journal is sound")
    func votes() throws {
        let directory = try written()
        let sound = try groupsFound(in: directory).map(\.hardState)
        let bytes = try Data(contentsOf: directory.file("votes"))
        var cases = 0
        for place in 0..<bytes.count {
            try flip("votes", at: place, in: directory)
            let votes = try VoteFile(path: directory.path + "/votes", groupCount: groups)
            #expect(votes.records == sound.map(VoteRecord.init))
            votes.close()
            try bytes.write(to: directory.file("votes"))
            cases += 1
        }
        #expect(cases == 2 * (16 + 17 * groups))
        for contents in [Data(), Data(bytes.prefix(20)), nil] {
            if let contents {
                try contents.write(to: directory.file("votes"))
            } else {
                try FileManager.default.removeItem(at: directory.file("votes"))
            }
            #expect(try groupsFound(in: directory).map(\.hardState) == sound)
        }
    }

    @Test("a vote is in the file before its row is in the journal, and counts without it")
    func voteFirst() throws {
        let directory = try written()
        var votes = try VoteFile(path: directory.path + "/votes", groupCount: groups)
        let state = HardState(term: Term(9), vote: NodeID(1))
        try votes.keep([RowPart(group: GroupID(1), hardState: state, entries: [])])
        votes.close()
        let found = try groupsFound(in: directory)
        #expect(found[1].hardState.term == Term(9))
        #expect(found[1].hardState.vote == NodeID(1))
        #expect(found[1].entries.count == 10)
        #expect(found[0].hardState.term == Term(3))
    }

    @Test("an old file of votes is noticed where the journal is sound")
    func oldVotes() throws {
        let directory = try written()
        try FileManager.default.removeItem(at: directory.file("votes"))
        let old = [VoteRecord(HardState(term: Term(3))), VoteRecord(HardState(term: Term(4)))]
        try VoteFile(path: directory.path + "/votes", records: old, after: 0).close()
        let found = try groupsFound(in: directory)
        #expect(found.map(\.hardState.vote) == [NodeID(2), NodeID(3)])
        #expect(found.map(\.hardState.term) == [Term(3), Term(5)])
    }
}
