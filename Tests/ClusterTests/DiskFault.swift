// One mishap of a node's disk, done by the library DiskFaults that the node is started with: see
// Tests/DiskFaults/include/disk_faults.h.

import Foundation

struct DiskFault: CustomStringConvertible {
    enum Kind: String {
        /// The call does nothing and fails.
        case error
        /// The call is done, and fails then.
        case late
        /// As `error`; and what a sync should have made durable is gone.
        case lost
        /// The call takes long.
        case hang
        /// The power is cut before the call.
        case cut
    }

    var kind: Kind
    /// The number of the call that is struck, from 1.
    var at: Int
    /// Where it is set, only calls of that name count.
    var call: String?
    var errno = EIO
    /// Every later call, too.
    var isForever = false
    var milliseconds = 0
    /// What a power cut leaves of what was not synced.
    var seed: UInt64 = 0

    /// The exit code of a node whose power was cut.
    static let cutCode: Int32 = 99

    var description: String {
        "\(kind) \(errno) at \(call ?? "call") \(at)\(isForever ? " and later" : ""), seed \(seed)"
    }

    /// The environment of a node whose data are in `directory`. Calls count from the moment at
    /// which `armed` exists; what is struck is added to `report`.
    func environment(
        directory: String,
        armed: String?,
        report: String
    ) -> [String: String] {
        var variables = [
            "LD_PRELOAD": NodeProcess.executable("libDiskFaults.so"),
            "DISK_FAULT_DIRECTORY": directory,
            "DISK_FAULT_AT": "\(at)",
            "DISK_FAULT_KIND": kind.rawValue,
            "DISK_FAULT_ERRNO": "\(errno)",
            "DISK_FAULT_MILLISECONDS": "\(milliseconds)",
            "DISK_FAULT_SEED": "\(seed)",
            "DISK_FAULT_REPORT": report,
        ]
        if let call { variables["DISK_FAULT_CALL"] = call }
        if let armed { variables["DISK_FAULT_ARMED"] = armed }
        if isForever { variables["DISK_FAULT_FOREVER"] = "1" }
        return variables
    }
}
