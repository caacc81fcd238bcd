// A disk of a certain size under a node's directory, which the test makes smaller and larger while
// the node runs: see DISK_FAULT_ROOM in Tests/DiskFaults/include/disk_faults.h.

import Foundation

struct DiskRoom {
    /// The node's.
    let directory: String
    /// Where the size of the disk stands; outside of the directory.
    let file: String

    static let plenty = 1 << 30

    /// A disk with plenty of room.
    init(of name: String, in cluster: TestCluster) throws {
        directory = cluster.data(name)
        file = cluster.directory + "/room-" + name
        try leave(free: Self.plenty)
    }

    var environment: [String: String] {
        [
            "LD_PRELOAD": NodeProcess.executable("libDiskFaults.so"),
            "DISK_FAULT_DIRECTORY": directory,
            "DISK_FAULT_ROOM": file,
        ]
    }

    /// Makes the disk so small that `bytes` are free on it now.
    func leave(free bytes: Int) throws {
        let size = used + bytes
        try "\(size)\n".write(toFile: file, atomically: true, encoding: .utf8)
    }

    private var used: Int {
        let files = FileManager.default.enumerator(atPath: directory)
        var sum = 0
        while files?.nextObject() != nil {
            let attributes = files?.fileAttributes
            guard attributes?[.type] as? FileAttributeType == .typeRegular else { continue }
            sum += attributes?[.size] as? Int ?? 0
        }
        return sum
    }
}
