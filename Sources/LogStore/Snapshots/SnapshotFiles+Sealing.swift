// Snapshots under other keys than they would be stored with now, and how they are written again.

import Bytes
package import Sealing

extension SnapshotFiles {
    /// What became of the snapshots that were to be written again.
    package struct Resealing: Sendable {
        /// One was written; there may be more.
        package var isDone = false
        /// Those that could not be, up to there. They are as they were.
        package var failures: [(file: String, error: LogStoreError)] = []
    }

    /// What the snapshots are sealed with. Nil: some are in clear.
    package func keysInUse() throws(LogStoreError) -> Set<KeyID?> {
        var keys: Set<KeyID?> = []
        for name in try names() {
            do throws(LogStoreError) {
                // One that is removed meanwhile needs no key any more.
                guard let reader = try reader(of: name.group, at: name.position) else { continue }
                keys.insert(reader.key)
            } catch .damage {
                // No key can help it.
                continue
            }
        }
        return keys
    }

    /// Writes a snapshot that would be sealed otherwise now again, with the same sections under the
    /// same name: one of those of whose key it `isWanted`. Whoever has the old file open can read
    /// it to its end. Throws where names may be lost; what else goes wrong with one file does not
    /// keep it from the next.
    package func resealNext(
        where isWanted: (KeyID?) -> Bool = { _ in true }
    ) throws(LogStoreError) -> Resealing {
        var result = Resealing()
        for name in try names() {
            do throws(LogStoreError) {
                guard let reader = try reader(of: name.group, at: name.position),
                    reader.key != keys.current, isWanted(reader.key)
                else { continue }
                try reseal(reader)
                result.isDone = true
                return result
            } catch {
                if case .namesNotDurable = error { throw error }
                result.failures.append((path(name), error))
            }
        }
        return result
    }

    private func reseal(_ reader: SnapshotReader) throws(LogStoreError) {
        let writer = try writer(of: reader.group, at: reader.mark)
        var failure: LogStoreError?
        try reader.sections { (section) throws(DecodeError) in
            guard failure == nil else { return }
            do throws(LogStoreError) {
                try writer.append(section)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        try writer.finish()
    }
}
