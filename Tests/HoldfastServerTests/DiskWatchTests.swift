import Testing

@testable import HoldfastServer

@Suite("What a store that takes long means")
struct DiskWatchTests {
    private func place(_ store: UInt64, isBusy: Bool = true) -> DiskWatch.Place {
        DiskWatch.Place(store: store, isBusy: isBusy)
    }

    @Test("a store that does not end stalls the disk, once, and then ends the node")
    func stuck() {
        var watch = DiskWatch(stallTicks: 3, stopTicks: 5)
        var changes: [DiskWatch.Change?] = []
        for _ in 0..<6 { changes.append(watch.look(at: place(7))) }
        // The first look finds it there; it may have come a moment ago.
        #expect(changes == [nil, nil, nil, .stalled, nil, .dead])
    }

    @Test("a stall ends with the store, whatever comes next")
    func ends() {
        for next in [place(8), place(8, isBusy: false)] {
            var watch = DiskWatch(stallTicks: 2, stopTicks: 9)
            for _ in 0..<3 { _ = watch.look(at: place(7)) }
            #expect(watch.isStalled)
            #expect(watch.look(at: next) == .recovered)
            #expect(!watch.isStalled)
            #expect(watch.look(at: next) == nil)
        }
    }

    @Test("a disk that is busy all the time, or idle, is fine")
    func fine() {
        var watch = DiskWatch(stallTicks: 2, stopTicks: 3)
        for store in 0..<100 as Range<UInt64> {
            #expect(watch.look(at: place(store)) == nil)
            #expect(watch.look(at: place(100, isBusy: false)) == nil)
        }
        for _ in 0..<100 { #expect(watch.look(at: place(100, isBusy: false)) == nil) }
        #expect(!watch.isStalled)
    }
}
