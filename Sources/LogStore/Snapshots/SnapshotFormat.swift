// A snapshot as a file. What travels to a follower is the file itself, so it names no node.
//
//     header     4 bytes   "hfsn"
//                1 byte    1, or 2 where the sections are sealed
//                16 bytes  cluster
//                2 bytes   group
//                16 bytes  term and index of the last entry that it stands for
//                2 bytes   length of the membership, and that many bytes (`Membership.encoded`)
//                40 bytes  where sealed: master key and salt (`SealedHead`)
//                4 bytes   CRC-32C of the header so far
//     section    1 byte    kind: 1 as it is, 2 an LZ4 block, 3 sealed
//     (many)     4 bytes   length here
//                4 bytes   length before compression
//                4 bytes   CRC-32C of the 9 bytes before and of what follows
//                ...       the section
//     trailer    1 byte    kind: 0
//                8 bytes   number of sections
//                8 bytes   their lengths before compression, together
//                16 bytes  chain value over the header and all sections
//                4 bytes   CRC-32C of the trailer
//                16 bytes  where sealed: a tag that vouches for the trailer
//
// The file ends there. Sections are the caller's and opaque. The checksums find what went bad; the
// chain finds what is missing, doubled or from another snapshot; the trailer finds an end that came
// too early. Sections that are sealed are not compressed: what the sessions of one have in common
// would show in its length.

import Bytes
import RaftCore
import Sealing

/// What a snapshot's file says of itself.
struct SnapshotHeader: Hashable {
    var cluster: ClusterID
    var group: GroupID
    var mark: SnapshotMark
}

enum SnapshotFormat {
    static let version: UInt8 = 1
    static let sealedVersion: UInt8 = 2
    static let magic = Array("hfsn".utf8)
    /// Up to the membership.
    static let fixedHeaderBytes = 41
    static let frameBytes = 13
    static let trailerBytes = 37

    enum Kind: UInt8 {
        case trailer = 0
        case plain = 1
        case compressed = 2
        case sealed = 3
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

    /// `head` where the sections are going to be sealed.
    static func encode(_ header: SnapshotHeader, _ head: SealedHead? = nil) -> [UInt8] {
        let membership = header.mark.membership.encoded
        let capacity = fixedHeaderBytes + membership.count + SealedHead.byteCount + 4
        var writer = ByteWriter(capacity: capacity)
        writer.write(magic)
        writer.write(head == nil ? version : sealedVersion)
        writer.write(header.cluster.high)
        writer.write(header.cluster.low)
        writer.write(header.group.rawValue)
        writer.write(header.mark.position.term.rawValue)
        writer.write(header.mark.position.index.rawValue)
        writer.write(UInt16(membership.count))
        writer.write(membership)
        head?.write(to: &writer)
        writer.write(CRC32C.checksum(writer.bytes))
        return writer.bytes
    }

    /// A section with its frame: sealed as the `number`th where there is a seal, or else compressed
    /// where that makes it smaller.
    static func encode(
        section: ArraySlice<UInt8>,
        _ seal: SnapshotSeal? = nil,
        number: UInt64 = 0
    ) -> [UInt8] {
        if let seal {
            return frame(.sealed, seal.box(of: section, number: number)[...], of: section.count)
        }
        guard let compressed = LZ4Block.compress(section) else {
            return frame(.plain, section, of: section.count)
        }
        return frame(.compressed, compressed[...], of: section.count)
    }

