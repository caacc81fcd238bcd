// How a node introduces itself on a link: which cluster, which node, which disk, which formats.
//
// A build that knows version 1 only takes exactly the hello of version 1 and closes the connection
// on anything else. So the hello stays as it is, and what it has no room for follows in a frame
// that such a build reads and disregards: a message of group 0 in term 0, an answer to an append
// that nobody sent. No leader has term 0, so no node ever says this and means it.
//
//     append response, rejected     previous index   the highest version understood
//                                   hint's term      the incarnation's upper 32 bits
//                                   hint's index     its lower 32 bits; 0 and 0: it has none
//
// A reader that knows this waits for the frame after the hello before it says who is there. A node
// of version 1 sends none, and is introduced with its first message.

import Bytes
package import RaftCore

/// A data directory, told from every other by 64 random bits that are drawn when it is made. A node
/// that comes back with another one has lost what it promised.
package struct Incarnation: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64

    /// Nil for 0, which stands for "none" on the wire.
    package init?(rawValue: UInt64) {
        guard rawValue != 0 else { return nil }
        self.rawValue = rawValue
    }
}

/// How a node introduces itself to a peer.
package struct Hello: Hashable, Sendable {
    package var cluster: ClusterID
    package var node: NodeID
    /// Both sides must deal the slots to the same number of groups.
    package var groupCount: UInt16
    /// The highest version that the sender understands. Of a later one than this build knows, the
    /// decoder makes the latest that it does know.
    package var version: CodecVersion
    /// Nil from a release that has none.
    package var incarnation: Incarnation?

    package init(
        cluster: ClusterID,
        node: NodeID,
        groupCount: UInt16,
        version: CodecVersion,
        incarnation: Incarnation?
    ) {
        self.cluster = cluster
        self.node = node
        self.groupCount = groupCount
        self.version = version
        self.incarnation = incarnation
    }
}

extension Hello {
    private static let half: UInt64 = 32
    private static let halfMax = UInt64(UInt32.max)

    /// Whether version 1's hello leaves something unsaid.
    var needsSupplement: Bool { version > .v1 || incarnation != nil }

    /// What follows the hello, for the eyes of `peer`.
    func supplement(to peer: NodeID) -> Message {
        let bits = incarnation?.rawValue ?? 0
        let hint = LogPosition(
            term: Term(bits >> Self.half),
            index: LogIndex(bits & Self.halfMax)
        )
        let version = LogIndex(UInt64(version.rawValue))
        return Message(
            from: node,
            to: peer,
            term: .zero,
            body: .appendResponse(.rejected(previous: version, hint: hint))
        )
    }

    /// Takes up what the frame after the hello says; false where that frame is no supplement.
    mutating func take(_ message: Message) throws(DecodeError) -> Bool {
        guard message.term == .zero,
            case .appendResponse(.rejected(let previous, let hint)) = message.body
        else { return false }
        guard message.from == node, let version = CodecVersion(understanding: previous.rawValue),
            hint.term.rawValue <= Self.halfMax, hint.index.rawValue <= Self.halfMax
        else { throw .invalid("a supplement that does not fit its hello") }
        self.version = version
        let bits = hint.term.rawValue << Self.half | hint.index.rawValue
        incarnation = Incarnation(rawValue: bits)
        return true
    }
}
