// What a start found in a directory and made of it (see `NodeRecovery`), and how it comes to life:
// one context for the node, and each group with the reactor that drives it.

import LogStore
import Logging
import NIOCore
import PeerWire
import RaftCore
import Replica

struct RecoveredNode {
    var store: LogStore
    var keys: NodeKeys
    var hello: Hello
    var admissions: PeerAdmissions
    /// One for each group, in order.
    var replicas: [Replica]

    /// A reactor for each of `loops`, which are not none, and what they share. The threads of the
    /// disk and of the snapshots run; the reactors do not yet.
    func makeReactors(
        on loops: [any EventLoop],
        _ configuration: ClusterConfiguration,
        _ own: NodeConfiguration,
        _ space: DiskSpace,
        _ logger: Logger
    ) -> (node: NodeContext, reactors: [Reactor]) {
        precondition(!loops.isEmpty, "groups fall to nobody")
        let node = NodeContext(
            configuration: configuration,
            own: own,
            reactorCount: loops.count,
            hello: hello,
            admissions: admissions,
            keys: keys,
            disk: DiskThread(store: store, space: space, keys: keys),
            space: space,
            snapshots: SnapshotThread(
                files: store.snapshots,
                space: space,
                keys: keys,
                logger: logger
            ),
            logger: logger
        )
        let reactors = loops.enumerated().map { index, loop in
            let groups = replicas.map { replica in
                Int(replica.group.rawValue) % loops.count == index
                    ? LocalGroup(id: replica.group, replica: replica) : nil
            }
            return Reactor(index: index, loop: loop, node: node, groups: groups)
        }
        return (node, reactors)
    }
}
