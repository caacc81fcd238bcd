// What `holdfast backup` asks of a node: that a group has a snapshot with all that was acknowledged
// before, and the pieces of its file.
//
// The question goes the way of a read, so only a leader that a majority stands behind answers, and
// what is applied then has all that was acknowledged. Who asks waits until a snapshot of that is
// durable. Nothing is kept for a backup: whoever reads too slowly finds the snapshot gone, and asks
// for another.

import HoldfastWire
import LogStore
import NIOCore
import RaftCore
import Replica

/// Waits for a snapshot that stands for the entry `through`.
struct BackupWaiter {
    var target: ReplyTarget
    var through: LogIndex
}

extension Reactor {
    /// The group's leader may answer: what it has applied has everything.
    func beginBackup(_ target: ReplyTarget, _ group: LocalGroup) {
        let applied = group.replica.applied
        group.backups.append(BackupWaiter(target: target, through: applied))
        group.replica.wantSnapshot(through: applied)
        markDirty(group)
    }

    /// Answers those whose snapshot is there, and all of them where another node leads.
    func carryOutBackups(_ group: LocalGroup) {
        guard !group.backups.isEmpty else { return }
        let waiting = group.backups
        let position = group.replica.raft.snapshot.position
        let isLeader = group.replica.raft.isLeader
        group.backups = []
        for waiter in waiting {
            if waiter.through <= position.index {
                render(waiter.target) { writer in
                    writer.array(2)
                    writer.integer(Int64(clamping: position.term.rawValue))
                    writer.integer(Int64(clamping: position.index.rawValue))
                }
            } else if isLeader {
                group.backups.append(waiter)
            } else {
                render(waiter.target) { $0.error("UNAVAILABLE another node leads the group now") }
            }
        }
    }

    /// Reads a piece on the snapshot thread, and answers here.
    func readForBackup(
        _ group: GroupID,
        _ position: LogPosition,
        _ offset: UInt64,
        for target: ReplyTarget
    ) {
        node.snapshots.read(group, position, at: offset) { result in
            self.loop.execute {
                self.render(target) { writer in
                    switch result {
                    case .success((let total, let bytes)?):
                        writer.array(2)
                        writer.integer(Int64(clamping: total))
                        writer.bulk(bytes)
                    case .success(nil): writer.error("GONE this snapshot is there no more")
                    case .failure(let error): writer.error("ERR \(error)")
                    }
                }
            }
        }
    }
}
