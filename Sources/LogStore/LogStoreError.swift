// What can go wrong with the log, as one enum. Three kinds, and the server must tell them apart:
// - refused: the directory is not this node's, or in use, or a key is missing. Nothing was written.
// - damage: the directory is this node's and has lost or changed something that was durable. The
//   node must not vote, since it may have forgotten a vote or an acknowledged entry.
// - io: a call to the disk failed, and what it did is unknown. The store is dead from then on.

package import Bytes
package import RaftCore
package import Sealing

/// What takes the sections of a snapshot, in order: it makes a machine of them, or says why none
/// can be made.
package typealias SectionTaker = (_ section: ArraySlice<UInt8>) throws(DecodeError) -> Void

/// Why the store cannot serve. The description says what to do next.
package enum LogStoreError: Error, Hashable, Sendable {
    /// The directory belongs to another cluster.
    case otherCluster(directory: String, found: NodeIdentity, expected: NodeIdentity)
    /// The directory belongs to another node of this cluster.
    case otherNode(directory: String, found: NodeIdentity, expected: NodeIdentity)
    /// The directory was made for another number of shard groups.
    case otherGroupCount(directory: String, found: Int, expected: Int)
    /// The directory was written in a format that this build does not know.
    case unknownFormat(directory: String, found: UInt32)
    /// Another process, or another store of this one, has the directory open.
    case inUse(directory: String)
    /// SQLite does not run with a setting that durability rests on.
    case setting(pragma: String, wanted: String, found: String)
    /// Something is sealed with a key that is not there. Nothing is wrong with it.
    case missingKey(KeyID, of: String)
    /// What was stored in clear cannot be sealed: the disk has not enough room. Nothing was done.
    case noRoomToSeal(directory: String, needed: UInt64, free: UInt64)
    /// Something that was durable is gone or different. Must not vote.
    case damage(Damage)
    /// A call to the disk failed with unknown outcome. Stop the process; never retry.
    case io(call: String, reason: String)
    /// A directory could not be synced: names in it may be lost, and a later sync may say that they
    /// are not. Stop the process; never retry.
    case namesNotDurable(directory: String, reason: String)
    /// An entry above the limit; nothing was written, and the store goes on.
    case entryTooLarge(GroupID, LogIndex, bytes: Int)
    /// A snapshot that was received is not what it claims to be. Nothing of it was kept; the store
    /// and its older snapshots are as they were.
    case unsoundSnapshot(GroupID, LogPosition, DecodeError)
    /// The store was closed before.
    case closed
}

/// What the log has lost, or what in it is not as it was written.
package enum Damage: Hashable, Sendable {
    /// A file of the directory is not there.
    case missingFile(String)
    /// The identity file cannot be read.
    case identity
    /// The sidecar, which says how far the log was durable, cannot be read.
    case sidecar
    /// The file that says what was promised to candidates cannot be read.
    case votes
    /// It is not the latest: more was promised than it says.
    case oldVotes
    /// The log ends before the row that the sidecar knows to be durable.
    case shorterThanDurable(last: UInt64, durable: UInt64)
    /// The durable row is there and is not the one that was written.
    case otherHistory(sequence: UInt64)
    /// A row's bytes are not what was written.
    case row(sequence: UInt64, DecodeError)
    /// Rows are missing inside the log.
    case missingRow(sequence: UInt64)
    /// A row does not continue the one before it.
    case brokenChain(sequence: UInt64)
    /// A row names a group that this node does not have.
    case unknownGroup(sequence: UInt64, GroupID)
    /// A group's entries do not follow each other.
    case gap(sequence: UInt64, GroupID, LogIndex)
    /// A group's terms go back, or pass its hard state's.
    case terms(GroupID)
    /// The record of where the log begins is gone or impossible.
    case start
    /// The sidecar is older than the beginning of the log, before which it was made durable.
    case sidecarBehind(durable: UInt64, start: UInt64)
    /// A group's log does not begin where the row says.
    case base(sequence: UInt64, GroupID, LogIndex)
    /// A snapshot's file is not what was written.
    case snapshot(file: String, DecodeError)
    /// No snapshot stands for the entries up to `base`, after which the group's log begins.
    case noSnapshot(GroupID, base: LogIndex)
    /// A backup is not what was written, at that byte of it or soon after.
    case backup(file: String, offset: UInt64, DecodeError)
    /// SQLite finds the database file malformed.
    case database(reason: String)
}

extension Damage {
    /// Whether the disk may have done it. What is as it was written and makes no sense, another
    /// build has written, or a mistake of this one: every node of a cluster would find the same.
    package var isOfDisk: Bool {
        switch self {
        case .missingFile, .shorterThanDurable, .otherHistory, .missingRow, .brokenChain, .start,
            .sidecarBehind, .noSnapshot, .database:
            true
        case .row(_, let error), .snapshot(_, let error):
            error == .checksumMismatch || error == .truncated
        case .identity, .sidecar, .votes, .oldVotes, .unknownGroup, .gap, .terms, .base, .backup:
            false
        }
    }
}

