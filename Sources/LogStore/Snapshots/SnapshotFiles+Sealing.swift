// Snapshots under other keys than they would be stored with now, and how they are written again.

import Bytes
package import Sealing

extension SnapshotFiles {
    /// A snapshot that could not be written again; it is as it was.
    package typealias Failure = (file: String, error: LogStoreError)

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

    /// Begins to write a snapshot again that would be sealed otherwise now, one of those of whose
    /// key it `isWanted`; nil where there is none but those in `skipped`. Those that cannot be
    /// opened are passed over, and told.
    package func nextToReseal(
        skipping skipped: Set<String> = [],
        where isWanted: (KeyID?) -> Bool = { _ in true }
    ) throws(LogStoreError) -> (resealing: SnapshotResealing?, failures: [Failure]) {
        var failures: [Failure] = []
        for name in try names() where !skipped.contains(path(name)) {
            do throws(LogStoreError) {
                guard let reader = try reader(of: name.group, at: name.position),
                    reader.key != keys.current, isWanted(reader.key)
                else { continue }
                return (try SnapshotResealing(of: reader, path(name), self), failures)
            } catch {
                failures.append((path(name), error))
            }
        }
        return (nil, failures)
    }
}

/// One snapshot that is written again, with the same sections under the same name. Whoever has the
/// old file open can read it to its end. Used by one thread at a time.
package final class SnapshotResealing {
    package let file: String
    private var sections: SnapshotSections
    private let writer: SnapshotWriter

    init(
        of reader: SnapshotReader,
        _ file: String,
        _ files: SnapshotFiles
    ) throws(LogStoreError) {
        self.file = file
        sections = try reader.sectionsOneByOne()
        writer = try files.writer(of: reader.group, at: reader.mark)
    }

    /// What it will be sealed with. Nil: it will be in clear.
    package var key: KeyID? { writer.key }

    /// Writes the next section; after the last one, makes the file durable in place of the old one,
    /// and returns true.
    package func step() throws(LogStoreError) -> Bool {
        if let section = try sections.next() {
            try writer.append(section)
            return false
        }
        try writer.finish()
        return true
    }
}
