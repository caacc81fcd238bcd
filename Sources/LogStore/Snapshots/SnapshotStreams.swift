// The snapshots that the followers of one group are getting, kept open so that each comes to its
// end though newer ones are cut meanwhile: a slow follower never holds up the leader's own
// compaction, and is never started anew by it.

package import RaftCore

/// Used by one thread at a time.
package struct SnapshotStreams {
    private let files: SnapshotFiles
    private let group: GroupID
    /// At most one a follower, so the members of a group bound them.
    private var open: [(follower: NodeID, reader: SnapshotReader)] = []

    package init(_ files: SnapshotFiles, of group: GroupID) {
        self.files = files
        self.group = group
    }

    /// How many are open.
    package var count: Int { open.count }

    /// Reads what `fetch` asks for.
    package mutating func read(_ fetch: SnapshotFetch) throws(LogStoreError) -> FetchedChunk {
        let known = open.first { $0.follower == fetch.follower }?.reader
        if let known, known.mark.position == fetch.mark.position {
            return try known.read(at: fetch.offset, bytesMax: fetch.bytesMax)
        }
        close(fetch.follower)
        guard let reader = try files.reader(of: group, at: fetch.mark.position) else {
            return .gone
        }
        open.append((fetch.follower, reader))
        return try reader.read(at: fetch.offset, bytesMax: fetch.bytesMax)
    }

    /// The follower needs no more.
    package mutating func close(_ follower: NodeID) {
        open.removeAll { $0.follower == follower }
    }

    /// Nobody needs any more: this node does not lead.
    package mutating func closeAll() { open = [] }
}
