// From a data directory to replicas: for each group the machine of its newest snapshot, and the log
// after it. A directory that is new gets its first snapshots here, which stand for nothing and name
// the members with which the node begins:
//
//     bootstrap   all nodes of the configuration: the cluster is new
//     join        nobody: the node waits until it is added to a cluster that runs
//
// After that the members come from the disk alone; the configuration is not asked again.
//
// A journal that is damaged, or of which a group has no snapshot left to begin with, is set aside
// where there are other nodes to get it from again. All groups go on from their snapshots, or from
// nothing, and are mute until the others have told them what they lack (RaftCore, `Voice.swift`).

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
    /// Of the directory; nil where nobody looks after it.
    var space: DiskSpace?
    let keys: NodeKeys

    /// What the disk holds.
    private struct Found {
        var store: LogStore
        var groups: [RecoveredGroup]
        /// Those of the groups' snapshots.
        var machines: [GroupID: SessionMachine] = [:]
    }

    private var identity: NodeIdentity {
        NodeIdentity(cluster: configuration.cluster, node: own.id)
    }

    func open(_ directory: String, _ logger: Logger) throws(StartError) -> RecoveredNode {
        do {
            let found = try readOrRepair(directory, logger)
            return try make(found, directory, logger)
        } catch let error as StartError {
            throw error
        } catch let error as LogStoreError {
            throw .reason(FatalReason(error))
        } catch {
            throw .reason(.bug("the start from \(directory) failed: \(error)"))
        }
    }

    private func readOrRepair(
        _ directory: String,
        _ logger: Logger
    ) throws(LogStoreError) -> Found {
        do throws(LogStoreError) {
            return try read(directory, logger)
        } catch {
            // Alone, it has nobody to get anything from.
            guard case .damage(let damage) = error, damage.isOfDisk,
                configuration.nodes.count > 1
            else { throw error }
            try setAside(directory, because: damage, logger)
            return try read(directory, logger)
        }
    }

    private func read(_ directory: String, _ logger: Logger) throws(LogStoreError) -> Found {
        let store = try LogStore.open(
            directory: directory,
            identity: identity,
            groupCount: configuration.groupCount,
            keys: keys.keys
        )
        // The directory is the node's: from here on its ballast may be given up.
        space?.look()
        var machines: [GroupID: SessionMachine] = [:]
        do throws(LogStoreError) {
            let groups = try store.recover(
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
            try store.sealWhatIsClear(free: space?.free) { tell($0, logger) }
            return Found(store: store, groups: groups, machines: machines)
        } catch {
            store.abandon()
            throw error
        }
    }

    private func tell(_ step: LogStore.SealingStep, _ logger: Logger) {
        switch step {
        case .snapshots(let count):
            logger.notice("sealed \(count) snapshots that were stored in clear")
        case .failed(let file, let error):
            logger.error(
                "a snapshot stays in clear; it is tried again",
                metadata: ["file": "\(file)", "reason": "\(error)"]
            )
        case .journal: logger.notice("sealed the log, which was stored in clear")
        }
    }

    /// Throws the damage where the node does not know what it has promised.
    private func setAside(
        _ directory: String,
        because damage: Damage,
        _ logger: Logger
    ) throws(LogStoreError) {
        let place: String
        do throws(LogStoreError) {
            place = try LogStore.setJournalAside(
                directory: directory,
                identity: identity,
                groupCount: configuration.groupCount,
                keys: keys.keys
            )
        } catch {
            guard case .damage(let other) = error else { throw error }
            logger.error(
                "the log is damaged, and cannot be got again from the others",
                metadata: ["reason": "\(other)"]
            )
            throw .damage(damage)
        }
        logger.error(
            """
            the log is damaged: this node goes on from its snapshots and gets the rest from the \
            others; until it has it, it does not vote. Check the disk, and remove 'kept-as' when \
            'holdfast status' says nothing of it any more
            """,
            metadata: ["damage": "\(damage)", "kept-as": "\(place)"]
        )
    }

    private func make(
        _ found: Found,
        _ directory: String,
        _ logger: Logger
    ) throws -> RecoveredNode {
        let hello = Hello(
            of: identity,
            groupCount: configuration.groupCount,
            incarnation: found.store.incarnation
        )
        // A first start that was cut short may have made some of the snapshots.
        let isNew = found.groups.contains { $0.snapshot == nil && !$0.hardState.isMute }
        let admissions = try PeerAdmissions(directory: directory, own: hello, isNew: isNew)
        let founders = try founders(directory, found.groups)
        var replicas: [Replica] = []
        for group in found.groups {
            for passedOver in group.passedOver {
                logger.error(
                    group.snapshot == nil
                        ? "a snapshot cannot be used; the others send one"
                        : "a snapshot cannot be used; an older one and the log stand for it",
                    metadata: [
                        "group": "\(group.group.rawValue)", "file": "\(passedOver.file)",
                        "kept-as": "\(passedOver.keptAs)", "reason": "\(passedOver.reason)",
                    ]
                )
            }
            replicas.append(
                try replica(
                    group,
                    found.machines[group.group],
                    founders,
                    found.store.snapshots
                )
            )
        }
        checkAddress(replicas, logger)
        return RecoveredNode(
            store: found.store,
            keys: keys,
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

    /// Whom the first snapshots name; of no interest where every group has one. A directory that
    /// was begun is finished as it was begun.
    private func founders(
        _ directory: String,
        _ groups: [RecoveredGroup]
    ) throws(StartError) -> Membership {
        guard groups.contains(where: { $0.snapshot == nil }) else { return .none }
        let file = Founders(directory: directory)
        if let founders = try file.read() { return founders }
        guard groups.allSatisfy({ $0.snapshot == nil && !$0.hardState.isMute }) else {
            throw file.unusable("missing")
        }
        let founders: Membership
        switch first {
        case .bootstrap: founders = Membership(bootstrap: configuration.nodes)
        case .join: founders = .none
        }
        try file.write(founders)
        return founders
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
            try machine.store(with: files.writer(of: group.group, at: mark))
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
