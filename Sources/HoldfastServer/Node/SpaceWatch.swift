// What the free space of a disk means for a node. Pure: numbers in, the room that is left and what
// to do about the ballast out.
//
//     ample       until less than `low` is free
//     low         what adds to the state is refused, and others are to lead. Below `reserve` the
//                 ballast is given up first: what makes room again, a snapshot or the removal of
//                 rows, needs room itself
//     exhausted   less than `reserve` is free, and there is no ballast: nothing is stored
//
// The way back asks for an eighth more than the way there, so that a node on the edge does not go
// back and forth; and to `ample` only with the ballast made anew.

import Replica

struct SpaceWatch {
    /// In bytes.
    struct Marks: Hashable, Sendable {
        var low: UInt64
        /// Less than `low`.
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
    /// wanted it counts as there.
    mutating func look(free: UInt64, hasBallast: Bool, _ marks: Marks) -> Step? {
        if free < marks.reserve {
            let canGiveUp = hasBallast && marks.ballast > 0
            room = canGiveUp ? .low : .exhausted
            return canGiveUp ? .giveUpBallast : nil
        }
        if room == .exhausted, free < Self.eased(marks.reserve) { return nil }
        let isOver = room == .ample ? free >= marks.low : free >= Self.eased(marks.low)
        guard isOver else {
            room = .low
            return nil
        }
        guard hasBallast else {
            if room != .ample { room = .low }
            let mayMake = free >= Self.sum(Self.eased(marks.low), marks.ballast)
            return mayMake ? .makeBallast : nil
        }
        room = .ample
        return nil
    }

    private static func eased(_ mark: UInt64) -> UInt64 { sum(mark, mark / 8) }

    private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (sum, isOver) = left.addingReportingOverflow(right)
        return isOver ? .max : sum
    }
}
