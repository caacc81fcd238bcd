// The thread that stores batches. While one store syncs, the batches of all reactors collect; the
// next store takes them all, with one sync. No timers. The journal is cleaned here too, in slices,
// with pauses between them while something is stored: a commit that comes meanwhile waits.
//
// While the disk has no room the batches wait, and to the core it is as if the disk hung: leaders
// step down, nothing is acknowledged. A write that failed for want of room would end the node.
//
// In: `submit`, from any reactor. Out: the reactor's `stored`, on its own loop, after the sync. It
// must never: tell anybody before the sync, or go on after an error.

import LogStore
import NIOConcurrencyHelpers
import NIOPosix
import RaftCore
import Replica

/// One group's batch and who waits for it.
struct DiskBatch: Sendable {
    var reactor: Reactor
    var group: GroupID
    var batch: PersistBatch
}

/// Confinement: what is not constant or locked is touched only on the pool's single thread, until
/// `close`, which runs there too.
final class DiskThread: @unchecked Sendable {
    private struct State {
        var waiting: [DiskBatch] = []
        var isRunning = false
        var isClosing = false
        /// There may be something to clean.
        var isCleaningWanted = true
        /// Counts the stores and slices of cleaning that the thread begins.
        var stores: UInt64 = 0
    }

    private let store: LogStore
    private let space: DiskSpace
    private let keys: NodeKeys
    private let pool: NIOThreadPool
    private let state = NIOLockedValueBox(State())
    private var lastStore = Instant.zero
    private var lastSlice = Instant.zero
    private var nextLook = Instant.zero

    init(store: LogStore, space: DiskSpace, keys: NodeKeys) {
        self.store = store
        self.space = space
        self.keys = keys
        keys.note(journal: store.keysInUse)
        pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
    }

    func submit(_ batches: [DiskBatch]) {
        let mustStart = state.withLockedValue { state in
            state.waiting += batches
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if mustStart { pool.submit { _ in self.work() } }
    }

    /// Looks at the room on the disk, and goes on with what waited for it. Called now and then.
    func lookAround() { submit([]) }

    /// Goes on cleaning if there is something left and the thread has nothing to do. Called in
    /// every tick.
    func cleanOn() {
        if state.withLockedValue({ $0.isCleaningWanted && !$0.isRunning }) { submit([]) }
    }

    /// Goes through what the keys that are new now leave to do.
    func cleanSoon() {
        state.withLockedValue { $0.isCleaningWanted = true }
        lookAround()
    }

    /// Where it stands now, for the `DiskWatch`.
    var place: DiskWatch.Place {
        state.withLockedValue { DiskWatch.Place(store: $0.stores, isBusy: $0.isRunning) }
    }

    /// What the thread does next.
    private struct Work {
        var batches: [DiskBatch]
        var cleans: Bool
    }

    private func work() {
        while true {
            guard hasRoom() else { return state.withLockedValue { $0.isRunning = false } }
            guard let next = nextWork() else { return }
            do {
                if !next.batches.isEmpty {
                    try store.store(next.batches.map { (group: $0.group, batch: $0.batch) })
                    report(next.batches)
                    lastStore = MonotonicClock.now()
                }
                if next.cleans { try clean() }
                // Who waited has been told.
                try store.checkpointIfDue()
            } catch {
                fatal(FatalReason(error))
            }
        }
    }

    /// Nil where there is nothing to do now: the thread rests.
    private func nextWork() -> Work? {
        let mayClean = isSliceDue
        return state.withLockedValue { state in
            let cleans = mayClean && state.isCleaningWanted && !state.isClosing
            guard cleans || !state.waiting.isEmpty else {
                state.isRunning = false
                return nil
            }
            state.stores += 1
            let batches = Self.takeFirst(of: &state.waiting)
            state.isCleaningWanted = !batches.isEmpty || !cleans
            return Work(batches: batches, cleans: cleans)
        }
    }

    /// One after another while nothing is stored; a moment in which nothing waits says little,
    /// since clients that wait for their answers leave many.
    private var isSliceDue: Bool {
        let now = MonotonicClock.now()
        return now >= lastStore.advanced(by: Limits.cleaningInterval)
            || now >= lastSlice.advanced(by: Limits.cleaningInterval) || store.isCleaningUrgent
    }

    /// Looks at the disk if the last look was long ago.
    private func hasRoom() -> Bool {
        let now = MonotonicClock.now()
        guard now >= nextLook else { return space.room != .exhausted }
        nextLook = now.advanced(by: Limits.spaceLookInterval)
        return space.look() != .exhausted
    }

    /// As many batches as one store may hold; all of them, unless they are many and large.
    private static func takeFirst(of waiting: inout [DiskBatch]) -> [DiskBatch] {
        var bytes = 0
        let count = waiting.prefix { batch in
            guard bytes < Limits.storeBytesMax else { return false }
            bytes += batch.batch.entries.reduce(0) { $0 + $1.payloadBytes }
            return true
        }.count
        guard count < waiting.count else {
            defer { waiting = [] }
            return waiting
        }
        defer { waiting.removeFirst(count) }
        return Array(waiting[..<count])
    }

    private func clean() throws(LogStoreError) {
        let cleaning = try store.clean()
        lastSlice = MonotonicClock.now()
        if cleaning == .unfinished { state.withLockedValue { $0.isCleaningWanted = true } }
        keys.note(journal: store.keysInUse)
    }

    private func report(_ batches: [DiskBatch]) {
        var rest = batches[...]
        while let reactor = rest.first?.reactor {
            let own = rest.filter { $0.reactor === reactor }
            rest = rest.filter { $0.reactor !== reactor }[...]
            reactor.stored(own.map { (group: $0.group, mark: $0.batch.mark) })
        }
    }

    /// Waits for what was submitted, closes the store and ends the thread. What waits for room is
    /// dropped: nobody was told that it is stored.
    func close() async throws {
        state.withLockedValue { $0.isClosing = true }
        try await pool.runIfActive {
            try self.store.close(checkpointing: self.space.room != .exhausted)
        }
        try await pool.shutdownGracefully()
    }
}
