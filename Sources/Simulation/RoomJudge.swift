// What a leader may append while its disk is short of room, and has been since the turn began: what
// brings nothing new in; and while there is none at all, nothing but what it tells the others of
// their machines, of which there is little.

import Bytes
import RaftCore
import Replica
import SessionMachine

enum RoomJudge {
    /// What is wrong with `entries`, which a leader has appended in a turn in which it had `room`,
    /// never more; nil where nothing is.
    static func broken(_ entries: [Entry], with room: Room) -> String? {
        guard room != .ample else { return nil }
        for entry in entries {
            guard case .command(let payload) = entry.content else { continue }
            do {
                var commands = try EntryPayload(decoding: payload)
                while let command = try commands.next() {
                    if case .attest = command { continue }
                    if room == .exhausted {
                        return "proposes entry \(entry.index.rawValue) without room"
                    }
                    guard command.addsState else { continue }
                    return "takes something new in though its disk is nearly full"
                }
            } catch {
                return "proposes entry \(entry.index.rawValue), which is none: \(error)"
            }
        }
        return nil
    }
}
