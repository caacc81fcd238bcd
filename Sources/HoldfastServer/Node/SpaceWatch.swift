// What the free space of a disk means for a node. Pure: numbers in, the room that is left and what
// to do about the ballast out.
//
//     ample       until less than `low` is free
//     low         what adds to the state is refused, and others are to lead. Below `reserve` the
//                 ballast is given up first: what makes room again, a snapshot or the removal of
//                 rows, needs room itself
//     exhausted   less than `reserve` is free, and there is no ballast: nothing is stored
//
// The way back asks for an eighth more than the way there, or for what a snapshot takes while it is
// written, so that a node on the edge does not go back and forth; and to `ample` only with the
// ballast made anew.

import Replica

struct SpaceWatch {
    /// In bytes.
    struct Marks: Hashable, Sendable {
        var low: UInt64
        /// Less than `low`. What one store writes, SQLite's pages and a checkpoint included, must
        /// fit, and what comes between two looks.
        var reserve: UInt64
        /// 0: there is none.
        var ballast: UInt64
    }

    /// What to do about the ballast.
    enum Step: Hashable {
        case giveUpBallast
        case makeBallast
    }

    private(set) var room = Room.ample

    /// `free` bytes are left on the disk, besides the ballast where the node has it. Where none is
    /// wanted it counts as there. A snapshot of `snapshot` bytes may have to be written.
    mutating func look(
        free: UInt64,
        hasBallast: Bool,
        snapshot: UInt64 = 0,
        _ marks: Marks
    ) -> Step? {
        let low = max(marks.low, snapshot)
        let enough = Self.sum(low, max(low / 8, snapshot))
        if free < marks.reserve {
            let canGiveUp = hasBallast && marks.ballast > 0
            room = canGiveUp ? .low : .exhausted
            return canGiveUp ? .giveUpBallast : nil
        }
        if room == .exhausted, free < Self.sum(marks.reserve, marks.reserve / 8) { return nil }
        let isOver = free >= (room == .ample ? low : enough)
        guard isOver else {
            room = .low
            return nil
        }
        guard hasBallast else {
            if room != .ample { room = .low }
            let mayMake = free >= Self.sum(enough, marks.ballast)
            return mayMake ? .makeBallast : nil
        }
        room = .ample
        return nil
    }

    private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (sum, isOver) = left.addingReportingOverflow(right)
        return isOver ? .max : sum
    }
}
