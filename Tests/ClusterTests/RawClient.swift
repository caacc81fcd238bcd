// A client that says exactly the bytes it is told, for what no client library would send.

import Foundation

/// One blocking TCP connection to the loopback.
final class RawClient {
    private let handle: Int32
    /// What has come and was not read, from `start` on.
    private var buffer: [UInt8] = []
    private var start = 0

    init(port: Int) throws {
        // No node that is started meanwhile may inherit it.
        handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        // A reply that does not come is a failure, not a test without end.
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &patience, size)
        setsockopt(handle, SOL_SOCKET, SO_SNDTIMEO, &patience, size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                connect(handle, generic, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw ProcessFailure(description: "nobody listens on \(port)") }
    }

    deinit { close(handle) }

    /// Sends all bytes; false where the other end has closed.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Foundation.send(handle, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Sends all bytes, unless the other end takes none for as long as `patience`.
    func send(_ bytes: [UInt8], atMost patience: Duration) -> Bool {
        var limit = timeval(tv_sec: Int(patience.components.seconds), tv_usec: 0)
        setsockopt(handle, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return send(bytes)
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// A command as an array of bulk strings.
    @discardableResult
    func send(command words: [String]) -> Bool {
        var text = "*\(words.count)\r\n"
        for word in words { text += "$\(word.utf8.count)\r\n\(word)\r\n" }
        return send(text)
    }

    /// Up to and without the next CR LF; nil where the connection ended before.
    func line() -> String? {
        var bytes: [UInt8] = []
        while let byte = byte() {
            if byte == UInt8(ascii: "\n"), bytes.last == UInt8(ascii: "\r") {
                return String(decoding: bytes.dropLast(), as: UTF8.self)
            }
            bytes.append(byte)
        }
        return nil
    }

    /// The text of a bulk reply; nil where it is another one, or none.
    func bulk() -> String? {
        guard let head = line(), head.hasPrefix("$"), head != "$-1" else { return nil }
        return line()
    }

    /// The text of a bulk reply, of several lines too; nil where it is another one, or none.
    func text() -> String? {
        guard let head = line(), head.hasPrefix("$"), let count = Int(head.dropFirst()), count >= 0
        else { return nil }
        var bytes: [UInt8] = []
        while bytes.count < count + 2 {
            guard let byte = byte() else { return nil }
            bytes.append(byte)
        }
        return String(decoding: bytes.dropLast(2), as: UTF8.self)
    }

    /// Whether something has come that was not read.
    var hasBytes: Bool {
        var byte: UInt8 = 0
        return start < buffer.count || recv(handle, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) > 0
    }

    /// Whether the other end has closed: nothing comes any more.
    func isClosed() -> Bool {
        while byte() != nil {}
        return errno == 0 || errno == ECONNRESET
    }

    private func byte() -> UInt8? {
        if start == buffer.count, !fill() { return nil }
        defer { start += 1 }
        return buffer[start]
    }

    private func fill() -> Bool {
        errno = 0
        start = 0
        buffer = [UInt8](unsafeUninitializedCapacity: 64 * 1024) { storage, count in
            count = max(recv(handle, storage.baseAddress, storage.count, 0), 0)
        }
        return !buffer.isEmpty
    }
}
