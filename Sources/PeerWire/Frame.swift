// A frame between two nodes of a cluster.
//
//      4 bytes   length of what follows the checksum
//      4 bytes   CRC-32C of what follows
//      1 byte    format version
//      1 byte    kind: hello or message
//      ...       body
//
// The first frame of a connection is a hello: cluster, node, number of groups. Every
// later one is a Raft message of one group, and repeats the cluster and names both nodes: a frame
// that ends up with the wrong node says so by itself. A frame that does not decode ends its
// connection.

package import RaftCore

/// What a frame carries.
package enum Frame: Hashable, Sendable {
    case hello(Hello)
    case message(GroupID, Message)
}

/// How a node introduces itself to a peer.
package struct Hello: Hashable, Sendable {
    package var cluster: ClusterID
    package var node: NodeID
    /// Both sides must deal the slots to the same number of groups.
    package var groupCount: UInt16

    package init(cluster: ClusterID, node: NodeID, groupCount: UInt16) {
        self.cluster = cluster
        self.node = node
        self.groupCount = groupCount
    }
}

extension Frame {
    /// The version that this build writes, and the only one it reads.
    static let version: UInt8 = 1
    /// Length and checksum.
    static let prefixBytes = 8

    enum Kind: UInt8 {
        case hello = 1
        case message = 2
    }
}
