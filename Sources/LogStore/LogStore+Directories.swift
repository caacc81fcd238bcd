// Directories as such, for whoever makes one whole and then puts it in its place: a restore.
// Nothing here is called while a store is open in them.

import Foundation
import Glibc

extension LogStore {
    /// Whether there is nothing at `path`, or an empty directory.
    package static func isVacant(directory path: String) -> Bool {
        guard access(path, F_OK) == 0 else { return true }
        do {
            return try FileManager.default.contentsOfDirectory(atPath: path).isEmpty
        } catch {
            // It cannot be looked at, or is no directory.
            return false
        }
    }

    /// The path without links and without what stands for nothing; of the last part there need be
    /// nothing yet.
    package static func resolved(directory path: String) -> String {
        let url = URL(fileURLWithPath: path).standardizedFileURL
        let whole = url.resolvingSymlinksInPath()
        if access(whole.path, F_OK) == 0 { return whole.path }
        let parent = url.deletingLastPathComponent().resolvingSymlinksInPath()
        return parent.appendingPathComponent(url.lastPathComponent).path
    }

    /// Whether a file system begins at `path`: no other directory can be put in its place.
    package static func isMountPoint(directory path: String) -> Bool {
        var own = stat()
        var parent = stat()
        guard stat(path, &own) == 0, stat(path + "/..", &parent) == 0 else { return false }
        return own.st_dev != parent.st_dev || own.st_ino == parent.st_ino
    }

    /// Removes a directory that was made and never used, with all that is in it, if it is there.
    /// Throws where somebody has it open.
    package static func discard(directory path: String) throws(LogStoreError) {
        guard access(path, F_OK) == 0 else { return }
        let lock = try DataDirectory.lockIfThere(path)
        defer { if let lock { DataDirectory.unlock(lock) } }
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            throw .io(call: "removal of \(path)", reason: "\(error)")
        }
    }

    /// Gives a directory that is closed its name, durably, in the place of an empty one.
    package static func move(directory old: String, to new: String) throws(LogStoreError) {
        guard rename(old, new) == 0 else { throw .last("rename of \(old) to \(new)") }
        try DataDirectory.sync(parentOf: new)
    }
}
