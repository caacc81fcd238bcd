// How many snapshots leave a node at a time, and whose turn it is.

import RaftCore
import Testing

@testable import HoldfastServer

@Suite("Streams of snapshots")
struct StreamGateTests {
    private func stream(_ group: UInt16, _ follower: UInt64) -> StreamGate.Stream {
        StreamGate.Stream(group: GroupID(group), follower: NodeID(follower))
    }

    @Test("no more than the limit are open at a time, over all groups")
    func limit() {
        var gate = StreamGate(limit: 2, patience: 100)
        // The first two; not a third; those that are open go on.
        let wanted = [stream(0, 2), stream(1, 2), stream(2, 2), stream(0, 2)]
        let answers = wanted.map { gate.admits($0, offset: 0, at: Instant(1)) }
        #expect(answers == [true, true, false, true])
        gate.close(stream(0, 2))
        let isIn = gate.admits(stream(2, 2), offset: 0, at: Instant(3))
        #expect(isIn)
        #expect(gate.count == 2)
    }

    @Test("one that gets no further gives its place up, whether it asks or not")
    func abandoned() {
        for asksOn in [false, true] {
            var gate = StreamGate(limit: 1, patience: 100)
            let isIn = gate.admits(stream(0, 2), offset: 7, at: Instant(1))
            #expect(isIn)
            if asksOn { _ = gate.admits(stream(0, 2), offset: 7, at: Instant(90)) }
            let early = gate.takeAbandoned(at: Instant(101))
            #expect(early == [])
            let late = gate.takeAbandoned(at: Instant(102))
            #expect(late == [stream(0, 2)])
            let second = gate.admits(stream(0, 3), offset: 0, at: Instant(103))
            #expect(second)
        }
    }

    @Test("one that gets further keeps its place")
    func movesOn() {
        var gate = StreamGate(limit: 1, patience: 100)
        for piece in 0..<10 as Range<UInt64> {
            let isIn = gate.admits(stream(0, 2), offset: piece, at: Instant(1 + 90 * piece))
            #expect(isIn)
            let over = gate.takeAbandoned(at: Instant(2 + 90 * piece))
            #expect(over == [])
        }
    }

    @Test("who has waited longest comes first, and who asks no more does not wait")
    func order() {
        var gate = StreamGate(limit: 1, patience: 100)
        let first = [1, 2, 3].map { gate.admits(stream(0, $0), offset: 0, at: Instant(1)) }
        #expect(first == [true, false, false])
        gate.close(stream(0, 1))
        // The first begins anew, as one does that found all of it damaged.
        let second = [1, 3, 2].map { gate.admits(stream(0, $0), offset: 0, at: Instant(50)) }
        #expect(second == [false, false, true])
        gate.close(stream(0, 2))
        let third = [1].map { gate.admits(stream(0, $0), offset: 0, at: Instant(150)) }
        #expect(third == [false], "3 may still ask")
        let fourth = [1].map { gate.admits(stream(0, $0), offset: 0, at: Instant(151)) }
        #expect(fourth == [true])
    }

    @Test("a node that leads a group no more has no streams of it")
    func closed() {
        var gate = StreamGate(limit: 2, patience: 100)
        let wanted = [stream(0, 2), stream(1, 2), stream(0, 3), stream(1, 3)]
        let answers = wanted.map { gate.admits($0, offset: 0, at: Instant(1)) }
        #expect(answers == [true, true, false, false])
        gate.closeAll(of: GroupID(0))
        #expect(gate.count == 1)
        let isIn = gate.admits(stream(1, 3), offset: 0, at: Instant(2))
        #expect(isIn)
        let left = gate.takeAbandoned(at: Instant(1_000))
        #expect(left == [stream(1, 2), stream(1, 3)])
    }
}
