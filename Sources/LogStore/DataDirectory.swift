// The node's directory: who may use it, and whose it is. Everything here happens before the
// database is opened, so that a directory that is refused is left as it was.
//
//     lock        held with flock while the store is open
//     identity    whose directory this is
//     durable     the sidecar
//     log.db      the journal, with log.db-wal beside it

import Glibc

struct DataDirectory {
    let path: String
    private let lock: CInt

    var databasePath: String { path + "/log.db" }
    var sidecarPath: String { path + "/durable" }
    private var identityPath: String { path + "/identity" }

    /// Opens the directory for `identity`; makes it where there is none.
    init(path: String, identity: Identity) throws(LogStoreError) {
        self.path = path
        try Self.make(path)
        // The lock file says nothing of anybody: making it claims nothing.
        lock = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw .last("open of \(path)/lock") }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let isHeld = errno == EWOULDBLOCK
            close()
            throw isHeld ? .inUse(directory: path) : .last("lock of \(path)")
        }
        do {
            try claim(identity)
        } catch {
            close()
            throw error
        }
    }

    func close() {
        // Unlocked by name: a child that is just being spawned may hold a copy of the descriptor,
        // and closing this one alone would leave the directory locked until it is gone.
        flock(lock, LOCK_UN)
        Glibc.close(lock)
    }

    private static func make(_ path: String) throws(LogStoreError) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            let parent = made.isEmpty ? "/" : made
            made += "/" + part
            if mkdir(made, 0o700) == 0 {
                // Durable before anything in it is: a node that finds no directory after a power
                // cut would start, and vote, anew.
                try sync(parent)
            } else if errno != EEXIST {
                throw .last("making the directory \(made)")
            }
        }
    }

    private func claim(_ identity: Identity) throws(LogStoreError) {
        if let found = try Self.read(identityPath, bytesMax: Limits.identityBytesMax) {
            let decoded: Identity
            do {
                decoded = try Identity(decoding: found)
            } catch {
                throw .damage(.identity)
            }
            return try decoded.check(against: identity, directory: path)
        }
        for file in [databasePath, sidecarPath] where access(file, F_OK) == 0 {
            throw .damage(.missingFile(identityPath))
        }
        try write(identity.encoded)
    }

    /// Whole or not at all, and durable.
    private func write(_ bytes: [UInt8]) throws(LogStoreError) {
        let temporary = identityPath + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .last("open of \(temporary)") }
        defer { Glibc.close(file) }
        let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        guard count == bytes.count, fsync(file) == 0 else { throw .last("write of \(temporary)") }
        guard rename(temporary, identityPath) == 0 else { throw .last("rename of \(temporary)") }
        try sync()
    }

    /// Makes the empty database that SQLite will fill. SQLite would let others read it; what it
    /// makes beside it takes the mode of this file.
    func makeDatabaseFile() throws(LogStoreError) {
        let file = open(databasePath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .last("open of \(databasePath)") }
        Glibc.close(file)
    }

    /// Makes the names of the directory's files durable.
    func sync() throws(LogStoreError) { try Self.sync(path) }

    private static func sync(_ path: String) throws(LogStoreError) {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw .last("open of \(path)") }
        defer { Glibc.close(directory) }
        guard fsync(directory) == 0 else { throw .last("fsync of \(path)") }
    }

    /// Nil where there is no such file.
    private static func read(
        _ path: String,
        bytesMax: Int
    ) throws(LogStoreError) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw .last("open of \(path)")
        }
        defer { Glibc.close(file) }
        var bytes = [UInt8](repeating: 0, count: bytesMax + 1)
        let count = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
        guard count >= 0 else { throw .last("read of \(path)") }
        return Array(bytes[..<count])
    }
}
