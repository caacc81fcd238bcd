// A snapshot as a file. What travels to a follower is the file itself, so it names no node.
//
//     header     4 bytes   "hfsn"
//                1 byte    format version
//                16 bytes  cluster
//                2 bytes   group
//                16 bytes  term and index of the last entry that it stands for
//                2 bytes   length of the membership, and that many bytes (`Membership.encoded`)
//                4 bytes   CRC-32C of the header so far
//     section    1 byte    kind: 1 as it is, 2 an LZ4 block
//     (many)     4 bytes   length here
//                4 bytes   length before compression
//                4 bytes   CRC-32C of the 9 bytes before and of what follows
//                ...       the section
//     trailer    1 byte    kind: 0
//                8 bytes   number of sections
//                8 bytes   their lengths before compression, together
//                16 bytes  chain value over the header and all sections
//                4 bytes   CRC-32C of the trailer
//
// The file ends there. Sections are the caller's and opaque. The checksums find what went bad; the
// chain finds what is missing, doubled or from another snapshot; the trailer finds an end that came
// too early.

import Bytes
import RaftCore

/// What a snapshot's file says of itself.
struct SnapshotHeader: Hashable {
    var cluster: ClusterID
    var group: GroupID
    var mark: SnapshotMark
}

enum SnapshotFormat {
    static let version: UInt8 = 1
    static let magic = Array("hfsn".utf8)
    /// Up to the membership.
    static let fixedHeaderBytes = 41
    static let frameBytes = 13
    static let trailerBytes = 37

    enum Kind: UInt8 {
        case trailer = 0
        case plain = 1
        case compressed = 2
    }

    /// The frame of a section: what precedes its bytes.
    struct Frame: Hashable {
        var kind: Kind
        var byteCount: Int
        var originalCount: Int
        var checksum: UInt32
    }

    /// What the trailer must say.
    struct Totals: Hashable {
        var sections: UInt64 = 0
        var bytes: UInt64 = 0
        var chain: ChainValue

        mutating func add(_ block: ArraySlice<UInt8>, originalCount: Int) {
            sections += 1
            bytes += UInt64(originalCount)
            chain = chain.continued(by: block)
        }
    }

    // MARK: Writing

    static func encode(_ header: SnapshotHeader) -> [UInt8] {
        let membership = header.mark.membership.encoded
        var writer = ByteWriter(capacity: fixedHeaderBytes + membership.count + 4)
        writer.write(magic)
        writer.write(version)
        writer.write(header.cluster.high)
        writer.write(header.cluster.low)
        writer.write(header.group.rawValue)
        writer.write(header.mark.position.term.rawValue)
        writer.write(header.mark.position.index.rawValue)
        writer.write(UInt16(membership.count))
        writer.write(membership)
        writer.write(CRC32C.checksum(writer.bytes))
        return writer.bytes
    }

    /// A section with its frame, compressed where that makes it smaller.
    static func encode(section: ArraySlice<UInt8>) -> [UInt8] {
        let compressed = LZ4Block.compress(section)
        let bytes = compressed.map { $0[...] } ?? section
        var writer = ByteWriter(capacity: frameBytes + bytes.count)
        writer.write((compressed == nil ? Kind.plain : .compressed).rawValue)
        writer.write(UInt32(bytes.count))
        writer.write(UInt32(section.count))
        let seed = CRC32C.checksum(writer.bytes)
        writer.write(CRC32C.checksum(bytes, seed: seed))
        writer.write(bytes)
        return writer.bytes
    }

    static func encode(_ totals: Totals) -> [UInt8] {
        var writer = ByteWriter(capacity: trailerBytes)
        writer.write(Kind.trailer.rawValue)
        writer.write(totals.sections)
        writer.write(totals.bytes)
        writer.write(totals.chain.high)
        writer.write(totals.chain.low)
        writer.write(CRC32C.checksum(writer.bytes))
        return writer.bytes
    }

    // MARK: Reading

    /// The length of the membership, from the header's fixed part.
    static func membershipBytes(_ fixed: [UInt8]) throws(DecodeError) -> Int {
        var reader = ByteReader(fixed)
        guard try reader.readBytes(count: 4) == magic[...] else { throw .invalid("snapshot file") }
        let version = try reader.readUInt8()
        guard version == Self.version else { throw .unknownTag(version) }
        var end = ByteReader(fixed[(fixedHeaderBytes - 2)...])
        let count = Int(try end.readUInt16())
        guard count <= Limits.membershipBytesMax else { throw .tooLarge(count) }
        return count
    }

    static func header(_ bytes: [UInt8]) throws(DecodeError) -> SnapshotHeader {
        var reader = try ByteReader(checked: bytes[...])
        // The magic and the version were read before.
        _ = try reader.readBytes(count: 5)
        let cluster = ClusterID(high: try reader.readUInt64(), low: try reader.readUInt64())
        let group = GroupID(try reader.readUInt16())
        let term = Term(try reader.readUInt64())
        let index = LogIndex(try reader.readUInt64())
        _ = try reader.readUInt16()
        guard index.rawValue <= UInt64(Int64.max) else { throw .invalid("index of a snapshot") }
        guard let membership = Membership(encoded: reader.readRest()) else {
            throw .invalid("membership of a snapshot")
        }
        let position = LogPosition(term: term, index: index)
        let mark = SnapshotMark(position: position, membership: membership)
        return SnapshotHeader(cluster: cluster, group: group, mark: mark)
    }

    /// Of a section that is not the trailer.
    static func frame(_ bytes: [UInt8]) throws(DecodeError) -> Frame {
        var reader = ByteReader(bytes)
        let tag = try reader.readUInt8()
        guard let kind = Kind(rawValue: tag), kind != .trailer else { throw .unknownTag(tag) }
        let byteCount = Int(try reader.readUInt32())
        let originalCount = Int(try reader.readUInt32())
        guard max(byteCount, originalCount) <= Limits.snapshotSectionBytesMax else {
            throw .tooLarge(max(byteCount, originalCount))
        }
        return Frame(
            kind: kind,
            byteCount: byteCount,
            originalCount: originalCount,
            checksum: try reader.readUInt32()
        )
    }

    /// The section of a frame, from the bytes of both.
    static func section(_ block: [UInt8], _ frame: Frame) throws(DecodeError) -> ArraySlice<UInt8> {
        let bytes = block[frameBytes...]
        let seed = CRC32C.checksum(block[..<(frameBytes - 4)])
        guard CRC32C.checksum(bytes, seed: seed) == frame.checksum else { throw .checksumMismatch }
        guard frame.kind == .compressed else {
            guard frame.byteCount == frame.originalCount else { throw .invalid("snapshot section") }
            return bytes
        }
        return try LZ4Block.decompress(
            bytes,
            originalCount: frame.originalCount,
            limit: Limits.snapshotSectionBytesMax
        )[...]
    }

    static func totals(_ bytes: [UInt8]) throws(DecodeError) -> Totals {
        var reader = try ByteReader(checked: bytes[...])
        let tag = try reader.readUInt8()
        guard tag == Kind.trailer.rawValue else { throw .unknownTag(tag) }
        return Totals(
            sections: try reader.readUInt64(),
            bytes: try reader.readUInt64(),
            chain: ChainValue(high: try reader.readUInt64(), low: try reader.readUInt64())
        )
    }
}
