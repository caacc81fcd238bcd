// Writes a backup: the pieces of each group's snapshot in, one durable file out. What is not
// finished leaves nothing behind.
//
//     (begin -> append ... append), for each group in order -> finish

import Glibc
package import RaftCore

/// Used by one thread at a time.
package final class BackupWriter {
    private let path: String
    private let temporary: String
    private let descriptor: CInt
    private let groupCount: Int
    private var isFinished = false
    private var next: UInt16 = 0
    /// Bytes of the group that was begun last which are still to come.
    private var missing: UInt64 = 0
    private var end: UInt64 = 0
    /// Where the group that was begun last begins.
    private var start: UInt64 = 0

    /// Throws where there is something at `path` already, or it cannot be written to.
    package init(path: String, _ header: BackupHeader) throws(LogStoreError) {
        self.path = path
        temporary = path + ".unfinished-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        groupCount = header.groupCount
        guard access(path, F_OK) != 0 else {
            throw .io(call: "making \(path)", reason: "it is there already")
        }
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .last("open of \(temporary)") }
        try write(BackupFormat.encode(header)[...])
    }

    deinit {
        Glibc.close(descriptor)
        unlink(temporary)
    }

    /// The cluster that a snapshot's file is of, by its first bytes; nil where they are of none.
    package static func cluster(ofSnapshot beginning: ArraySlice<UInt8>) -> ClusterID? {
        do {
            let start = Array(beginning.prefix(SnapshotFormat.headerBytesMax))
            return try SnapshotFormat.headerIfWhole(start)?.header.cluster
        } catch {
            return nil
        }
    }

    /// Begins the next group, whose snapshot's file has so many bytes.
    package func begin(at position: LogPosition, byteCount: UInt64) throws(LogStoreError) {
        precondition(missing == 0 && Int(next) < groupCount, "a group after the other")
        start = end
        let part = BackupPart(group: GroupID(next), position: position, byteCount: byteCount)
        try write(BackupFormat.encode(part)[...])
        missing = byteCount
        next += 1
    }

    /// Takes the group that was begun last back: its snapshot is there no more.
    package func takeBack() throws(LogStoreError) {
        precondition(next > 0 && !isFinished)
        next -= 1
        missing = 0
        end = start
        guard ftruncate(descriptor, off_t(start)) == 0,
            lseek(descriptor, off_t(start), SEEK_SET) == off_t(start)
        else { throw .last("truncation of \(temporary)") }
    }

    /// Adds the group's next piece.
    package func append(_ bytes: ArraySlice<UInt8>) throws(LogStoreError) {
        precondition(UInt64(bytes.count) <= missing, "a group is as long as was said")
        try write(bytes)
        missing -= UInt64(bytes.count)
    }

    /// Makes the backup durable under its name. Throws where what was read is no sound snapshot of
    /// each group, as far as that is seen without its keys, and where something has the name by
    /// now. Returns its size in bytes.
    @discardableResult
    package func finish() throws(LogStoreError) -> UInt64 {
        precondition(missing == 0 && Int(next) == groupCount, "all groups are whole")
        guard fsync(descriptor) == 0 else { throw .last("fsync of \(temporary)") }
        let written = try BackupReader(path: temporary, keys: nil)
        for group in 0..<groupCount { try written.sections(of: GroupID(UInt16(group))) { _ in } }
        // A name that is taken stays whose it is.
        guard link(temporary, path) == 0 else { throw .last("making \(path)") }
        isFinished = true
        try DataDirectory.sync(parentOf: path)
        return end
    }

    private func write(_ bytes: ArraySlice<UInt8>) throws(LogStoreError) {
        try bytes.write(to: descriptor, of: temporary)
        end += UInt64(bytes.count)
    }
}
