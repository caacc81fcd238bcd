// Going over from files in clear to sealed ones, at a start. (From one key to another a running
// node goes by itself: the cleaner carries the rows forward, and `resealNext` writes snapshots
// again.)

import Sealing

extension LogStore {
    /// What `sealWhatIsClear` has done, for the node's log.
    package enum SealingStep: Sendable {
        case snapshots(count: Int)
        /// A snapshot stays in clear: it cannot be read, or there was no room.
        case failed(file: String, LogStoreError)
        case journal
    }

    /// Seals what was stored in clear, rows and snapshots, and leaves nothing of it in the files
    /// that are in use. Does nothing where there is nothing, or where new rows are not sealed
    /// either. Takes as long as writing all of it. To be called at each start, between `recover`
    /// and the first `store`: a crash leaves a directory of which some is sealed. `tell` gets each
    /// step that was done.
    package func sealWhatIsClear(
        _ tell: (SealingStep) -> Void
    ) throws(LogStoreError) {
        try check()
        precondition(isRecovered, "recover comes first")
        guard keys.current != nil else { return }
        var count = 0
        var last = try snapshots.resealNext { $0 == nil }
        while last.isDone {
            count += 1
            last = try snapshots.resealNext { $0 == nil }
        }
        if count > 0 { tell(.snapshots(count: count)) }
        for (file, error) in last.failures { tell(.failed(file: file, error)) }
        do {
            guard try !journal.isSealedThroughout() else { return }
            while try clean() == .unfinished {}
            try journal.makeAnew()
            try journal.note(isSealedThroughout: true)
        } catch {
            throw fail("sealing the journal", error)
        }
        tell(.journal)
    }
}
