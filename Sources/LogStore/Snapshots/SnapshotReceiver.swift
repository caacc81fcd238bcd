// Receives a snapshot from another node: the pieces of its file, in order. The whole is judged
// before it gets a name, by the file's own checksums and by whoever makes a machine of its
// sections: what a start finds can be loaded. What is not kept leaves nothing behind.
//
//     append ... append -> verify -> keep

package import Bytes
package import RaftCore
package import Sealing

/// Used by one thread at a time.
package final class SnapshotReceiver {
    private let files: SnapshotFiles
    private let header: SnapshotHeader
    private let file: UnfinishedFile
    private var state = State.receiving
    /// The beginning, until the header is whole.
    private var beginning: [UInt8]? = []
    /// What the sections are sealed with. Nil: they are in clear, or the header is not here yet.
    package private(set) var key: KeyID?

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

    /// Adds the piece at `offset`. Throws `LogStoreError.unsoundSnapshot` where that is not the
    /// next one, or the header is another's; and `LogStoreError.missingKey` as soon as it is known.
    package func append(
        _ bytes: ArraySlice<UInt8>,
        at offset: UInt64
    ) throws(LogStoreError) {
        precondition(state == .receiving)
        guard offset == wanted else { throw ScanFailure.misplacedPiece.refusal(of: header) }
        try readHeader(bytes)
        try file.append(bytes)
    }

    /// What cannot be opened in the end need not be sent until then.
    private func readHeader(_ bytes: ArraySlice<UInt8>) throws(LogStoreError) {
        guard let start = beginning else { return }
        let known = start + bytes.prefix(SnapshotFormat.headerBytesMax)
        let found: (header: SnapshotHeader, head: SealedHead?)?
        do {
            found = try SnapshotFormat.headerIfWhole(known)
        } catch {
            throw ScanFailure.unsound(error).refusal(of: header)
        }
        beginning = found == nil ? known : nil
        guard let found else { return }
        guard found.header == header else { throw ScanFailure.otherSnapshot.refusal(of: header) }
        guard let head = found.head else { return }
        guard files.keys.has(head.key) else {
            throw ScanFailure.missingKey(head.key).refusal(of: header)
        }
        key = head.key
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
