// Going over from files in clear to sealed ones, once, at a start. (From one key to another a
// running node goes by itself: the cleaner carries the rows forward, and `resealNext` writes
// snapshots again.)

import Sealing

extension LogStore {
    /// Seals what was stored in clear, rows and snapshots, and leaves nothing of it in the files
    /// that are in use. Does nothing where there is nothing, or where new rows are not sealed
    /// either. Takes as long as writing all of it. To be called at each start, between `recover`
    /// and the first `store`: a crash leaves a directory of which some is sealed. `tell` gets what
    /// was done, in words, and what was set aside.
    package func sealWhatIsClear(
        _ tell: (_ done: String, PassedOver?) -> Void
    ) throws(LogStoreError) {
        try check()
        precondition(isRecovered, "recover comes first")
        guard keys.current != nil else { return }
        var count = 0
        resealing: while true {
            switch try snapshots.resealNext(where: { $0 == nil }) {
            case .nothingToDo: break resealing
            case .resealed: count += 1
            case .setAside(let file): tell("set a snapshot aside that cannot be read", file)
            }
        }
        if count > 0 { tell("sealed \(count) snapshots that were stored in clear", nil) }
        do {
            guard try !journal.isSealedThroughout() else { return }
            while try clean() == .unfinished {}
            try journal.makeAnew()
            try journal.note(isSealedThroughout: true)
        } catch {
            throw fail("sealing the journal", error)
        }
        tell("sealed the log, which was stored in clear", nil)
    }
}
