// Who has ever said hello to this node, and with which disk.
//
// A node promises with its disk: whom it voted for, which entries it holds. One that lost its disk
// and comes back under its old id can take both back, and a group could elect two leaders of a term
// or forget what it had acknowledged. The group cannot see it; this can: the new disk has another
// incarnation. Such a node is refused, by everyone who ever heard of it before, and may come back
// under a new id only.
//
// In: hellos. Out: who may speak. The owner keeps the bytes in its data directory, and works on a
// copy, because what is not durable yet must not count as known:
//
//     var next = known
//     switch next.admit(hello) {
//     case .known: go on
//     case .new: write next.encoded durably, then known = next, then go on
//     case .refused(let refusal): log refusal.reason, close the connection
//     }
//
//     version u8 (1) | cluster 16 | own id u64 | count u32
//     each peer, ascending:  id u64 | incarnation u64
//     CRC-32C u32 of all that

package import Bytes
package import RaftCore

/// Whether a peer may speak.
package enum Admission: Hashable, Sendable {
    case known
    /// It may, once what `admit` has noted is durable and not before: nothing the peer sends may be
    /// processed until then.
    case new
    case refused(Refusal)

    package enum Refusal: Hashable, Sendable {
        case otherCluster
        case otherGroupCount(peer: UInt16, own: UInt16)
        /// It uses the id of the node that it says hello to.
        case ownID(NodeID)
        /// It came back with another disk.
        case otherIncarnation(NodeID, was: Incarnation, now: Incarnation)
        /// It came back with a release that does not say which disk it has.
        case silentIncarnation(NodeID, was: Incarnation)
        /// `Limits.knownPeersMax` peers are known.
        case tooManyPeers
    }
}

/// The incarnation of every peer that ever gave one.
package struct KnownPeers: Hashable, Sendable {
    private struct Peer: Hashable, Sendable {
        var id: NodeID
        var incarnation: Incarnation
    }

    private let cluster: ClusterID
    private let own: NodeID
    private let groupCount: UInt16
    /// Ascending by id.
    private var peers: [Peer] = []

    /// Nobody, yet. `hello` is this node's own.
    package init(own hello: Hello) {
        cluster = hello.cluster
        own = hello.node
        groupCount = hello.groupCount
    }

    package var count: Int { peers.count }

    package subscript(node: NodeID) -> Incarnation? {
        peers.first { $0.id == node }?.incarnation
    }

    /// Judges a hello, and notes the incarnation of a peer that was not known. A peer of a release
    /// that gives none is let in as long as it never gave one, and nothing is noted: a lost disk is
    /// first noticed with the release after that.
    package mutating func admit(_ hello: Hello) -> Admission {
        guard hello.cluster == cluster else { return .refused(.otherCluster) }
        guard hello.groupCount == groupCount else {
            return .refused(.otherGroupCount(peer: hello.groupCount, own: groupCount))
        }
        guard hello.node != own else { return .refused(.ownID(own)) }
        switch (self[hello.node], hello.incarnation) {
        case (nil, nil):
            return .known
        case (nil, let now?):
            guard peers.count < Limits.knownPeersMax else { return .refused(.tooManyPeers) }
            let place = peers.firstIndex { $0.id > hello.node } ?? peers.endIndex
            peers.insert(Peer(id: hello.node, incarnation: now), at: place)
            return .new
        case (let was?, nil):
            return .refused(.silentIncarnation(hello.node, was: was))
        case (let was?, let now?):
            guard was == now else {
                return .refused(.otherIncarnation(hello.node, was: was, now: now))
            }
            return .known
        }
    }
}

// MARK: What the operator reads

extension Admission.Refusal {
    /// What is wrong and what to do, in a sentence or two.
    package var reason: String {
        switch self {
        case .otherCluster:
            "it belongs to another cluster; check 'cluster-id' on both nodes"
        case .otherGroupCount(let peer, let own):
            "it has \(peer) groups, this node \(own); 'groups' must be the same on all nodes"
        case .ownID(let id):
            "it says that it is node \(id.rawValue), which is this node; check 'id' on both nodes"
        case .otherIncarnation(let id, let was, let now):
            """
            node \(id.rawValue) came back with another disk: its data directory was \
            \(was.hexadecimal) and is \(now.hexadecimal). The votes and the data that the old one \
            promised to keep are gone, so it may not take part under this id again. Put the old \
            directory back, or empty the new one and let the node join under a new id in the \
            place of \(id.rawValue): 'holdfast members replace'
            """
        case .silentIncarnation(let id, let was):
            """
            node \(id.rawValue) does not say which disk it has, and did before \
            (\(was.hexadecimal)): it runs an older release now. Start it with the release that it \
            had
            """
        case .tooManyPeers:
            "\(Limits.knownPeersMax) peers are known already, removed ones included"
        }
    }
}

extension Incarnation {
    /// Sixteen digits.
    package var hexadecimal: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

// MARK: Bytes

extension KnownPeers {
    private static let formatVersion: UInt8 = 1

    /// What the owner keeps in a file.
    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 33 + 16 * peers.count)
        writer.write(Self.formatVersion)
        writer.write(cluster)
        writer.write(own.rawValue)
        writer.write(UInt32(peers.count))
        for peer in peers {
            writer.write(peer.id.rawValue)
            writer.write(peer.incarnation.rawValue)
        }
        writer.write(CRC32C.checksum(writer.bytes))
        return writer.bytes
    }

    /// Reads `encoded` back. `hello` is this node's own; bytes that another node wrote, or a node
    /// of another cluster, are refused as damaged ones are. None of it may be answered by starting
    /// with nobody known.
    package init(encoded bytes: ArraySlice<UInt8>, own hello: Hello) throws(DecodeError) {
        self.init(own: hello)
        var reader = try ByteReader(checked: bytes)
        let version = try reader.readUInt8()
        guard version == Self.formatVersion else { throw .unknownTag(version) }
        guard try reader.readCluster() == cluster else { throw .invalid("of another cluster") }
        guard try reader.readUInt64() == own.rawValue else { throw .invalid("of another node") }
        let count = try reader.readUInt32()
        guard count <= Limits.knownPeersMax else { throw .tooLarge(Int(count)) }
        for _ in 0..<count {
            let id = NodeID(try reader.readUInt64())
            guard let incarnation = Incarnation(rawValue: try reader.readUInt64()),
                peers.last.map({ $0.id < id }) ?? true
            else { throw .invalid("not a list of peers") }
            peers.append(Peer(id: id, incarnation: incarnation))
        }
        try reader.expectEnd()
    }
}
