// The formats that nodes write to each other, and how a writer learns which one its reader knows,
// so that the nodes of a cluster can be upgraded one by one from now on.
//
// No release spoke version 1, and none could be upgraded from it in place: the log's own format
// changed with it. It is what there is to try the next upgrade against: the simulator runs clusters
// in which some nodes speak version 1 only.
//
// What is written to a link is seldom answered on it, so it tells the writer nothing of the reader.
// The reader's own link to the writer does: its hello names the highest version it understands.
// Until that hello is in, and again after the last of the peer's links has closed, version 1 is
// written: everybody reads it, and a peer that comes back may have gone back to an older release.

package import RaftCore

/// A format of the frames after the hello. A reader understands all up to the one it names.
package enum CodecVersion: UInt8, Hashable, Comparable, Sendable {
    /// Elections, appends of commands, heartbeats: a frame a message.
    case v1 = 1
    /// Membership entries, snapshots and fingerprints too; the heartbeats of all groups in one
    /// frame.
    case v2 = 2

    package static let latest = CodecVersion.v2

    package static func < (left: CodecVersion, right: CodecVersion) -> Bool {
        left.rawValue < right.rawValue
    }

    /// The latest that this build shares with one that understands `number`; nil for 0, which
    /// nobody says.
    init?(understanding number: UInt64) {
        guard number > 0 else { return nil }
        let shared = min(number, UInt64(Self.latest.rawValue))
        self.init(rawValue: UInt8(shared))
    }

    /// The first version that can say `body`.
    init(neededBy body: Message.Body) {
        switch body {
        case .snapshotChunk, .snapshotResponse, .fingerprint, .voiceRequest, .voiceResponse,
            .homecomingRequest, .homecomingResponse:
            self = .v2
        case .appendRequest(let request):
            self = request.entries.contains(where: \.isMembership) ? .v2 : .v1
        case .preVoteRequest, .preVoteResponse, .voteRequest, .voteResponse, .appendResponse,
            .heartbeat, .heartbeatResponse, .timeoutNow:
            self = .v1
        }
    }
}

extension Entry {
    fileprivate var isMembership: Bool {
        if case .membership = content { true } else { false }
    }
}

/// Which version to write to each peer. One for a node, not one for a link: the peer's hello may
/// come in on a link that another thread serves.
package struct PeerVersions: Sendable {
    private struct Peer {
        var id: NodeID
        var version: CodecVersion
        /// Links from the peer that are open.
        var links: Int
    }

    private let own: CodecVersion
    private var peers: [Peer] = []

    /// `own` is the highest version that this node writes.
    package init(own: CodecVersion) { self.own = own }

    /// A link from a peer said hello. The newest hello counts: a peer that restarted with another
    /// release says so while its old links may still linger.
    package mutating func opened(by hello: Hello) {
        if let place = peers.firstIndex(where: { $0.id == hello.node }) {
            peers[place].version = hello.version
            peers[place].links += 1
        } else {
            peers.append(Peer(id: hello.node, version: hello.version, links: 1))
        }
    }

    /// A link that had said hello closed. After the last one the peer's version is not known.
    package mutating func closed(by node: NodeID) {
        guard let place = peers.firstIndex(where: { $0.id == node }) else { return }
        peers[place].links -= 1
        if peers[place].links == 0 { peers.remove(at: place) }
    }

    /// What to write to `node`: the lower of its version and this node's; version 1 while it is not
    /// known.
    package subscript(node: NodeID) -> CodecVersion {
        guard let peer = peers.first(where: { $0.id == node }) else { return .v1 }
        return min(own, peer.version)
    }
}
