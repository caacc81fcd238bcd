// What a start makes of a directory whose journal is damaged, where the group has other nodes: the
// journal is set aside, and the node goes on from its snapshots, mute, until the others have given
// it the rest. What it has promised to candidates must be known for that: its file of votes says
// so, if it is the latest. A disk that has lost rows may have lost votes too; the sidecar, which is
// newer than the journal then, and the rows that are left know better.

import Glibc
import RaftCore
package import Sealing

extension LogStore {
    /// Sets the journal of a directory aside, so that the next `open` begins a new one, with groups
    /// that are mute. Returns where the old one is now. Throws `LogStoreError.damage` where the
    /// node cannot go on: it does not know what it has promised.
    ///
    /// A crash at any point leaves a directory that is still damaged, or is as it is to be: the
    /// groups are mute before anything is moved.
    package static func setJournalAside(
        directory path: String,
        identity: NodeIdentity,
        groupCount: Int,
        keys: SealingKeys
    ) throws(LogStoreError) -> String {
        let identity = Identity(node: identity, groupCount: groupCount)
        let directory = try DataDirectory(path: path, identity: identity)
        defer { directory.close() }
        var votes = try VoteFile(path: directory.votesPath, groupCount: groupCount)
        defer { votes.close() }
        // Where the process ended in the midst of this, the mark may have been moved already.
        let isGoneOnWith =
            votes.records.allSatisfy(\.isMute) && access(directory.sidecarPath, F_OK) != 0
        if !isGoneOnWith { try check(votes, directory, keys) }
        try votes.muteAll()
        let place = try makePlace(in: path)
        for name in [DataDirectory.databaseName, DataDirectory.walName, DataDirectory.sidecarName] {
            guard rename(path + name, place + name) == 0 || errno == ENOENT else {
                throw .last("rename of \(path + name)")
            }
        }
        try DataDirectory.sync(place)
        try directory.sync()
        return place
    }

    /// Throws where something knows of later votes.
    private static func check(
        _ votes: VoteFile,
        _ directory: DataDirectory,
        _ keys: SealingKeys
    ) throws(LogStoreError) {
        let sidecar = try Sidecar(path: directory.sidecarPath, initially: nil)
        defer { sidecar.close() }
        let contents = try sidecar.read()
        guard votes.writes >= contents.votes else { throw .damage(.oldVotes) }
        guard access(directory.databasePath, F_OK) == 0 else { return }
        let states = try lastStates(directory, contents, keys)
        guard states.allSatisfy({ votes.records[Int($0.rawValue)].covers($1) }) else {
            throw .damage(.oldVotes)
        }
    }

    /// The hard states of the rows that can be read, up to the first that cannot.
    private static func lastStates(
        _ directory: DataDirectory,
        _ durable: Sidecar.Contents,
        _ keys: SealingKeys
    ) throws(LogStoreError) -> [GroupID: HardState] {
        var states: [GroupID: HardState] = [:]
        do {
            try Journal.inspect(directory.databasePath) { journal in
                var reading = try JournalReading(
                    journal,
                    durable: durable.row,
                    identity: directory.identity,
                    keys: keys
                )
                try reading.readRows(progress: nil) { row in
                    for part in row.parts { states[part.group] = part.hardState }
                }
            }
        } catch {
            // That it is damaged is why we are here; anything else is not known to be.
            let reason = failure("reading the journal", error)
            guard case .damage = reason else { throw reason }
        }
        return states
    }

    /// A directory for what is set aside.
    private static func makePlace(in path: String) throws(LogStoreError) -> String {
        var number = 1
        while true {
            let place = "\(path)/damaged-\(number)"
            if mkdir(place, 0o700) == 0 { return place }
            guard errno == EEXIST else { throw .last("making the directory \(place)") }
            number += 1
        }
    }
}
