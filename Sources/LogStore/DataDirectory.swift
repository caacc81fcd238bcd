// The node's directory: who may use it, and whose it is. Everything here happens before the
// database is opened, so that a directory that is refused is left as it was.
//
//     lock        held with flock while the store is open
//     identity    whose directory this is
//     durable     the sidecar
//     votes       what was promised to candidates
//     log.db      the journal, with log.db-wal beside it
//     snapshots   a directory of them
//     log.db.new  a database that is being made to take the other's place
//     damaged-N   a journal that was set aside

import Glibc

struct DataDirectory {
    let path: String
    /// What the directory says of itself.
    let identity: Identity
    private let lock: CInt

    var databasePath: String { path + Self.databaseName }
    /// The database that is going to take its place, while that is being made.
    var databaseCopyPath: String { databasePath + ".new" }
    var sidecarPath: String { path + Self.sidecarName }
    var walPath: String { path + Self.walName }
    var votesPath: String { path + Self.votesName }
    var snapshotsPath: String { path + Self.snapshotsName }

    static let databaseName = "/log.db"
    static let walName = "/log.db-wal"
    static let votesName = "/votes"
    static let sidecarName = "/durable"
    static let snapshotsName = "/snapshots"
    private static let identityName = "/identity"

    /// Opens the directory of the node that `wanted` names; where there is none, makes it with that
    /// identity.
    init(path: String, identity wanted: Identity) throws(LogStoreError) {
        self.path = path
        try Self.make(path)
        // The lock file says nothing of anybody: making it claims nothing.
        let lock = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw .last("open of \(path)/lock") }
        self.lock = lock
        try Self.hold(lock, of: path)
        do {
            identity = try Self.claim(path, wanted)
            try Self.make(path + Self.snapshotsName)
        } catch {
            Self.unlock(lock)
            throw error
        }
    }

    func close() { Self.unlock(lock) }

    // MARK: The lock

    /// Keeps everybody else from a directory that is only looked at; nil where it has no lock file,
    /// and none is made. Throws where somebody has it open, or there is no directory.
    static func lockIfThere(_ path: String) throws(LogStoreError) -> CInt? {
        guard access(path, F_OK) == 0 else { throw .last("access to \(path)") }
        let lock = open(path + "/lock", O_RDWR | O_CLOEXEC)
        guard lock >= 0 else {
            if errno == ENOENT { return nil }
            throw .last("open of \(path)/lock")
        }
        try hold(lock, of: path)
        return lock
    }

    /// Closes `lock` where it is not to be had.
    private static func hold(_ lock: CInt, of path: String) throws(LogStoreError) {
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let isHeld = errno == EWOULDBLOCK
            unlock(lock)
            throw isHeld ? .inUse(directory: path) : .last("lock of \(path)")
        }
    }

    static func unlock(_ lock: CInt) {
        // Unlocked by name: a child that is just being spawned may hold a copy of the descriptor,
        // and closing this one alone would leave the directory locked until it is gone.
        flock(lock, LOCK_UN)
        Glibc.close(lock)
    }

    // MARK: The identity

    /// What a directory says of itself.
    static func identity(in path: String) throws(LogStoreError) -> Identity {
        guard let identity = try identityIfThere(in: path) else {
            throw .damage(.missingFile(path + identityName))
        }
        return identity
    }

    private static func identityIfThere(in path: String) throws(LogStoreError) -> Identity? {
        guard let bytes = try read(path + identityName, bytesMax: Limits.identityBytesMax) else {
            return nil
        }
        do {
            return try Identity(decoding: bytes)
        } catch {
            throw .damage(.identity)
        }
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

    private static func claim(
        _ path: String,
        _ wanted: Identity
    ) throws(LogStoreError) -> Identity {
        if let found = try identityIfThere(in: path) {
            try found.check(against: wanted, directory: path)
            return found
        }
        for name in [databaseName, sidecarName, votesName, snapshotsName]
        where access(path + name, F_OK) == 0 {
            throw .damage(.missingFile(path + identityName))
        }
        try write(wanted.encoded, into: path)
        return wanted
    }

    /// Whole or not at all, and durable.
    private static func write(
        _ bytes: [UInt8],
        into directory: String
    ) throws(LogStoreError) {
        let path = directory + identityName
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .last("open of \(temporary)") }
        defer { Glibc.close(file) }
        let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        guard count == bytes.count, fsync(file) == 0 else { throw .last("write of \(temporary)") }
        guard rename(temporary, path) == 0 else { throw .last("rename of \(temporary)") }
        try sync(directory)
    }

    /// Makes the empty database that SQLite will fill. SQLite would let others read it; what it
    /// makes beside it takes the mode of this file.
    func makeDatabaseFile() throws(LogStoreError) { try Self.makeEmptyFile(databasePath) }

    static func makeEmptyFile(_ path: String) throws(LogStoreError) {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .last("open of \(path)") }
        Glibc.close(file)
    }

    /// What a crash may have left of it.
    func removeDatabaseCopy() throws(LogStoreError) {
        guard unlink(databaseCopyPath) == 0 || errno == ENOENT else {
            throw .last("removal of \(databaseCopyPath)")
        }
    }

    static func sync(file path: String) throws(LogStoreError) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .last("open of \(path)") }
        defer { Glibc.close(file) }
        guard fsync(file) == 0 else { throw .last("fsync of \(path)") }
    }

    /// Makes the names of the directory's files durable.
    func sync() throws(LogStoreError) { try Self.sync(path) }

    /// Makes a name durable.
    static func sync(parentOf path: String) throws(LogStoreError) {
        guard let slash = path.lastIndex(of: "/") else { return try sync(".") }
        try sync(slash == path.startIndex ? "/" : String(path[..<slash]))
    }

    static func sync(_ path: String) throws(LogStoreError) {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw .last("open of \(path)") }
        defer { Glibc.close(directory) }
        guard fsync(directory) == 0 else {
            throw .namesNotDurable(directory: path, reason: String(cString: strerror(errno)))
        }
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
