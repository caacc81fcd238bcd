// Reads a backup and believes nothing: each group's snapshot is judged as a received one is. Which
// of the groups are handed out is the caller's affair; that all of the file is there is seen when
// it is opened.

package import Bytes
package import RaftCore
package import Sealing

/// A backup that is open. Used by one thread at a time.
package final class BackupReader {
    package let header: BackupHeader
    private let path: String
    private let keys: SealingKeys?
    private let parts: [(part: BackupPart, start: UInt64)]

    /// Throws `LogStoreError.damage` where the file does not hold, by its own word, a snapshot of
    /// every group and nothing else. Without `keys` what is sealed is not opened: its checksums are
    /// checked, and its sections come out empty.
    package init(path: String, keys: SealingKeys?) throws(LogStoreError) {
        self.path = path
        self.keys = keys
        guard let file = try ReadableFile(path: path) else { throw .last("open of \(path)") }
        let start = try Self.bytes(of: file, at: 0, count: BackupFormat.headerBytes)
        do {
            header = try BackupFormat.header(start)
        } catch {
            throw .damage(.backup(file: path, offset: 0, error))
        }
        parts = try Self.parts(of: file, groupCount: header.groupCount)
    }

    private static func parts(
        of file: ReadableFile,
        groupCount: Int
    ) throws(LogStoreError) -> [(BackupPart, UInt64)] {
        var offset = UInt64(BackupFormat.headerBytes)
        var parts: [(BackupPart, UInt64)] = []
        for number in 0..<groupCount {
            let bytes = try bytes(of: file, at: offset, count: BackupFormat.partBytes)
            do throws(DecodeError) {
                let part = try BackupFormat.part(bytes)
                guard Int(part.group.rawValue) == number else { throw .invalid("group's number") }
                offset += UInt64(bytes.count)
                guard part.byteCount <= file.byteCount - offset else { throw .truncated }
                parts.append((part, offset))
                offset += part.byteCount
            } catch {
                throw .damage(.backup(file: file.path, offset: offset, error))
            }
        }
        guard offset == file.byteCount else {
            let excess = Int(clamping: file.byteCount - offset)
            throw .damage(.backup(file: file.path, offset: offset, .trailingBytes(excess)))
        }
        return parts
    }

    private static func bytes(
        of file: ReadableFile,
        at offset: UInt64,
        count: Int
    ) throws(LogStoreError) -> [UInt8] {
        let bytes = try file.read(at: offset, count: count)
        guard bytes.count == count else {
            throw .damage(.backup(file: file.path, offset: offset, .truncated))
        }
        return bytes
    }

    /// Where the group's snapshot ends.
    package func position(of group: GroupID) -> LogPosition {
        parts[Int(group.rawValue)].part.position
    }

    /// Hands out the sections of a group's snapshot in order. Throws `LogStoreError.damage` where
    /// it is not sound to its end, or `take` throws; and `LogStoreError.missingKey`.
    package func sections(
        of group: GroupID,
        _ take: SectionTaker
    ) throws(LogStoreError) {
        let (part, start) = parts[Int(group.rawValue)]
        guard let file = try ReadableFile(path: path, from: start, count: part.byteCount) else {
            throw .last("open of \(path)")
        }
        var place: UInt64 = 0
        do throws(ScanFailure) {
            var scanner = try SnapshotScanner(file, keys)
            defer { place = scanner.place }
            let found = scanner.header
            guard found.cluster == header.cluster, found.group == group,
                found.mark.position == part.position
            else { throw .otherSnapshot }
            try scanner.handOut(take)
        } catch {
            throw error.damage(of: path, at: start + place)
        }
    }

    /// What to throw where the sections of a group are sound and make no sense to whoever took
    /// them.
    package func unsound(_ group: GroupID, _ error: DecodeError) -> LogStoreError {
        .damage(.backup(file: path, offset: parts[Int(group.rawValue)].start, error))
    }
}

extension ScanFailure {
    fileprivate func damage(of backup: String, at offset: UInt64) -> LogStoreError {
        switch self {
        case .unsound(let error): .damage(.backup(file: backup, offset: offset, error))
        case .missingKey(let key): .missingKey(key, of: backup)
        case .io(let error): error
        }
    }
}
