// `HOLDFAST BACKUP` on a connection: a snapshot that is recent enough by the group's leader, and
// its pieces by the snapshot thread.

import Commands
import HoldfastWire
import NIOCore
import RaftCore

extension ClientConnection {
    /// Begins a step of a backup; false where it is answered already.
    func begin(_ command: BackupCommand) -> Bool {
        guard port == .cluster else {
            writer.error("ERR HOLDFAST BACKUP is for the cluster port")
            return false
        }
        let number: UInt16
        switch command {
        case .cut(let group), .read(let group, _, _, _, _): number = group
        }
        guard Int(number) < reactor.node.configuration.groupCount else {
            writer.error("ERR there is no group \(number); see HOLDFAST MEMBERS LIST")
            return false
        }
        let group = GroupID(number)
        switch command {
        case .cut:
            let slots = HashSlot.range(
                ofGroup: Int(number),
                groupCount: reactor.node.configuration.groupCount
            )
            let request = GroupRequest(
                group: group,
                slot: slots.lowerBound,
                action: .backup,
                target: targetOfFront
            )
            reactor.submit(request)
        case .read(_, let term, let index, let offset, let tag):
            let position = LogPosition(term: Term(term), index: LogIndex(index))
            let wanted = BackupPiece(group: group, position: position, offset: offset, tag: tag)
            reactor.read(wanted, for: targetOfFront)
        }
        return true
    }
}
