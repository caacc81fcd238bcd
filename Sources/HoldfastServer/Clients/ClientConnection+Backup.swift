// `HOLDFAST BACKUP` on a connection: a snapshot that is recent enough by the group's leader, and
// its pieces by the snapshot thread.

import Commands
import HoldfastWire
import NIOCore
import RaftCore

extension ClientConnection {
    /// Begins a step of a backup; false where it is answered already.
    func begin(_ command: BackupCommand) -> Bool {
        guard isOnClusterPort("BACKUP") else { return false }
        switch command {
        case .cut(let number):
            guard let group = existing(number) else { return false }
            let groupCount = reactor.node.configuration.groupCount
            let slots = HashSlot.range(ofGroup: Int(number), groupCount: groupCount)
            let request = GroupRequest(
                group: group,
                slot: slots.lowerBound,
                action: .backup,
                target: targetOfFront
            )
            reactor.submit(request)
        case .read(let number, let term, let index, let offset, let tag):
            guard let group = existing(number) else { return false }
            let position = LogPosition(term: Term(term), index: LogIndex(index))
            let wanted = BackupPiece(group: group, position: position, offset: offset, tag: tag)
            reactor.read(wanted, for: targetOfFront)
        }
        return true
    }
}
