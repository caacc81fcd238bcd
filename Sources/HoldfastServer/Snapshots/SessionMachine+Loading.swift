// From the sections of a snapshot to a machine: on a start, and when a leader's snapshot is in.

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
}
