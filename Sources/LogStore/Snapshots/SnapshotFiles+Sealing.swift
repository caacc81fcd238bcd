// Snapshots under other keys than they would be stored with now, and how they are written again.

import Bytes
package import Sealing

extension SnapshotFiles {
    /// What became of a snapshot that was to be written again.
    package enum Resealing: Sendable {
        /// There was none.
        case nothingToDo
        case resealed
        /// It turned out not to be what was written.
        case setAside(PassedOver)
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
    /// it to its end.
    package func resealNext(
        where isWanted: (KeyID?) -> Bool = { _ in true }
    ) throws(LogStoreError) -> Resealing {
        for name in try names() {
            do throws(LogStoreError) {
                guard let reader = try reader(of: name.group, at: name.position),
                    reader.key != keys.current, isWanted(reader.key)
                else { continue }
                try reseal(reader)
                return .resealed
            } catch .damage(let damage) {
                return .setAside(try setAside(name, because: .damage(damage)))
            }
        }
        return .nothingToDo
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
