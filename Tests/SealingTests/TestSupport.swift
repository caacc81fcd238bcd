// What the suites of sealing share: keys and rings that are the same in each run, directories that
// are removed again, and everything that a value can be made to say of itself.

import Bytes
import Foundation
import TestKit

@testable import Sealing

/// A directory of its own, gone with the value.
final class TemporaryDirectory {
    let path = NSTemporaryDirectory() + "holdfast-keys-\(UUID().uuidString)"

    init() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            // Whatever is left is in the system's own directory for such things.
            return
        }
    }

    func file(_ name: String) -> String { path + "/" + name }

    /// The names of what is in it, sorted.
    func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    }

    /// A file of these bytes and this mode.
    func make(_ name: String, _ bytes: [UInt8], mode: Int = 0o600) throws {
        let attributes: [FileAttributeKey: Any] = [.posixPermissions: mode]
        _ = FileManager.default.createFile(atPath: file(name), contents: Data(bytes))
        try FileManager.default.setAttributes(attributes, ofItemAtPath: file(name))
    }

    func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: file(name))))
    }

    /// The mode of a file, without its kind.
    func mode(_ name: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: file(name))
        return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? -1
    }
}

/// The bytes of the key of that number.
func keyBytes(_ number: UInt64) -> [UInt8] {
    var random = SeededRandom(number)
    return (0..<SecretKey.byteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
}

func moment(_ seconds: Int64) -> CreationTime {
    guard let moment = CreationTime(unixSeconds: seconds) else {
        preconditionFailure("no such time: \(seconds)")
    }
    return moment
}

func entry(_ number: UInt64) -> KeyRing.Entry {
    guard let secret = SecretKey(bytes: keyBytes(number)) else {
        preconditionFailure("32 bytes are a key")
    }
    return KeyRing.Entry(secret, created: moment(1_795_819_200 + Int64(number)))
}

/// A ring of the keys 1 to `count`, the first of which is active.
func testRing(_ count: UInt64 = 3) throws(KeyRingError) -> KeyRing {
    var ring = KeyRing(entry(1))
    for number in 1..<count { ring = try ring.adding(entry(number + 1)) }
    return ring
}

/// Lines with the checksum that fits them, as an operator with too much knowledge would write them.
func text(_ lines: [String]) -> [UInt8] {
    let body = Array(lines.map { $0 + "\n" }.joined().utf8)
    let checksum = String(CRC32C.checksum(body), radix: 16)
    let padding = String(repeating: "0", count: 8 - checksum.count)
    return body + Array("crc32c \(padding)\(checksum)\n".utf8)
}

/// The lines of a ring without its checksum.
func lines(_ ring: KeyRing) -> [String] {
    String(decoding: ring.encoded, as: UTF8.self).split(separator: "\n").dropLast().map { "\($0)" }
}

/// Everything that a value says of itself when it is printed, debugged, dumped or mirrored.
func texts<Value>(of value: Value) -> [String] {
    var dumped = ""
    dump(value, to: &dumped)
    let optional: Value? = value
    return ["\(value)", String(reflecting: value), "\(String(describing: optional))", dumped]
        + ["\([value])"] + mirrored(value, depth: 6)
}

private func mirrored(_ value: Any, depth: Int) -> [String] {
    guard depth > 0 else { return [] }
    return Mirror(reflecting: value).children.flatMap { child in
        ["\(child.value)", String(reflecting: child.value)]
            + mirrored(child.value, depth: depth - 1)
    }
}

/// Pieces of a key that must stand nowhere: any eight of its digits in a row, and any four of its
/// bytes as an array prints them.
func traces(of key: [UInt8]) -> [String] {
    let digits = Hex.digits(key)
    let hexadecimal = (0...digits.count - 8).map { start in
        String(decoding: digits[start..<start + 8], as: UTF8.self)
    }
    let decimal = (0...key.count - 4).map { start in
        key[start..<start + 4].map { "\($0)" }.joined(separator: ", ")
    }
    return hexadecimal + decimal
}

/// Which of `texts` show something of the key.
func leaks(of key: [UInt8], in texts: [String]) -> [String] {
    let traces = traces(of: key)
    return texts.filter { text in
        let text = text.lowercased()
        return traces.contains { text.contains($0) }
    }
}
