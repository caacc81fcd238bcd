// `HOLDFAST BACKUP`: what `holdfast backup` asks of the leaders.
//
//     HOLDFAST BACKUP CUT group                       -> term, index
//     HOLDFAST BACKUP READ group term index offset [tag]
//                                                     -> bytes of the whole, tag, piece at offset
//
// The tag tells a file from one that was written in its place since, under another key.

import HoldfastWire

/// A step of a backup. Numbers are as they came, in the range of their kind.
package enum BackupCommand: Hashable, Sendable {
    /// Makes sure that there is a snapshot with all that was acknowledged before.
    case cut(group: UInt16)
    /// A piece of a snapshot's file.
    case read(group: UInt16, term: UInt64, index: UInt64, offset: UInt64, tag: UInt64?)
}

extension RequestReader {
    func backup(_ frame: RequestFrame) throws(RequestError) -> BackupCommand {
        if frame.equals(2, "CUT") {
            guard frame.count == 4 else { throw .arity("holdfast|backup|cut") }
            return .cut(group: try group(frame, 3))
        }
        if frame.equals(2, "READ") {
            guard (7...8).contains(frame.count) else { throw .arity("holdfast|backup|read") }
            return .read(
                group: try group(frame, 3),
                term: try natural(frame, 4),
                index: try natural(frame, 5),
                offset: try natural(frame, 6),
                tag: frame.count == 8 ? try natural(frame, 7) : nil
            )
        }
        let name = Self.prefix(frame, 2, 128)
        throw RequestError("ERR unknown subcommand '\(name)'. Try CUT or READ.")
    }

    private func natural(_ frame: RequestFrame, _ place: Int) throws(RequestError) -> UInt64 {
        guard let number = UInt64(exactly: try integer(frame, place)) else { throw .notInteger }
        return number
    }
}
