// What all parts of a node share. Constant after start, or locked inside.

import Logging
import PeerWire
import RaftCore

final class NodeContext: Sendable {
    let configuration: ClusterConfiguration
    let own: NodeConfiguration
    let reactorCount: Int
    let board: StatusBoard
    let members: MemberDirectory
    let admissions: PeerAdmissions
    let returnPaths = ReturnPaths()
    let keys: NodeKeys
    let disk: DiskThread
    let space: DiskSpace
    let snapshots: SnapshotThread
    let hello: Hello
    let logger: Logger
    let startedAt = WallClock.now()

    init(
        configuration: ClusterConfiguration,
        own: NodeConfiguration,
        reactorCount: Int,
        hello: Hello,
        admissions: PeerAdmissions,
        keys: NodeKeys,
        disk: DiskThread,
        space: DiskSpace,
        snapshots: SnapshotThread,
        logger: Logger
    ) {
        self.configuration = configuration
        self.own = own
        self.reactorCount = reactorCount
        self.hello = hello
        self.admissions = admissions
        self.keys = keys
        self.disk = disk
        self.space = space
        self.snapshots = snapshots
        self.logger = logger
        board = StatusBoard(groupCount: configuration.groupCount)
        members = MemberDirectory(configuration: configuration)
    }

    var id: NodeID { own.id }

    /// A message was dropped for which the peer's version has no words. Lost on the way, as any
    /// message may be; but one that is always lost holds its group up for ever, and nothing else
    /// says so.
    func reportInexpressible(
        to peer: NodeID,
        _ group: GroupID,
        _ version: CodecVersion,
        _ more: Logger.Metadata
    ) {
        guard admissions.mustReport(.inexpressible, of: peer, at: MonotonicClock.now()) else {
            return
        }
        let metadata: Logger.Metadata = [
            "peer": "\(peer.rawValue)", "group": "\(group.rawValue)",
            "version": "\(version.rawValue)",
        ]
        logger.warning(
            """
            a message was dropped that the peer does not understand: it has not said yet which \
            version it speaks, or is of an older release
            """,
            metadata: metadata.merging(more) { $1 }
        )
    }
}
