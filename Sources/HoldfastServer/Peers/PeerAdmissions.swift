// Which peers may speak to this node, and in which format it speaks to them: the node-wide half of
// what hellos are about (the other is PeerWire's). Who was met is kept in the file `peers` of the
// data directory: a peer that comes back with another disk must be known again after a restart.
//
// In: hellos, from any reactor. Out: an admission, which for a peer that was never met is given
// only when it is on the disk.

import Bytes
import LogStore
import NIOConcurrencyHelpers
import NIOCore
import PeerWire
import RaftCore

final class PeerAdmissions: Sendable {
    private struct State {
        var known: KnownPeers
        var versions: PeerVersions
        var reports: [(kind: Report, node: NodeID?, at: Instant)] = []
    }

    /// What the log is told of a peer, though it happens again and again.
    enum Report: Hashable, Sendable {
        /// The peer's connection was refused; it comes again with each of the peer's tries.
        case refusal
        /// There was something to say for which the peer's version has no words.
        case inexpressible
    }

    private let path: String
    private let state: NIOLockedValueBox<State>

    /// Reads the file. A directory `isNew` has none yet; elsewhere it must be there, since nobody
    /// could be refused without it.
    init(directory: String, own hello: Hello, isNew: Bool) throws(StartError) {
        path = Self.path(in: directory)
        let met = try Self.peersMet(by: hello, in: directory)
        guard met != nil || isNew else {
            throw .reason(.damage(Self.complaint(path, "is missing")))
        }
        let known = met ?? KnownPeers(own: hello)
        state = NIOLockedValueBox(State(known: known, versions: PeerVersions(own: .latest)))
        guard met == nil else { return }
        do {
            try store(known)
        } catch {
            throw .reason(.disk("\(error)"))
        }
    }

    /// Reads the file of a directory; nil where there is none.
    static func peersMet(
        by own: Hello,
        in directory: String
    ) throws(StartError) -> KnownPeers? {
        let path = path(in: directory)
        let bytes: [UInt8]?
        do {
            bytes = try DurableFile.read(path, bytesMax: fileBytesMax)
        } catch {
            throw .reason(.disk("\(error)"))
        }
        guard let bytes else { return nil }
        do {
            return try KnownPeers(encoded: bytes[...], own: own)
        } catch {
            throw .reason(.damage(complaint(path, "cannot be read (\(error))")))
        }
    }

    private static func path(in directory: String) -> String { directory + "/peers" }

    private static let fileBytesMax = 128 * 1024

    private static func complaint(_ path: String, _ what: String) -> String {
        "\(path) \(what). It says which peers this node has met, so that one which lost its disk "
            + "is not let in again under its old id. Restore it, or replace this node by one with "
            + "a new id ('holdfast members replace')."
    }

    private func store(_ known: KnownPeers) throws(DurableFile.Failure) {
        try DurableFile.replace(path, with: known.encoded)
    }

    /// Judges a hello without touching the disk: `.new` still has to be made durable by `admit`.
    func judge(_ hello: Hello) -> Admission {
        state.withLockedValue { state in
            var next = state.known
            return next.admit(hello)
        }
    }

    /// Admits a peer, durably. Blocks; called on one thread only, so that no two changes of the
    /// file race.
    func admit(_ hello: Hello) throws(DurableFile.Failure) -> Admission {
        var next = state.withLockedValue { $0.known }
        let admission = next.admit(hello)
        guard case .new = admission else { return admission }
        try store(next)
        let stored = next
        state.withLockedValue { $0.known = stored }
        return .known
    }

    /// Whether the log should be told now. Those who have not said who they are (nil) count as one.
    func mustReport(_ kind: Report, of node: NodeID?, at now: Instant) -> Bool {
        state.withLockedValue { state in
            state.reports.removeAll { $0.at.advanced(by: Limits.reportInterval) <= now }
            let isKnown = state.reports.contains { $0.kind == kind && $0.node == node }
            guard !isKnown else { return false }
            if state.reports.count == Limits.reportsMax { state.reports.removeFirst() }
            state.reports.append((kind, node, now))
            return true
        }
    }

    // MARK: Versions

    /// A link from the peer is open.
    func opened(by hello: Hello) { state.withLockedValue { $0.versions.opened(by: hello) } }

    /// A link from the peer closed.
    func closed(by node: NodeID) { state.withLockedValue { $0.versions.closed(by: node) } }

    /// The version to write to the peer. To be asked where it is used: it may change at any time.
    func version(of node: NodeID) -> CodecVersion {
        state.withLockedValue { $0.versions[node] }
    }
}

extension Hello {
    /// What a node says of itself whose data directory has that `incarnation`.
    init(of identity: NodeIdentity, groupCount: Int, incarnation: UInt64) {
        self.init(
            cluster: identity.cluster,
            node: identity.node,
            groupCount: UInt16(clamping: groupCount),
            version: .latest,
            incarnation: Incarnation(rawValue: incarnation)
        )
    }
}
