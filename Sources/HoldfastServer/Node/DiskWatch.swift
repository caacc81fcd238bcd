// What it means that the disk thread is at one and the same store for long. Counted in ticks of a
// reactor, not in time: a process that was stopped, with its disk, has nothing to complain of.
//
//     fine -> stalled      after `stallTicks`: leaders step down by themselves (RaftCore), and the
//                          node says that it is unhealthy
//     stalled -> fine      the store came to its end
//     stalled -> dead      after `stopTicks`: the node is to stop. What hangs so long seldom comes
//                          back, and a supervisor can do more than we can

struct DiskWatch {
    enum Change: Hashable {
        case stalled
        case recovered
        case dead
    }

    /// Where the disk thread stands.
    struct Place: Hashable {
        /// The store that it is at, counted from its start.
        var store: UInt64
        /// False where it waits for work.
        var isBusy: Bool
    }

    private let stallTicks: Int
    private let stopTicks: Int
    private var last = Place(store: 0, isBusy: false)
    private var ticks = 0
    private(set) var isStalled = false

    init(stallTicks: Int, stopTicks: Int) {
        precondition(stallTicks >= 1 && stopTicks > stallTicks)
        self.stallTicks = stallTicks
        self.stopTicks = stopTicks
    }

    /// Why a node stops whose disk has been at one store for so long.
    static func death(after milliseconds: Int) -> FatalReason {
        .disk(
            """
            the disk has hung at one write for \(milliseconds) ms (timing.disk-stop). What of it \
            reached the disk is unknown, and nothing of it was acknowledged. Check the disk, start \
            again.
            """
        )
    }

    /// Called once a tick. What has changed; nil where nothing has.
    mutating func look(at place: Place) -> Change? {
        defer { last = place }
        guard place.isBusy, place == last else {
            ticks = 0
            defer { isStalled = false }
            return isStalled ? .recovered : nil
        }
        ticks += 1
        if ticks >= stopTicks { return .dead }
        guard ticks >= stallTicks, !isStalled else { return nil }
        isStalled = true
        return .stalled
    }
}
