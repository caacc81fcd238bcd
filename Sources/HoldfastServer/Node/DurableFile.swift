// Small files that are replaced whole: the old contents or the new ones are there after a power
// cut, never a mixture.

import Glibc

enum DurableFile {
    /// A call to the operating system failed.
    struct Failure: Error, CustomStringConvertible {
        var description: String

        fileprivate static func last(_ call: String, _ path: String) -> Failure {
            Failure(description: "\(call) of \(path) failed: \(String(cString: strerror(errno)))")
        }
    }

    /// The file's bytes; nil where there is none.
    static func read(_ path: String, bytesMax: Int) throws(Failure) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw .last("open", path)
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while bytes.count <= bytesMax {
            let count = Glibc.read(file, &chunk, chunk.count)
            guard count >= 0 else { throw .last("read", path) }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
        }
        throw Failure(description: "\(path) is longer than \(bytesMax) bytes")
    }

    /// Returns when `bytes` are durable under `path`.
    static func replace(_ path: String, with bytes: [UInt8]) throws(Failure) {
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .last("open", temporary) }
        defer { close(file) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw .last("write", temporary) }
            rest = rest.dropFirst(count)
        }
        guard fsync(file) == 0 else { throw .last("fsync", temporary) }
        guard rename(temporary, path) == 0 else { throw .last("rename", temporary) }
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let handle = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { throw .last("open", directory) }
        defer { close(handle) }
        guard fsync(handle) == 0 else { throw .last("fsync", directory) }
    }
}
