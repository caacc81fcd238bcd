// The digests that a group's machines had after one entry, as its leader heard them, on their way
// back through the log. The log brings the same list to every replica, also to one that was slow to
// reach that entry, and each judges itself by it. The machine only carries it.

import Bytes

/// What several replicas said their state was after one entry of their log.
package struct Attestation: Equatable, Sendable {
    /// The log index of that entry.
    package var index: UInt64
    /// Ascending by node, without repeats; at most `votesMax`.
    package var votes: [Vote]

    package static let votesMax = Limits.votesPerAttestation

    /// One replica's word.
    package struct Vote: Equatable, Sendable {
        /// The replica's node id.
        package var node: UInt64
        package var digest: StateDigest

        package init(node: UInt64, digest: StateDigest) {
            self.node = node
            self.digest = digest
        }
    }

    /// `votes` ascend by node.
    package init(index: UInt64, votes: [Vote]) {
        precondition(votes.count <= Limits.votesPerAttestation)
        precondition(zip(votes, votes.dropFirst()).allSatisfy { $0.node < $1.node })
        self.index = index
        self.votes = votes
    }
}

extension Attestation {
    /// A node's varint and its digest.
    private static let voteBytesMin = 9

    func encode(into writer: inout ByteWriter) {
        writer.writeVarint(index)
        writer.writeCount(votes.count)
        for vote in votes {
            writer.writeVarint(vote.node)
            writer.write(vote.digest.rawValue)
        }
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        let index = try reader.readVarint()
        let count = try reader.readCount(limit: Limits.votesPerAttestation)
        guard count * Self.voteBytesMin <= reader.remaining else { throw .truncated }
        var votes: [Vote] = []
        votes.reserveCapacity(count)
        for _ in 0..<count {
            let node = try reader.readVarint()
            // A node that is listed twice would have two voices.
            if let last = votes.last, last.node >= node { throw .invalid("votes out of order") }
            votes.append(Vote(node: node, digest: StateDigest(rawValue: try reader.readUInt64())))
        }
        self.init(index: index, votes: votes)
    }
}
