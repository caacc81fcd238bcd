// A small file as text, with the operating system's own reason where that fails.

import Glibc

package enum FileText {
    package struct ReadError: Error { package var reason: String }

    package static func read(_ path: String, bytesMax: Int) throws(ReadError) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw ReadError(reason: String(cString: strerror(errno))) }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            guard count >= 0 else { throw ReadError(reason: String(cString: strerror(errno))) }
            guard count > 0 else { break }
            bytes += chunk[..<count]
            guard bytes.count <= bytesMax else {
                throw ReadError(reason: "it is longer than \(bytesMax) bytes")
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ReadError(reason: "it is not UTF-8 text")
        }
        return text
    }
}
