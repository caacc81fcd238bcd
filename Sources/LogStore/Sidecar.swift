// The file `durable`: up to which row, and with which chain value, the log is known to be on the
// disk. Written after each sync, not synced itself: it may be older than the log, never newer. A
// log that ends before it has lost something that was promised. Before the beginning of the log
// moves it is synced, so that it never lies before that.

import Bytes
import Glibc

struct Sidecar {
    static let byteCount = 28

    private let file: CInt

    /// Opens the file, or makes it with `mark` where there is none.
    init(path: String, initially mark: ChainMark?) throws(LogStoreError) {
        let flags = O_RDWR | O_CLOEXEC | (mark == nil ? 0 : O_CREAT)
        file = open(path, flags, 0o600)
        guard file >= 0 else {
            if mark == nil, errno == ENOENT { throw .damage(.missingFile(path)) }
            throw .last("open of \(path)")
        }
        guard let mark else { return }
        try write(mark)
        guard fsync(file) == 0 else { throw .last("fsync of \(path)") }
    }

    func write(_ mark: ChainMark) throws(LogStoreError) {
        var writer = ByteWriter(capacity: Self.byteCount)
        writer.write(mark.sequence)
        writer.write(mark.chain.high)
        writer.write(mark.chain.low)
        writer.write(CRC32C.checksum(writer.bytes))
        let bytes = writer.bytes
        let count = bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
        guard count == Self.byteCount else { throw .last("write of the sidecar") }
    }

    func read() throws(LogStoreError) -> ChainMark {
        var bytes = [UInt8](repeating: 0, count: Self.byteCount)
        let count = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, 0) }
        guard count == Self.byteCount else { throw .damage(.sidecar) }
        do {
            var reader = ByteReader(bytes)
            let mark = ChainMark(
                sequence: try reader.readUInt64(),
                chain: ChainValue(high: try reader.readUInt64(), low: try reader.readUInt64())
            )
            guard try reader.readUInt32() == CRC32C.checksum(bytes[..<24]) else {
                throw DecodeError.checksumMismatch
            }
            return mark
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
