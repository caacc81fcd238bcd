// From the sections of a snapshot to a machine: on a start, and when a leader's snapshot is in. And
// back, where nothing else waits for it.

import Bytes
import LogStore
import SessionMachine

extension SessionMachine {
    /// A machine from a snapshot's sections, which `source` hands out in order. Throws what
    /// `source` throws, and `unsound` where the sections end and are no machine.
    static func load(
        from source: (SectionTaker) throws(LogStoreError) -> Void,
        unsound: (DecodeError) -> LogStoreError
    ) throws(LogStoreError) -> SessionMachine {
        var decoder = SnapshotDecoder()
        try source { (section) throws(DecodeError) in try decoder.append(section) }
        do {
            return try decoder.finish()
        } catch {
            throw unsound(error)
        }
    }

    /// Writes all sections, and makes the snapshot durable.
    func store(with writer: SnapshotWriter) throws(LogStoreError) {
        var encoder = SnapshotEncoder(self)
        while let section = encoder.next() { try writer.append(section[...]) }
        try writer.finish()
    }
}
