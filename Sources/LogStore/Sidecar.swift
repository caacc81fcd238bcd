// The file `durable`: up to which row, and with which chain value, the log is known to be on the
// disk, and how often the file of votes was written by then. Written after each sync, not synced
// itself: it may be older than both, never newer. A log that ends before it has lost something that
// was promised, and a file of votes that was written less often is an old one. Before the beginning
// of the log moves it is synced, so that it never lies before that.

import Bytes
import Glibc

struct Sidecar {
    static let byteCount = 36

    struct Contents: Hashable {
        /// The last row that is known to be durable.
        var row: ChainMark
        /// How often the file of votes was written.
        var votes: UInt64
    }

    private let file: CInt

    /// Opens the file, or makes it with `contents` where there is none.
    init(path: String, initially contents: Contents?) throws(LogStoreError) {
        let flags = O_RDWR | O_CLOEXEC | (contents == nil ? 0 : O_CREAT)
        file = open(path, flags, 0o600)
        guard file >= 0 else {
            if contents == nil, errno == ENOENT { throw .damage(.missingFile(path)) }
            throw .last("open of \(path)")
        }
        guard let contents else { return }
        try write(contents)
        guard fsync(file) == 0 else { throw .last("fsync of \(path)") }
    }

    func write(_ contents: Contents) throws(LogStoreError) {
        var writer = ByteWriter(capacity: Self.byteCount)
        writer.write(contents.row.sequence)
        writer.write(contents.row.chain.high)
        writer.write(contents.row.chain.low)
        writer.write(contents.votes)
        writer.write(CRC32C.checksum(writer.bytes))
        let bytes = writer.bytes
        let count = bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
        guard count == Self.byteCount else { throw .last("write of the sidecar") }
    }

    func read() throws(LogStoreError) -> Contents {
        var bytes = [UInt8](repeating: 0, count: Self.byteCount)
        let count = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, 0) }
        guard count == Self.byteCount else { throw .damage(.sidecar) }
        do {
            var reader = try ByteReader(checked: bytes[...])
            let mark = ChainMark(
                sequence: try reader.readUInt64(),
                chain: ChainValue(high: try reader.readUInt64(), low: try reader.readUInt64())
            )
            return Contents(row: mark, votes: try reader.readUInt64())
        } catch {
            throw .damage(.sidecar)
        }
    }

    /// Makes the latest mark durable.
    func sync() throws(LogStoreError) {
        guard fsync(file) == 0 else { throw .last("fsync of the sidecar") }
    }

    func close() { Glibc.close(file) }
}

extension LogStoreError {
    /// The failure of the latest call to the operating system.
    static func last(_ call: String) -> LogStoreError {
        .io(call: call, reason: String(cString: strerror(errno)))
    }
}
