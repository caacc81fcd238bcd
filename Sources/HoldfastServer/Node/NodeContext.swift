// What all parts of a node share. Constant after start, or locked inside.

import Logging
import PeerWire
import RaftCore

final class NodeContext: Sendable {
    let configuration: ClusterConfiguration
    let own: NodeConfiguration
    let peers: [NodeConfiguration]
    let reactorCount: Int
    let board: StatusBoard
    let disk: DiskThread
    let logger: Logger
    let startedAt = WallClock.now()

    init(
        configuration: ClusterConfiguration,
        own: NodeConfiguration,
        reactorCount: Int,
        disk: DiskThread,
        logger: Logger
    ) {
        self.configuration = configuration
        self.own = own
        peers = configuration.nodes.filter { $0.id != own.id }
        self.reactorCount = reactorCount
        board = StatusBoard(groupCount: configuration.groupCount)
        self.disk = disk
        self.logger = logger
    }

    var id: NodeID { own.id }

    var hello: Hello {
        Hello(
            cluster: configuration.cluster,
            node: own.id,
            groupCount: UInt16(configuration.groupCount)
        )
    }
}
