// The library of mishaps judged by itself, on a few lines of Python: what a power cut takes away
// and what it leaves, and what a failing call does. Tests that rest on it prove nothing if it is
// kind.

import Foundation
import Testing

@Suite("The library of mishaps")
struct DiskFaultSelfTests {
    /// Runs Python in a directory with a file `file` of 4,096 times "o", on a disk of `size` bytes
    /// where one is given.
    private func run(
        _ fault: DiskFault,
        size: Int? = nil,
        _ script: String
    ) throws -> (code: Int32, file: String?, struck: Int) {
        let directory = NSTemporaryDirectory() + "holdfast-mishap-\(UUID().uuidString)"
        let data = directory + "/data"
        try FileManager.default.createDirectory(
            atPath: data,
            withIntermediateDirectories: true
        )
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let file = data + "/file"
        try String(repeating: "o", count: 4_096).write(
            toFile: file,
            atomically: false,
            encoding: .utf8
        )
        let report = directory + "/report"
        let prelude = """
            import os
            os.chdir("\(data)")
            def put(name, text):
                file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o600)
                os.write(file, text.encode())
                return file

            """
        var environment = fault.environment(directory: data, armed: nil, report: report)
        if let size {
            let room = directory + "/room"
            try "\(size)".write(toFile: room, atomically: true, encoding: .utf8)
            environment["DISK_FAULT_ROOM"] = room
        }
        let process = NodeProcess()
        try process.start(
            ["python3", "-c", prelude + script],
            log: directory + "/log",
            program: "/usr/bin/env",
            environment: environment
        )
        let code = process.wait()
        let text = try? String(contentsOfFile: file, encoding: .utf8)
        let lines = try? String(contentsOfFile: report, encoding: .utf8)
        return (code, text, lines?.split(separator: "\n").count ?? 0)
    }

    /// What a power cut leaves, over many seeds.
    private func remains(at: Int, _ script: String) throws -> Set<String> {
        var remains: Set<String> = []
        for seed in 1...24 as ClosedRange<UInt64> {
            let (code, file, struck) = try run(DiskFault(kind: .cut, at: at, seed: seed), script)
            #expect(code == DiskFault.cutCode)
            #expect(struck == 1)
            let letters = file.map { Set($0).sorted().map { String($0) }.joined() }
            remains.insert(letters ?? "gone")
        }
        return remains
    }

    @Test("a power cut takes what was not synced, or leaves it, or some of its sectors")
    func unsynced() throws {
        let script = """
            file = put("file", "n" * 4096)
            os.fsync(file)
            """
        #expect(try remains(at: 2, script) == ["n", "o", "no"])
    }

    @Test("a power cut leaves what was synced")
    func synced() throws {
        let script = """
            file = put("file", "n" * 4096)
            os.fsync(file)
            os.write(file, b"later")
            os.fsync(file)
            """
        #expect(try remains(at: 3, script) == ["n"])
    }

    @Test("a name is as it was, or as it is to be, until its directory is synced")
    func names() throws {
        let script = """
            file = put("new", "n" * 4096)
            os.fsync(file)
            os.rename("new", "file")
            directory = os.open(".", os.O_RDONLY)
            os.fsync(directory)
            os.mkdir("end")
            """
        #expect(try remains(at: 5, script) == ["n", "o"])
        #expect(try remains(at: 6, script) == ["n"])
        let removal = """
            os.unlink("file")
            os.mkdir("end")
            """
        #expect(try remains(at: 2, removal) == ["o", "gone"])
    }

    @Test("a full disk takes what fits and no more, says so, and takes more when room is made")
    func full() throws {
        let script = """
            import sys
            def left():
                status = os.statvfs(".")
                return status.f_bavail * status.f_frsize
            def refuses(do):
                try:
                    do()
                except OSError as error:
                    return error.errno == \(ENOSPC)
                return False
            assert left() == 8192, left()
            new = put("new", "n" * 4096)
            assert refuses(lambda: os.write(new, b"n" * 4097))
            assert refuses(lambda: os.posix_fallocate(new, 0, 8193))
            assert left() == 4096, left()
            os.write(new, b"n" * 4096)
            assert left() == 0, left()
            os.pwrite(new, b"m" * 8192, 0)
            os.unlink("file")
            assert left() == 4096, left()
            os.posix_fallocate(new, 0, 12288)
            assert left() == 0, left()
            """
        let none = DiskFault(kind: .error, at: 0)
        #expect(try run(none, size: 12_288, script).code == 0)
        // The script notices where there is no such disk.
        #expect(try run(none, script).code != 0)
    }

    @Test("a call that fails has done nothing, or all, and says so; later ones are as is asked")
    func errors() throws {
        let script = """
            import sys
            try:
                put("file", "n" * 4096)
            except OSError as error:
                try:
                    put("file", "m" * 4096)
                except OSError:
                    sys.exit(100)
                sys.exit(error.errno)
            """
        let once = try run(DiskFault(kind: .error, at: 1, errno: ENOSPC), script)
        #expect(once.code == ENOSPC)
        #expect(once.file?.first == "m")
        let forever = try run(DiskFault(kind: .error, at: 1, isForever: true), script)
        #expect(forever.code == 100)
        #expect(forever.file?.first == "o")
        #expect(forever.struck == 2)
        let late = try run(DiskFault(kind: .late, at: 1, isForever: true), script)
        #expect(late.code == 100)
        #expect(late.file?.first == "m", "both were done")
        let beyond = try run(DiskFault(kind: .error, at: 9), script)
        #expect(beyond.code == 0)
        #expect(beyond.struck == 0)
    }
}
