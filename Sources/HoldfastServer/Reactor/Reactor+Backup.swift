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

    /// There will be no snapshot soon. Whoever has asked may ask again.
    func refuseBackups(_ group: LocalGroup) {
        let waiting = group.backups
        group.backups = []
        for waiter in waiting {
            render(waiter.target) {
                $0.error("ERR the snapshot could not be stored; the node's log says why")
            }
        }
    }

    /// Reads a piece on the snapshot thread, and answers here.
    func read(_ piece: BackupPiece, for target: ReplyTarget) {
        node.snapshots.read(piece) { result in
            self.loop.execute { self.render(target) { Self.write(result, &$0) } }
        }
    }

    private static func write(
        _ result: Result<SnapshotThread.Piece?, LogStoreError>,
        _ writer: inout ReplyWriter
    ) {
        switch result {
        case .success(let piece?):
            writer.array(3)
            writer.integer(Int64(clamping: piece.total))
            writer.integer(Int64(piece.tag))
            writer.bulk(piece.bytes)
        case .success(nil): writer.error("GONE this snapshot is there no more")
        case .failure:
            writer.error("ERR the snapshot cannot be read; the node's log says why")
        }
    }
}

/// What is asked of a snapshot's file.
struct BackupPiece: Sendable {
    var group: GroupID
    var position: LogPosition
    var offset: UInt64
    /// Of the file that the pieces before were of; nil for the first one.
    var tag: UInt64?
}
