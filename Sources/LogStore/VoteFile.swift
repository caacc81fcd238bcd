// The file `votes`: what this node has promised to candidates, kept apart from the journal. A
// journal that loses rows must not take a vote along: with it the node can go on, mute (see
// `Voice.swift` of RaftCore), and get its log again from the others.
//
//     twice      8 bytes   how often it was written
//                4 bytes   number of groups
//                each      term 8, vote 8 (0: none), 1 if mute 1
//                4 bytes   CRC-32C of all that
//
// Both copies are written, and synced one after the other, before a row with another term or vote
// is. So a copy that can be read is of the latest promise, or of the one before where the process
// ended before the latest was given; and a start makes both alike again.
//
// It must never say less than was promised. So it is made only when all of the journal was read and
// is sound: a journal that is not could not be gone on without.

import Bytes
import Glibc
import RaftCore

/// What a group's node has promised.
struct VoteRecord: Hashable {
    var term = Term.zero
    var vote: NodeID?
    var isMute = false

    init() {}

    init(_ state: HardState) {
        term = state.term
        vote = state.vote
        isMute = state.isMute
    }

    /// Whether all that `state` promises to candidates is in it.
    func covers(_ state: HardState) -> Bool {
        if term != state.term { return term > state.term }
        return state.vote == nil || vote == state.vote
    }
}

struct VoteFile {
    private let file: CInt
    private let path: String
    private(set) var writes: UInt64
    /// By group.
    private(set) var records: [VoteRecord]

    /// Opens the file. Throws `LogStoreError.damage` where it is not there or cannot be read.
    init(path: String, groupCount: Int) throws(LogStoreError) {
        self.path = path
        file = open(path, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { throw Self.failureOfOpen(path) }
        do throws(LogStoreError) {
            let copies = try Self.read(file, path, groupCount)
            (writes, records) = try Self.newest(of: copies)
            if copies.contains(where: { $0?.writes != writes }) { try write() }
        } catch {
            Glibc.close(file)
            throw error
        }
    }

    /// What the file says, which stays as it is. Throws as `init` does.
    static func records(
        in path: String,
        groupCount: Int
    ) throws(LogStoreError) -> [VoteRecord] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw failureOfOpen(path) }
        defer { Glibc.close(file) }
        return try newest(of: read(file, path, groupCount)).records
    }

    private static func failureOfOpen(_ path: String) -> LogStoreError {
        errno == ENOENT ? .damage(.missingFile(path)) : .last("open of \(path)")
    }

    /// Makes the file, in the place of one that is old or cannot be read, as if it had been written
    /// `count` times before.
    init(
        path: String,
        records: [VoteRecord],
        after count: UInt64
    ) throws(LogStoreError) {
        self.path = path
        self.records = records
        writes = count
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .last("open of \(path)") }
        do throws(LogStoreError) {
            // Or a crash between the new copies would leave an old one that looks newer.
            guard ftruncate(file, 0) == 0, fdatasync(file) == 0 else {
                throw .last("emptying of \(path)")
            }
            try write()
        } catch {
            Glibc.close(file)
            throw error
        }
    }

    func close() { Glibc.close(file) }

    // MARK: Writing

    /// Makes what the parts promise durable, where that is something else than before.
    mutating func keep(_ parts: [RowPart]) throws(LogStoreError) {
        let isNew = parts.contains {
            records[Int($0.group.rawValue)] != VoteRecord($0.hardState)
        }
        guard isNew else { return }
        for part in parts { records[Int(part.group.rawValue)] = VoteRecord(part.hardState) }
        try write()
    }

    /// From now on no group votes.
    mutating func muteAll() throws(LogStoreError) {
        for place in records.indices { records[place].isMute = true }
        try write()
    }

    private mutating func write() throws(LogStoreError) {
        writes &+= 1
        let bytes = encoded
        for copy in 0..<2 {
            let place = off_t(copy * bytes.count)
            let count = bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, place) }
            guard count == bytes.count else { throw .last("write of \(path)") }
            guard fdatasync(file) == 0 else { throw .last("fdatasync of \(path)") }
        }
    }

    private var encoded: [UInt8] {
        var writer = ByteWriter(capacity: Self.byteCount(records.count))
        writer.write(writes)
        writer.write(UInt32(records.count))
        for record in records {
            writer.write(record.term.rawValue)
            // Node ids start at 1.
            writer.write(record.vote?.rawValue ?? 0)
            writer.write(UInt8(record.isMute ? 1 : 0))
        }
        writer.write(CRC32C.checksum(writer.bytes))
        return writer.bytes
    }

    private static func byteCount(_ groupCount: Int) -> Int { 16 + 17 * groupCount }

    // MARK: Reading

    private typealias Contents = (writes: UInt64, records: [VoteRecord])

    /// Both copies; nil for one that is not whole.
    private static func read(
        _ file: CInt,
        _ path: String,
        _ groupCount: Int
    ) throws(LogStoreError) -> [Contents?] {
        let first = try read(file, path, groupCount, copy: 0)
        return [first, try read(file, path, groupCount, copy: 1)]
    }

    private static func newest(of copies: [Contents?]) throws(LogStoreError) -> Contents {
        guard let newest = copies.compactMap(\.self).max(by: { $0.writes < $1.writes }) else {
            throw .damage(.votes)
        }
        return newest
    }

    private static func read(
        _ file: CInt,
        _ path: String,
        _ groupCount: Int,
        copy: Int
    ) throws(LogStoreError) -> Contents? {
        let size = byteCount(groupCount)
        var bytes = [UInt8](repeating: 0, count: size)
        let count = bytes.withUnsafeMutableBytes {
            pread(file, $0.baseAddress, $0.count, off_t(copy * size))
        }
        guard count >= 0 else { throw .last("read of \(path)") }
        guard count == size else { return nil }
        do {
            return try decode(bytes, groupCount)
        } catch {
            return nil
        }
    }

    private static func decode(
        _ bytes: [UInt8],
        _ groupCount: Int
    ) throws(DecodeError) -> Contents {
        var reader = try ByteReader(checked: bytes[...])
        let writes = try reader.readUInt64()
        guard try reader.readUInt32() == UInt32(clamping: groupCount) else {
            throw .invalid("number of groups in a file of votes")
        }
        var records: [VoteRecord] = []
        for _ in 0..<groupCount {
            var record = VoteRecord()
            record.term = Term(try reader.readUInt64())
            let vote = try reader.readUInt64()
            record.vote = vote == 0 ? nil : NodeID(vote)
            let flag = try reader.readUInt8()
            guard flag <= 1 else { throw .unknownTag(flag) }
            record.isMute = flag == 1
            records.append(record)
        }
        return (writes, records)
    }
}
