// Reads a snapshot: its sections, for a machine; or the file as it is in pieces, for a follower.

package import Bytes
package import RaftCore
package import Sealing

/// A snapshot that is open. It stays readable after the store has removed it, and takes room on the
/// disk until then.
package final class SnapshotReader: Sendable {
    package let group: GroupID
    package let mark: SnapshotMark
    private let file: ReadableFile
    private let header: SnapshotHeader
    private let keys: SealingKeys
    /// What the sections are sealed with. Nil: they are in clear.
    package let key: KeyID?
    /// Tells the file from one that is sealed anew under the same name.
    package let tag: UInt32

    /// Throws `LogStoreError.damage` where the file does not begin with the header that its name
    /// calls for.
    init(
        _ file: ReadableFile,
        _ name: SnapshotName,
        _ cluster: ClusterID,
        _ keys: SealingKeys
    ) throws(LogStoreError) {
        self.file = file
        self.keys = keys
        do {
            let scanner = try SnapshotScanner(file, keys)
            header = scanner.header
            key = scanner.head?.key
            tag = scanner.tag
        } catch {
            throw error.damage(of: file)
        }
        group = header.group
        mark = header.mark
        guard header.cluster == cluster, group == name.group, mark.position == name.position else {
            throw ScanFailure.otherSnapshot.damage(of: file)
        }
    }

    /// What to throw where the sections are sound and make no sense to whoever took them.
    package func unsound(_ error: DecodeError) -> LogStoreError {
        ScanFailure.unsound(error).damage(of: file)
    }

    /// Bytes of the file.
    package var byteCount: UInt64 { file.byteCount }

    /// At most `bytesMax` bytes of the file from `offset` on; `gone` where the file ends before.
    package func read(at offset: UInt64, bytesMax: Int) throws(LogStoreError) -> FetchedChunk {
        guard offset <= byteCount else { return .gone }
        let wanted = Int(min(UInt64(max(bytesMax, 0)), byteCount - offset))
        let bytes = try file.read(at: offset, count: wanted)
        guard bytes.count == wanted else {
            throw ScanFailure.truncated.damage(of: file)
        }
        return .bytes(bytes[...], isLast: offset + UInt64(wanted) == byteCount)
    }

    /// Bytes of the file when it is sealed, which is without compression: by what the trailer says.
    func sealedByteCount() throws(LogStoreError) -> UInt64 {
        let trailerBytes = UInt64(SnapshotFormat.trailerBytes)
        let start = byteCount - min(byteCount, trailerBytes)
        let trailer = try file.read(at: start, count: SnapshotFormat.trailerBytes)
        do {
            return try SnapshotFormat.sealedByteCount(SnapshotFormat.totals(trailer))
        } catch {
            throw ScanFailure.unsound(error).damage(of: file)
        }
    }

    /// For whoever has other work between them. Throws as `sections` does, and so does each step.
    func sectionsOneByOne() throws(LogStoreError) -> SnapshotSections {
        do {
            return SnapshotSections(of: file, try SnapshotScanner(file, keys))
        } catch {
            throw error.damage(of: file)
        }
    }

    /// Hands out the sections in order, as they were written. Throws `LogStoreError.damage` where
    /// the file is not sound to its end, or `take` throws: what was taken is of no use then; and
    /// `LogStoreError.missingKey`.
    package func sections(
        _ take: SectionTaker
    ) throws(LogStoreError) {
        do {
            try SnapshotScanner.scan(file, expected: header, keys, take)
        } catch {
            throw error.damage(of: file)
        }
    }
}

/// The sections of a snapshot, one by one.
struct SnapshotSections {
    private let file: ReadableFile
    private var scanner: SnapshotScanner

    fileprivate init(of file: ReadableFile, _ scanner: SnapshotScanner) {
        self.file = file
        self.scanner = scanner
    }

    /// Nil after the last one, where all of the file was sound.
    mutating func next() throws(LogStoreError) -> ArraySlice<UInt8>? {
        do {
            return try scanner.next()
        } catch {
            throw error.damage(of: file)
        }
    }
}
