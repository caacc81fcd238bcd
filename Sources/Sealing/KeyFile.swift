// A ring in a file. It is read only where nobody but its owner can have read it, and replaced
// whole: the old ring or the new one is there after a power cut, never a mixture, and never a file
// that others could read for a moment.
//
// In: a path, and a ring to write. Out: the ring that is there. It must never put a key anywhere
// but in that file and the one beside it that takes its place.

import Glibc

/// Reads and writes keys files.
package enum KeyFile {
    /// The ring in the file. It must be a regular file of this process's user, or of root, that
    /// nobody else may use.
    package static func read(_ path: String) throws(KeySourceError) -> KeyRing {
        // Without O_NONBLOCK a pipe in the file's place would hold the process up until somebody
        // writes to it.
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard file >= 0 else {
            throw errno == ENOENT ? .missingFile(path) : .last("open", path)
        }
        defer { Glibc.close(file) }
        // Of the open file: what is under the name may be another one by now.
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .last("fstat", path) }
        try check(status, path)
        guard status.st_mode & 0o077 == 0 else {
            throw .openToOthers(path, mode: status.st_mode & 0o7777)
        }
        let bytes = try readAll(file, path)
        do {
            return try KeyRing(decoding: bytes)
        } catch {
            throw .unreadable(source: path, error)
        }
    }

    /// Returns when the ring is durable under `path`, readable by its owner alone.
    package static func write(_ ring: KeyRing, to path: String) throws(KeySourceError) {
        // The new file is this user's, and takes the name: of a link, or of a file of somebody
        // else, nothing would be left.
        var status = stat()
        if lstat(path, &status) == 0 {
            try check(status, path)
        } else if errno != ENOENT {
            throw .last("lstat", path)
        }
        let temporary = path + ".new"
        // What a crash has left, which may have any mode. Where it cannot go, the next call says
        // so.
        unlink(temporary)
        do throws(KeySourceError) {
            try make(temporary, ring.encoded)
            guard rename(temporary, path) == 0 else { throw .last("rename", temporary) }
        } catch {
            unlink(temporary)
            throw error
        }
        try syncDirectory(of: path)
    }

    private static func check(_ status: stat, _ path: String) throws(KeySourceError) {
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path) }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw .otherOwner(path, owner: status.st_uid)
        }
    }

    /// The file's bytes. Of a file that is longer than any ring, enough to see that.
    private static func readAll(_ file: CInt, _ path: String) throws(KeySourceError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: Limits.ringBytesMax)
        while bytes.count <= Limits.ringBytesMax {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .last("read", path) }
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return bytes
    }

    private static func make(_ path: String, _ bytes: [UInt8]) throws(KeySourceError) {
        // O_EXCL: never into a file that somebody else has put there.
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let file = Glibc.open(path, flags, 0o600)
        guard file >= 0 else { throw .last("open", path) }
        defer { Glibc.close(file) }
        // Whatever the umask says.
        guard fchmod(file, 0o600) == 0 else { throw .last("fchmod", path) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .last("write", path) }
            rest = rest.dropFirst(count)
        }
        guard fsync(file) == 0 else { throw .last("fsync", path) }
    }

    private static func syncDirectory(of path: String) throws(KeySourceError) {
        var directory = "."
        if let end = path.lastIndex(of: "/") {
            directory = end == path.startIndex ? "/" : String(path[..<end])
        }
        let handle = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { throw .last("open", directory) }
        defer { Glibc.close(handle) }
        guard fsync(handle) == 0 else { throw .last("fsync", directory) }
    }
}