    private static func frame(
        _ kind: Kind,
        _ bytes: ArraySlice<UInt8>,
        of originalCount: Int
    ) -> [UInt8] {
        var writer = ByteWriter(capacity: frameBytes + bytes.count)
        writer.write(kind.rawValue)
        writer.write(UInt32(bytes.count))
        writer.write(UInt32(originalCount))
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

    /// The length of what follows the header's fixed part.
    static func headerRestBytes(_ fixed: [UInt8]) throws(DecodeError) -> Int {
        var reader = ByteReader(fixed)
        guard try reader.readBytes(count: 4) == magic[...] else { throw .invalid("snapshot file") }
        let version = try reader.readUInt8()
        guard version == Self.version || version == sealedVersion else {
            throw .unknownTag(version)
        }
        var end = ByteReader(fixed[(fixedHeaderBytes - 2)...])
        let count = Int(try end.readUInt16())
        guard count <= Limits.membershipBytesMax else { throw .tooLarge(count) }
        return count + (version == sealedVersion ? SealedHead.byteCount : 0) + 4
    }

    static var headerBytesMax: Int {
        fixedHeaderBytes + Limits.membershipBytesMax + SealedHead.byteCount + 4
    }

    /// The header that `bytes` begin with; nil where they end before it does.
    static func headerIfWhole(
        _ bytes: [UInt8]
    ) throws(DecodeError) -> (header: SnapshotHeader, head: SealedHead?)? {
        guard bytes.count >= fixedHeaderBytes else { return nil }
        let rest = try headerRestBytes(Array(bytes.prefix(fixedHeaderBytes)))
        guard bytes.count >= fixedHeaderBytes + rest else { return nil }
        return try header(Array(bytes.prefix(fixedHeaderBytes + rest)))
    }

    /// Room is left for what follows: a position at the end of all numbers is forged or damaged.
    static func check(_ position: LogPosition) throws(DecodeError) {
        guard position.index <= RaftCore.Limits.highestIndex,
            position.term <= RaftCore.Limits.highestTerm,
            (position.index == .zero) == (position.term == .zero)
        else { throw .invalid("position of a snapshot") }
    }

    static func header(
        _ bytes: [UInt8]
    ) throws(DecodeError) -> (header: SnapshotHeader, head: SealedHead?) {
        var reader = try ByteReader(checked: bytes[...])
        // The magic and the version were read before.
        _ = try reader.readBytes(count: 4)
        let isSealed = try reader.readUInt8() == sealedVersion
        let cluster = ClusterID(high: try reader.readUInt64(), low: try reader.readUInt64())
        let group = GroupID(try reader.readUInt16())
        let term = Term(try reader.readUInt64())
        let index = LogIndex(try reader.readUInt64())
        let membershipBytes = Int(try reader.readUInt16())
        try check(LogPosition(term: term, index: index))
        guard let membership = Membership(encoded: try reader.readBytes(count: membershipBytes))
        else { throw .invalid("membership of a snapshot") }
        let head = isSealed ? try SealedHead(from: &reader) : nil
        try reader.expectEnd()
        let position = LogPosition(term: term, index: index)
        let mark = SnapshotMark(position: position, membership: membership)
        return (SnapshotHeader(cluster: cluster, group: group, mark: mark), head)
    }

    /// Of a section that is not the trailer.
    static func frame(_ bytes: [UInt8]) throws(DecodeError) -> Frame {
        var reader = ByteReader(bytes)
        let tag = try reader.readUInt8()
        guard let kind = Kind(rawValue: tag), kind != .trailer else { throw .unknownTag(tag) }
        let byteCount = Int(try reader.readUInt32())
        let originalCount = Int(try reader.readUInt32())
        // A box is longer than what it holds.
        let byteCountMax = Limits.snapshotSectionBytesMax + SealingContext.tagByteCount
        guard originalCount <= Limits.snapshotSectionBytesMax, byteCount <= byteCountMax else {
            throw .tooLarge(max(byteCount, originalCount))
        }
        return Frame(
            kind: kind,
            byteCount: byteCount,
            originalCount: originalCount,
            checksum: try reader.readUInt32()
        )
    }

    static func checkSum(_ block: [UInt8], _ frame: Frame) throws(DecodeError) {
        let seed = CRC32C.checksum(block[..<(frameBytes - 4)])
        guard CRC32C.checksum(block[frameBytes...], seed: seed) == frame.checksum else {
            throw .checksumMismatch
        }
    }

    /// The section of a frame, from the bytes of both. It is sealed where there is a seal, and only
    /// then.
    static func section(
        _ block: [UInt8],
        _ frame: Frame,
        _ seal: SnapshotSeal? = nil,
        number: UInt64 = 0
    ) throws(DecodeError) -> ArraySlice<UInt8> {
        try checkSum(block, frame)
        let bytes = block[frameBytes...]
        guard (frame.kind == .sealed) == (seal != nil) else {
            throw .invalid("kind of a snapshot's section")
        }
        if let seal {
            let section = try seal.section(of: bytes, number: number)
            guard section.count == frame.originalCount else { throw .invalid("snapshot section") }
            return section[...]
        }
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

    /// At most, of a file with these sections.
    static func sealedByteCount(_ totals: Totals) throws(DecodeError) -> UInt64 {
        let frame = UInt64(frameBytes + SealingContext.tagByteCount)
        let (frames, overflow) = frame.multipliedReportingOverflow(by: totals.sections)
        let ends = UInt64(headerBytesMax + trailerBytes + SealingContext.tagByteCount)
        let (bytes, more) = frames.addingReportingOverflow(ends)
        let (all, most) = bytes.addingReportingOverflow(totals.bytes)
        guard !overflow, !more, !most, all <= UInt64(Int64.max) else {
            throw .invalid("totals of a snapshot")
        }
        return all
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
