// From a data directory to replicas: for each group the machine of its newest snapshot, and the log
// after it. A directory that is new gets its first snapshots here, which stand for nothing and name
// the members with which the node begins:
//
//     bootstrap   all nodes of the configuration: the cluster is new
//     join        nobody: the node waits until it is added to a cluster that runs
//
// After that the members come from the disk alone; the configuration is not asked again.

import Bytes
import LogStore
import Logging
import PeerWire
import RaftCore
import Replica
import SessionMachine

/// What a directory that is new is told about its cluster.
package enum FirstStart: Hashable, Sendable {
    /// It is new too, and has the members of the configuration.
    case bootstrap
    /// It runs, and somebody will add this node.
    case join
}

struct NodeRecovery {
    let configuration: ClusterConfiguration
    let own: NodeConfiguration
    let first: FirstStart

    func open(_ directory: String, _ logger: Logger) throws(StartError) -> RecoveredNode {
        do {
            let store = try LogStore.open(
                directory: directory,
                identity: NodeIdentity(cluster: configuration.cluster, node: own.id),
                groupCount: configuration.groupCount
            )
            var machines: [GroupID: SessionMachine] = [:]
            let recovered = try store.recover(
                progress: { rows, total in
                    logger.info("recovering", metadata: ["rows": "\(rows)", "of": "\(total)"])
                },
                load: { (reader) throws(LogStoreError) in
                    machines[reader.group] = try SessionMachine.load(
                        from: reader.sections,
                        unsound: reader.unsound
                    )
                }
            )
            return try make(store, recovered, machines, directory, logger)
        } catch let error as StartError {
            throw error
        } catch let error as LogStoreError {
            throw .reason(FatalReason(error))
        } catch {
            throw .reason(.bug("the start from \(directory) failed: \(error)"))
        }
    }

    private func make(
        _ store: LogStore,
        _ recovered: [RecoveredGroup],
        _ machines: [GroupID: SessionMachine],
        _ directory: String,
        _ logger: Logger
    ) throws -> RecoveredNode {
        let hello = Hello(
            cluster: configuration.cluster,
            node: own.id,
            groupCount: UInt16(configuration.groupCount),
            version: .latest,
            incarnation: Incarnation(rawValue: store.incarnation)
        )
        // A first start that was cut short may have made some of the snapshots.
        let isNew = recovered.contains { $0.snapshot == nil }
        let admissions = try PeerAdmissions(directory: directory, own: hello, isNew: isNew)
        let members = founders(recovered)
        var replicas: [Replica] = []
        for group in recovered {
            for passedOver in group.passedOver {
                logger.error(
                    "a snapshot cannot be used; an older one and the log stand for it",
                    metadata: [
                        "group": "\(group.group.rawValue)", "file": "\(passedOver.file)",
                        "kept-as": "\(passedOver.keptAs)", "reason": "\(passedOver.reason)",
                    ]
                )
            }
            replicas.append(
                try replica(group, machines[group.group], members, store.snapshots)
            )
        }
        checkAddress(replicas, logger)
        return RecoveredNode(
            store: store,
            hello: hello,
            admissions: admissions,
            replicas: replicas
        )
    }

    /// The others go by the address with which this node became a member.
    private func checkAddress(_ replicas: [Replica], _ logger: Logger) {
        for replica in replicas {
            guard let member = replica.raft.membership[own.id],
                let known = NodeConfiguration(own.id, contact: member.contact),
                known.contact != own.contact
            else { continue }
            return logger.warning(
                """
                the other nodes know this one under another address than the configuration has, \
                and will not find it there: set it back, or replace the node by one with a new id
                """,
                metadata: ["known": "\(known.contact)", "configured": "\(own.contact)"]
            )
        }
    }

    /// Whom a new directory's snapshots name. One that was begun is finished as it was begun.
    private func founders(_ recovered: [RecoveredGroup]) -> Membership {
        if let begun = recovered.lazy.compactMap(\.snapshot).first { return begun.membership }
        switch first {
        case .bootstrap: return Membership(bootstrap: configuration.nodes)
        case .join: return .none
        }
    }

    private func replica(
        _ group: RecoveredGroup,
        _ loaded: SessionMachine?,
        _ founders: Membership,
        _ files: SnapshotFiles
    ) throws -> Replica {
        let mark: SnapshotMark
        let machine: SessionMachine
        switch (group.snapshot, loaded) {
        case (let found?, let loaded?):
            mark = found
            machine = loaded
        case (nil, nil):
            mark = SnapshotMark(position: .origin, membership: founders)
            machine = SessionMachine(seed: seed(of: group.group))
            let writer = try files.writer(of: group.group, at: mark)
            var encoder = SnapshotEncoder(machine)
            while let section = encoder.next() { try writer.append(section[...]) }
            try writer.finish()
        case (_?, nil), (nil, _?):
            // An empty machine in the place of one that was found would forget sessions.
            throw StartError.reason(
                .bug("group \(group.group.rawValue): the snapshot is not the one that was loaded")
            )
        }
        let raft = RaftNode(
            configuration: raftConfiguration(group.group, mark.membership),
            hardState: group.hardState,
            snapshot: mark,
            base: group.base,
            entries: group.entries,
            startedAt: MonotonicClock.now()
        )
        return Replica(group: group.group, raft: raft, machine: machine, tuning: tuning)
    }

    /// Every replica of a group must hash alike, and no two clusters should.
    private func seed(of group: GroupID) -> HashSeed {
        HashSeed(
            low: configuration.cluster.low ^ UInt64(group.rawValue),
            high: configuration.cluster.high
        )
    }

    private func raftConfiguration(
        _ group: GroupID,
        _ membership: Membership
    ) -> RaftConfiguration {
        let timing = configuration.timing
        var limits = RaftCore.Limits()
        limits.trailingEntries = configuration.snapshot.trailing
        return RaftConfiguration(
            id: own.id,
            electionTicks: timing.electionTicks,
            heartbeatTicks: timing.heartbeatTicks,
            seed: UInt64.random(in: 0...UInt64.max),
            promise: timing.promise,
            reads: readRule,
            priority: membership.home(of: group) == own.id ? .preferred : .normal,
            diskStallTicks: timing.diskStallTicks,
            limits: limits
        )
    }

    private var readRule: ReadRule {
        switch configuration.reads {
        case .quorum: .quorum
        case .lease(let drift): .lease(driftPermille: UInt64(drift))
        }
    }

    private var tuning: Tuning {
        var tuning = Tuning(
            parkingTicks: configuration.timing.parkingTicks,
            pendingTicks: configuration.timing.commitTicks
        )
        tuning.snapshotEntries = configuration.snapshot.entries
        tuning.snapshotBytes = configuration.snapshot.bytes
        return tuning
    }
}
