// How many clusters are up at once. Suites run side by side, and each node of each cluster wants
// its moment within an election timeout: beyond a few for each processor, what is measured is the
// scheduler.

import Foundation

actor ClusterPermits {
    static let shared = ClusterPermits(count: 2 * ProcessInfo.processInfo.activeProcessorCount)

    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    private init(count: Int) { free = count }

    /// Runs `body` when it is its turn.
    nonisolated func hold(_ body: () async throws -> Void) async throws {
        await take()
        let result: Result<Void, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        await giveBack()
        try result.get()
    }

    private func take() async {
        guard free == 0 else {
            free -= 1
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    private func giveBack() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
