// Whose directory this is. The file `identity` is text, so that an operator can read it:
//
//     holdfast log
//     format 5
//     cluster 00000000000000010000000000000002
//     node 3
//     groups 12
//     incarnation 8f3c21d07a9b4e56
//     crc32c 5f0a91c2        (of the lines above)
//
// It is written once, when the directory is made, and read before anything else is touched.

import Bytes
package import RaftCore

/// The node that a data directory belongs to.
package struct NodeIdentity: Hashable, Sendable {
    package var cluster: ClusterID
    package var node: NodeID

    package init(cluster: ClusterID, node: NodeID) {
        self.cluster = cluster
        self.node = node
    }
}

extension ClusterID {
    /// 32 hexadecimal digits.
    package var text: String { high.hexadecimal + low.hexadecimal }
}

extension FixedWidthInteger where Self: UnsignedInteger {
    /// All digits, leading zeros included.
    fileprivate var hexadecimal: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: Self.bitWidth / 4 - digits.count) + digits
    }
}

/// What the identity file says.
struct Identity: Hashable {
    static let formatVersion: UInt32 = 5

    var format: UInt32
    var node: NodeIdentity
    var groupCount: Int
    /// Drawn when the directory is made; tells it from every other that this node ever had. Not 0.
    var incarnation: UInt64

    /// The file's bytes.
    var encoded: [UInt8] {
        let lines = """
            holdfast log
            format \(format)
            cluster \(node.cluster.text)
            node \(node.node.rawValue)
            groups \(groupCount)
            incarnation \(incarnation.hexadecimal)

            """
        let checksum = CRC32C.checksum(Array(lines.utf8))
        return Array((lines + "crc32c \(checksum.hexadecimal)\n").utf8)
    }

    /// Reads the file. Lenient first, strict then: what was read must encode to the same bytes.
    init(decoding bytes: [UInt8]) throws(DecodeError) {
        var values: [String: Substring] = [:]
        // Foreign bytes: what is not UTF-8 is repaired here and fails the comparison below.
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2 else { throw .invalid("line of an identity file") }
            values[String(words[0])] = words[1]
        }
        guard let format = values["format"].flatMap({ UInt32($0) }),
            let cluster = values["cluster"], cluster.utf8.count == 32,
            let high = UInt64(cluster.prefix(16), radix: 16),
            let low = UInt64(cluster.suffix(16), radix: 16),
            let node = values["node"].flatMap({ UInt64($0) }),
            let groupCount = values["groups"].flatMap({ Int($0) }),
            let incarnation = values["incarnation"].flatMap({ UInt64($0, radix: 16) }),
            incarnation > 0, (1...Limits.groupsMax).contains(groupCount)
        else { throw .invalid("identity file") }
        self.format = format
        self.node = NodeIdentity(cluster: ClusterID(high: high, low: low), node: NodeID(node))
        self.groupCount = groupCount
        self.incarnation = incarnation
        guard encoded == bytes else { throw .checksumMismatch }
    }

    /// The identity of a directory that is made now.
    init(node: NodeIdentity, groupCount: Int) {
        format = Identity.formatVersion
        self.node = node
        self.groupCount = groupCount
        incarnation = UInt64.random(in: 1...UInt64.max)
    }

    /// Throws unless the directory that says `self` is the one for `expected`.
    func check(
        against expected: Identity,
        directory: String
    ) throws(LogStoreError) {
        guard format == expected.format else {
            throw .unknownFormat(directory: directory, found: format)
        }
        guard node.cluster == expected.node.cluster else {
            throw .otherCluster(directory: directory, found: node, expected: expected.node)
        }
        guard node.node == expected.node.node else {
            throw .otherNode(directory: directory, found: node, expected: expected.node)
        }
        guard groupCount == expected.groupCount else {
            throw .otherGroupCount(
                directory: directory,
                found: groupCount,
                expected: expected.groupCount
            )
        }
    }
}
