// A backup: one file with a snapshot of every group, as a node has them.
//
//     header     4 bytes   "hfbk"
//                1 byte    version
//                16 bytes  the cluster that it was taken of
//                2 bytes   number of groups
//                8 bytes   when it was begun, milliseconds since 1970
//                4 bytes   CRC-32C of the header so far
//     group      2 bytes   number: they come in order, from 0
//     (each)     16 bytes  term and index of the snapshot's position
//                8 bytes   length of the snapshot's file
//                4 bytes   CRC-32C of this so far
//                ...       the snapshot's file as it is (`SnapshotFormat`)
//
// The file ends there. What is in a snapshot is vouched for by its own checksums, and sealed where
// the cluster seals; so nothing here has to be.

import Bytes
package import RaftCore

/// What a backup says of itself.
package struct BackupHeader: Hashable, Sendable {
    /// The cluster that it was taken of.
    package var cluster: ClusterID
    package var groupCount: Int
    /// When it was begun, in milliseconds since 1970. What was acknowledged before is in it.
    package var takenAt: UInt64

    package init(cluster: ClusterID, groupCount: Int, takenAt: UInt64) {
        self.cluster = cluster
        self.groupCount = groupCount
        self.takenAt = takenAt
    }
}

/// One group's part of a backup.
struct BackupPart: Hashable {
    var group: GroupID
    var position: LogPosition
    var byteCount: UInt64
}

enum BackupFormat {
    private static let magic = Array("hfbk".utf8)
    private static let version: UInt8 = 2
    static let headerBytes = 35
    static let partBytes = 30

    static func encode(_ header: BackupHeader) -> [UInt8] {
        var writer = ByteWriter(capacity: headerBytes)
        writer.write(magic)
        writer.write(version)
        writer.write(header.cluster.high)
        writer.write(header.cluster.low)
        writer.write(UInt16(header.groupCount))
        writer.write(header.takenAt)
        writer.write(CRC32C.checksum(writer.bytes))
        return writer.bytes
    }

    static func header(_ bytes: [UInt8]) throws(DecodeError) -> BackupHeader {
        var start = ByteReader(bytes)
        guard try start.readBytes(count: magic.count) == magic[...] else {
            throw .invalid("a backup's beginning")
        }
        var reader = try ByteReader(checked: bytes[...])
        _ = try reader.readBytes(count: magic.count)
        let version = try reader.readUInt8()
        guard version == Self.version else {
            throw .invalid("format \(Self.version), but \(version): restore it with its own build")
        }
        let cluster = ClusterID(high: try reader.readUInt64(), low: try reader.readUInt64())
        let groupCount = Int(try reader.readUInt16())
        guard (1...Limits.groupsMax).contains(groupCount) else { throw .tooLarge(groupCount) }
        let takenAt = try reader.readUInt64()
        try reader.expectEnd()
        return BackupHeader(cluster: cluster, groupCount: groupCount, takenAt: takenAt)
    }

    static func encode(_ part: BackupPart) -> [UInt8] {
        var writer = ByteWriter(capacity: partBytes)
        writer.write(part.group.rawValue)
        writer.write(part.position.term.rawValue)
        writer.write(part.position.index.rawValue)
        writer.write(part.byteCount)
        writer.write(CRC32C.checksum(writer.bytes))
        return writer.bytes
    }

    static func part(_ bytes: [UInt8]) throws(DecodeError) -> BackupPart {
        var reader = try ByteReader(checked: bytes[...])
        let group = GroupID(try reader.readUInt16())
        let term = Term(try reader.readUInt64())
        let index = LogIndex(try reader.readUInt64())
        try SnapshotFormat.check(LogPosition(term: term, index: index))
        let byteCount = try reader.readUInt64()
        try reader.expectEnd()
        return BackupPart(
            group: group,
            position: LogPosition(term: term, index: index),
            byteCount: byteCount
        )
    }
}
