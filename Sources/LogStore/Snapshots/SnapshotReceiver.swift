// Receives a snapshot from another node: the pieces of its file, in order. The whole is judged
// before it gets a name, by the file's own checksums and by whoever makes a machine of its
// sections: what a start finds can be loaded. What is not kept leaves nothing behind.
//
//     append ... append -> verify -> keep

package import Bytes
package import RaftCore

/// Used by one thread at a time.
package final class SnapshotReceiver {
    private let files: SnapshotFiles
    private let header: SnapshotHeader
    private let file: UnfinishedFile
    private var state = State.receiving

    private enum State {
        case receiving
        case verified
        case kept
    }

    init(_ files: SnapshotFiles, _ header: SnapshotHeader) throws(LogStoreError) {
        self.files = files
        self.header = header
        file = try files.begin()
    }

    package var mark: SnapshotMark { header.mark }
    /// The offset of the piece that comes next.
    package var wanted: UInt64 { file.byteCount }

    /// Adds the piece at `offset`. Throws `LogStoreError.unsoundSnapshot`, and does nothing, where
    /// that is not the next one.
    package func append(
        _ bytes: ArraySlice<UInt8>,
        at offset: UInt64
    ) throws(LogStoreError) {
        precondition(state == .receiving)
        guard offset == wanted else { throw ScanFailure.misplacedPiece.refusal(of: header) }
        try file.append(bytes)
    }

    /// Judges the whole file, and hands out its sections for a machine. Throws
    /// `LogStoreError.unsoundSnapshot` where it is not the sound snapshot that was announced, or
    /// where `take` throws; and `LogStoreError.missingKey`.
    package func verify(
        _ take: SectionTaker
    ) throws(LogStoreError) {
        precondition(state == .receiving)
        let reader = try file.reader()
        do {
            try SnapshotScanner.scan(reader, expected: header, files.keys, take)
        } catch {
            throw error.refusal(of: header)
        }
        state = .verified
    }

    /// What to throw where the sections are sound and make no sense to whoever took them.
    package func unsound(_ error: DecodeError) -> LogStoreError {
        ScanFailure.unsound(error).refusal(of: header)
    }

    /// Makes the verified snapshot durable: when this returns, a start finds it.
    package func keep() throws(LogStoreError) {
        precondition(state == .verified)
        state = .kept
        let name = SnapshotName(group: header.group, position: header.mark.position)
        try files.keep(file, as: name)
    }
}
