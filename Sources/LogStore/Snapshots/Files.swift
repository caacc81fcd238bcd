// The two things that snapshots need of files: one that is being written, and is gone again unless
// it is kept whole and durable under its name; and one that is read at any place, by several
// threads if they like.

import CLogStore
import Foundation
import Glibc

/// A file without a name of its own yet.
final class UnfinishedFile {
    /// What the names of such files begin with, so that a start can remove what a crash left.
    static let prefix = "unfinished-"

    private let directory: String
    private let path: String
    private let descriptor: CInt
    private var isKept = false
    private(set) var byteCount: UInt64 = 0
    /// Of those, the last that the disk was not given yet.
    private var bufferedBytes = 0

    init(in directory: String) throws(LogStoreError) {
        self.directory = directory
        path = directory + "/" + Self.prefix + UUID().uuidString
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .last("open of \(path)") }
    }

    deinit {
        Glibc.close(descriptor)
        // Nothing rests on the removal: the next start does it again.
        if !isKept { try? removeFile(path) }
    }

    func append(_ bytes: ArraySlice<UInt8>) throws(LogStoreError) {
        try bytes.write(to: descriptor, of: path)
        byteCount += UInt64(bytes.count)
        bufferedBytes += bytes.count
        guard bufferedBytes >= Limits.snapshotWriteBackBytes else { return }
        let start = Int64(byteCount) - Int64(bufferedBytes)
        guard log_store_write_back(descriptor, start, Int64(bufferedBytes)) == 0 else {
            // The sync at the end would not tell of it again.
            throw .last("sync_file_range of \(path)")
        }
        bufferedBytes = 0
    }

    /// What was written so far.
    func reader() throws(LogStoreError) -> ReadableFile {
        guard let file = try ReadableFile(path: path) else { throw .io(call: "open", reason: path) }
        return file
    }

    /// Makes the file durable under a name, in place of what had it.
    func keep(as name: String) throws(LogStoreError) {
        guard fsync(descriptor) == 0 else { throw .last("fsync of \(path)") }
        guard rename(path, directory + "/" + name) == 0 else { throw .last("rename of \(path)") }
        isKept = true
        try DataDirectory.sync(directory)
    }
}

/// Removes a file, unless somebody was faster. To free a large one at once keeps the file system
/// busy for so long that commits have to wait: where nobody reads it, it is first made shorter and
/// shorter.
func removeFile(_ path: String) throws(LogStoreError) {
    let descriptor = open(path, O_RDWR | O_CLOEXEC)
    defer { if descriptor >= 0 { Glibc.close(descriptor) } }
    guard unlink(path) == 0 || errno == ENOENT else { throw .last("removal of \(path)") }
    var status = stat()
    guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0,
        fstat(descriptor, &status) == 0
    else { return }
    // It has no name any more: what cannot be made shorter goes with the descriptor.
    var size = status.st_size - off_t(Limits.removalStepBytes)
    while size > 0, ftruncate(descriptor, size) == 0 { size -= off_t(Limits.removalStepBytes) }
}

extension ArraySlice<UInt8> {
    /// Writes all of it where the file at `path` is open.
    func write(to descriptor: CInt, of path: String) throws(LogStoreError) {
        var rest = self
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .last("write of \(path)") }
            rest = rest.dropFirst(count)
        }
    }
}

/// A file that is open for reading, or a part of one. It can be read after its name is gone.
final class ReadableFile: Sendable {
    let path: String
    let byteCount: UInt64
    /// Where the part begins.
    private let start: UInt64
    private let descriptor: CInt

    /// A part that is in the file. Nil where there is no such file.
    init?(path: String, from start: UInt64 = 0, count: UInt64? = nil) throws(LogStoreError) {
        self.path = path
        self.start = start
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .last("open of \(path)")
        }
        // Whoever removes it must know: see `removeFile`. Where there are no locks it knows that.
        let isGoing = flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let error = LogStoreError.last("fstat of \(path)")
            Glibc.close(descriptor)
            throw error
        }
        guard !isGoing, status.st_nlink > 0 else {
            Glibc.close(descriptor)
            return nil
        }
        let size = UInt64(clamping: status.st_size)
        byteCount = min(count ?? size, size - min(start, size))
    }

    deinit { Glibc.close(descriptor) }

    /// The bytes at `offset`: `count` of them, or fewer where the file ends before.
    func read(at offset: UInt64, count: Int) throws(LogStoreError) -> [UInt8] {
        let left = byteCount - min(offset, byteCount)
        let wanted = Int(min(UInt64(clamping: count), left))
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, initialized in
            let raw = UnsafeMutableRawBufferPointer(buffer)
            while initialized < wanted {
                let rest = UnsafeMutableRawBufferPointer(rebasing: raw[initialized...])
                // Within the file's size, so within what `off_t` holds.
                let place = off_t(start + offset) + off_t(initialized)
                let count = pread(descriptor, rest.baseAddress, rest.count, place)
                if count < 0, errno == EINTR { continue }
                failed = count < 0
                guard count > 0 else { return }
                initialized += count
            }
        }
        guard !failed else { throw .last("read of \(path)") }
        return bytes
    }
}
