import Replica
import Testing

@testable import HoldfastServer

@Suite("What the free space of a disk means")
struct SpaceWatchTests {
    private static let marks = SpaceWatch.Marks(low: 800, reserve: 80, ballast: 200)

    private struct Seen: Hashable {
        var room: Room
        var step: SpaceWatch.Step?

        init(_ room: Room, _ step: SpaceWatch.Step? = nil) {
            self.room = room
            self.step = step
        }
    }

    private func look(
        _ watch: inout SpaceWatch,
        _ free: UInt64,
        _ hasBallast: Bool = true,
        _ marks: SpaceWatch.Marks = marks
    ) -> Seen {
        let step = watch.look(free: free, hasBallast: hasBallast, marks)
        return Seen(watch.room, step)
    }

    @Test("a disk that fills: low, then without its ballast, then full")
    func fills() {
        var watch = SpaceWatch()
        #expect(look(&watch, 10_000) == Seen(.ample))
        #expect(look(&watch, 800) == Seen(.ample))
        #expect(look(&watch, 799) == Seen(.low))
        #expect(look(&watch, 80) == Seen(.low))
        #expect(look(&watch, 79) == Seen(.low, .giveUpBallast))
        #expect(look(&watch, 279, false) == Seen(.low))
        #expect(look(&watch, 79, false) == Seen(.exhausted))
        #expect(look(&watch, 0, false) == Seen(.exhausted))
    }

    @Test("the way back takes an eighth more, and the ballast first")
    func recovers() {
        var watch = SpaceWatch()
        _ = look(&watch, 0, false)
        #expect(look(&watch, 89, false) == Seen(.exhausted))
        #expect(look(&watch, 90, false) == Seen(.low))
        #expect(look(&watch, 899, false) == Seen(.low))
        // With it 900 would be left no more.
        #expect(look(&watch, 1_099, false) == Seen(.low))
        #expect(look(&watch, 1_100, false) == Seen(.low, .makeBallast))
        #expect(look(&watch, 899) == Seen(.low))
        #expect(look(&watch, 900) == Seen(.ample))
    }

    @Test("on the edge a node does not go back and forth")
    func edge() {
        var watch = SpaceWatch()
        var changes = 0
        var before = watch.room
        for round in 0..<1_000 as Range<UInt64> {
            _ = look(&watch, 795 + round % 10)
            if watch.room != before { changes += 1 }
            before = watch.room
        }
        #expect(changes == 1)
    }

    @Test("a new node on a disk with room makes its ballast, and serves before it has it")
    func start() {
        var watch = SpaceWatch()
        #expect(look(&watch, 1_000, false) == Seen(.ample))
        #expect(look(&watch, 1_100, false) == Seen(.ample, .makeBallast))
    }

    @Test("without a ballast a full disk is full at once, and nothing is asked for")
    func noBallast() {
        var watch = SpaceWatch()
        let marks = SpaceWatch.Marks(low: 800, reserve: 80, ballast: 0)
        #expect(look(&watch, 79, true, marks) == Seen(.exhausted))
        #expect(look(&watch, 900, true, marks) == Seen(.ample))
    }

    @Test("marks beyond all numbers do no harm")
    func extremes() {
        var watch = SpaceWatch()
        let marks = SpaceWatch.Marks(low: .max, reserve: .max - 1, ballast: .max)
        #expect(look(&watch, .max, false, marks) == Seen(.ample, .makeBallast))
        #expect(look(&watch, 5, true, marks) == Seen(.low, .giveUpBallast))
        #expect(look(&watch, .max - 1, true, marks) == Seen(.low))
    }
}
