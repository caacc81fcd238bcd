// The keys file: who may have it, and that it is replaced whole.

import Glibc
import Testing

@testable import Sealing

@Suite("A keys file")
struct KeyFileTests {
    @Test("is read back, and is its owner's alone")
    func roundTrip() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("keys")
        for ring in [try testRing(1), try testRing(64), try testRing(2)] {
            try KeyFile.write(ring, to: path)
            #expect(try KeyFile.read(path) == ring)
            #expect(try directory.bytes("keys") == ring.encoded)
            #expect(try directory.mode("keys") == 0o600)
            #expect(try directory.names() == ["keys"])
        }
    }

    @Test("is refused unless nobody but its owner may use it")
    func modes() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("keys")
        let ring = try testRing()
        try directory.make("keys", ring.encoded)
        var count = 0
        for others in UInt32(1)...0o077 {
            #expect(chmod(path, 0o600 | others) == 0)
            let error = KeySourceError.openToOthers(path, mode: 0o600 | others)
            #expect(throws: error) { _ = try KeyFile.read(path) }
            #expect("\(error)".contains("chmod 600 \(path)"))
            count += 1
        }
        #expect(count == 63)
        for own in [0o400, 0o600, 0o700] as [UInt32] {
            #expect(chmod(path, own) == 0)
            #expect(try KeyFile.read(path) == ring)
        }
    }

    @Test("is refused where it belongs to somebody else", .enabled(if: geteuid() == 0))
    func owners() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("keys")
        let ring = try testRing()
        try KeyFile.write(ring, to: path)
        #expect(chown(path, 12_345, 0) == 0)
        #expect(throws: KeySourceError.otherOwner(path, owner: 12_345)) {
            _ = try KeyFile.read(path)
        }
        // Written by this user it would be lost to its owner.
        #expect(throws: KeySourceError.otherOwner(path, owner: 12_345)) {
            try KeyFile.write(ring, to: path)
        }
    }

    @Test("is a file: what is missing, a directory and a pipe are refused at once")
    func kinds() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("keys")
        #expect(throws: KeySourceError.missingFile(path)) { _ = try KeyFile.read(path) }
        #expect(throws: KeySourceError.notAFile(directory.path)) {
            _ = try KeyFile.read(directory.path)
        }
        #expect(throws: KeySourceError.notAFile(directory.path)) {
            try KeyFile.write(try testRing(), to: directory.path)
        }
        #expect(mkfifo(path, 0o600) == 0)
        #expect(throws: KeySourceError.notAFile(path)) { _ = try KeyFile.read(path) }
        let nowhere = directory.file("nowhere/keys")
        #expect(throws: KeySourceError.missingFile(nowhere)) { _ = try KeyFile.read(nowhere) }
        #expect(throws: KeySourceError.self) { try KeyFile.write(try testRing(), to: nowhere) }
    }

    @Test("is read through a link, and never written over one")
    func links() throws {
        let directory = try TemporaryDirectory()
        let ring = try testRing()
        try KeyFile.write(ring, to: directory.file("keys"))
        let link = directory.file("link")
        #expect(symlink("keys", link) == 0)
        #expect(try KeyFile.read(link) == ring)
        #expect(throws: KeySourceError.notAFile(link)) { try KeyFile.write(ring, to: link) }
        #expect(try KeyFile.read(link) == ring)
    }

    @Test("that cannot be read says whose fault it is")
    func contents() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("keys")
        let cases: [([UInt8], KeyRingError)] = [
            ([], .notKeys), (Array(try testRing().encoded.dropLast(9)), .changed),
            (text(["holdfast keys 2"]), .unknownFormat(2)),
            ([UInt8](repeating: 10, count: 16 * 1024 + 1), .tooLong),
            ([UInt8](repeating: 10, count: 1024 * 1024), .tooLong),
        ]
        for (bytes, error) in cases {
            try directory.make("keys", bytes)
            #expect(throws: KeySourceError.unreadable(source: path, error)) {
                _ = try KeyFile.read(path)
            }
        }
    }

    @Test("is replaced over what a crash has left, and stays where it cannot be replaced")
    func leftovers() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("keys")
        let (old, new) = (try testRing(1), try testRing(2))
        try directory.make("keys.new", Array("half a ring".utf8), mode: 0o666)
        try KeyFile.write(old, to: path)
        #expect(try directory.mode("keys") == 0o600)
        #expect(try directory.names() == ["keys"])
        // A directory cannot be unlinked.
        #expect(mkdir(path + ".new", 0o700) == 0)
        #expect(throws: KeySourceError.self) { try KeyFile.write(new, to: path) }
        #expect(try KeyFile.read(path) == old)
    }
}