extension LogStoreError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .otherCluster(let directory, let found, let expected):
            "\(directory) belongs to cluster \(found.cluster.text), this is cluster "
                + "\(expected.cluster.text). Give this node its own data directory."
        case .otherNode(let directory, let found, let expected):
            "\(directory) belongs to node \(found.node.rawValue), this is node "
                + "\(expected.node.rawValue). Start that node from it, or give this one its own."
        case .otherGroupCount(let directory, let found, let expected):
            "\(directory) holds \(found) shard groups, the configuration says \(expected). Set it "
                + "back to \(found): the number cannot change under existing data."
        case .unknownFormat(let directory, let found):
            "\(directory) is of format \(found), this build knows \(Identity.formatVersion). Start "
                + "the version of holdfastd that wrote it."
        case .inUse(let directory):
            "\(directory) is open already. Stop the other process, or configure another directory."
        case .setting(let pragma, let wanted, let found):
            "SQLite runs with \(pragma) = \(found), durability needs \(wanted). Put the data on a "
                + "local file system, and use SQLite 3.40 or later with WAL."
        case .missingKey(let key, let place):
            "\(place) is sealed with the key \(key), which is not among the keys: bring it here, "
                + "where the configuration says under 'at-rest'. 'holdfast keys list FILE' shows "
                + "what a file has."
        case .noRoomToSeal(let directory, let needed, let free):
            "sealing what is stored in clear in \(directory) takes \(needed) bytes of room, and "
                + "\(free) are free. Make room and start again; or start with 'encryption: off' as "
                + "before."
        case .damage(.backup(let file, let offset, let error)):
            "\(file) is not a whole backup: byte \(offset), or soon after, is not as it was "
                + "written (\(error)). Nothing was made of it. Take another copy of it."
        case .damage(let damage):
            "\(damage) This node may have forgotten a vote or an acknowledged entry and must not "
                + "vote. Keep the directory, check the disk, and start again: a node that can get "
                + "its log from the others does, and says so. If it ends like this again, replace "
                + "it by one with a new id ('holdfast members replace'). Never start it with an "
                + "empty directory under its old id."
        case .io(let call, let reason):
            "\(call) failed: \(reason). What reached the disk is unknown. Stop the process, check "
                + "the disk, start again."
        case .namesNotDurable(let directory, let reason):
            "fsync of \(directory) failed: \(reason). Which names in it reached the disk is "
                + "unknown. Stop the process, check the disk, start again."
        case .entryTooLarge(let group, let index, let bytes):
            "entry \(index.rawValue) of group \(group.rawValue) has \(bytes) bytes, at most "
                + "\(Limits.entryBytesMax) are stored. Lower the limit on commands."
        case .unsoundSnapshot(let group, let position, let error):
            "the snapshot of group \(group.rawValue) at entry \(position.index.rawValue) that was "
                + "received is unsound (\(error)). It is asked for again."
        case .closed:
            "the log store was closed. Open it again."
        }
    }
}

extension Damage: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missingFile(let path):
            "\(path) is missing."
        case .identity:
            "The identity file is unreadable."
        case .sidecar:
            "The file that says how far the log is durable is unreadable."
        case .votes:
            "The file of votes is unreadable."
        case .oldVotes:
            "The file of votes is an old one: the log or its mark knows of later votes."
        case .shorterThanDurable(let last, let durable):
            "The log ends at row \(last), but row \(durable) was durable."
        case .otherHistory(let sequence):
            "Row \(sequence) of the log is not the one that was durable."
        case .row(let sequence, let error):
            "Row \(sequence) of the log is unreadable (\(error))."
        case .missingRow(let sequence):
            "Row \(sequence) of the log is missing."
        case .brokenChain(let sequence):
            "Row \(sequence) of the log does not continue the row before it."
        case .unknownGroup(let sequence, let group):
            "Row \(sequence) of the log names group \(group.rawValue), which does not exist."
        case .gap(let sequence, let group, let index):
            "Row \(sequence) of the log leaves a gap before entry \(index.rawValue) of group "
                + "\(group.rawValue)."
        case .terms(let group):
            "The terms of group \(group.rawValue) do not ascend."
        case .start:
            "The record of where the log begins is unreadable."
        case .sidecarBehind(let durable, let start):
            "The file that says how far the log is durable says row \(durable), but the log begins "
                + "after row \(start)."
        case .base(let sequence, let group, let index):
            "Row \(sequence) of the log lets group \(group.rawValue) begin after entry "
                + "\(index.rawValue), which it does not have."
        case .snapshot(let file, let error):
            "The snapshot \(file) is unreadable (\(error))."
        case .noSnapshot(let group, let base):
            "No snapshot of group \(group.rawValue) reaches up to entry \(base.rawValue), after "
                + "which its log begins."
        case .backup(let file, let offset, let error):
            "The backup \(file) is damaged at byte \(offset) or soon after (\(error))."
        case .database(let reason):
            "SQLite finds the log malformed (\(reason))."
        }
    }
}
