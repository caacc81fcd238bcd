// The one thread that may block: it stores batches. While one store syncs, the batches of all
// reactors collect; the next store takes them all, with one sync. No timers.
//
// In: `submit`, from any reactor. Out: the reactor's `stored`, on its own loop, after the sync. It
// must never: tell anybody before the sync, or go on after an error.

import LogStore
import NIOConcurrencyHelpers
import NIOPosix
import RaftCore

/// One group's batch and who waits for it.
struct DiskBatch: Sendable {
    var reactor: Reactor
    var group: GroupID
    var batch: PersistBatch
}

/// Confinement: `store` is touched only on the pool's single thread, until `close`, which runs
/// there too. Everything else is locked.
final class DiskThread: @unchecked Sendable {
    private struct State {
        var waiting: [DiskBatch] = []
        var isRunning = false
    }

    private let store: LogStore
    private let pool: NIOThreadPool
    private let state = NIOLockedValueBox(State())

    init(store: LogStore) {
        self.store = store
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

    private func work() {
        while true {
            let batches = state.withLockedValue { state in
                defer { state.waiting = [] }
                if state.waiting.isEmpty { state.isRunning = false }
                return state.waiting
            }
            guard !batches.isEmpty else { return }
            do {
                try store.store(batches.map { (group: $0.group, batch: $0.batch) })
            } catch {
                fatal(FatalReason(error))
            }
            report(batches)
        }
    }

    private func report(_ batches: [DiskBatch]) {
        var rest = batches[...]
        while let reactor = rest.first?.reactor {
            let own = rest.filter { $0.reactor === reactor }
            rest = rest.filter { $0.reactor !== reactor }[...]
            reactor.stored(own.map { (group: $0.group, mark: $0.batch.mark) })
        }
    }

    /// Waits for what was submitted, closes the store and ends the thread.
    func close() async throws {
        try await pool.runIfActive { try self.store.close() }
        try await pool.shutdownGracefully()
    }
}
