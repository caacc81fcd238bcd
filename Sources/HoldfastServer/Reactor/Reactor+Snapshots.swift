// Snapshots between groups and the snapshot thread: jobs go out with the turn, and what became of
// them comes back as an input.

import NIOCore
import RaftCore
import Replica

extension Reactor {
    func carryOutSnapshots(_ group: LocalGroup) {
        if let cut = group.effects.cut {
            node.snapshots.store(cut, of: group.id, for: self)
        }
        for fetch in group.effects.fetch {
            node.snapshots.read(fetch, of: group.id, for: self)
        }
        for chunk in group.effects.chunks {
            node.snapshots.keep(chunk, of: group.id, for: self)
        }
    }

    /// The group's snapshot could not be stored. May be called on any thread.
    func snapshotAbandoned(of group: GroupID) {
        settle(group) { $0.snapshotAbandoned() }
        loop.execute { self.refuseBackups(self.own(group)) }
    }

    /// Brings the snapshot thread's word to a group. May be called on any thread.
    func settle(_ group: GroupID, _ input: @escaping @Sendable (inout Replica) -> Void) {
        loop.execute {
            let local = self.own(group)
            input(&local.replica)
            self.markDirty(local)
        }
    }
}
