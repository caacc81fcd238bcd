// What a simulated disk holds of a log, as bytes with a checksum and a chain, in the manner of
// LogStore: enough to notice whatever a disk may do to them.

import Bytes
import RaftCore

/// One entry as it lies on a disk.
struct StoredRow: Equatable, Sendable {
    var bytes: [UInt8]
    var checksum: UInt32
    /// Over the row's checksum and the chain of the row before it.
    var chain: UInt32

    init(_ entry: Entry, after chain: UInt32) {
        var writer = ByteWriter(capacity: 32 + entry.payloadBytes)
        writer.write(entry.term.rawValue)
        writer.write(entry.index.rawValue)
        switch entry.content {
        case .noop: writer.write(UInt8(0))
        case .command(let payload):
            writer.write(UInt8(1))
            writer.write(payload)
        case .membership(let membership):
            writer.write(UInt8(2))
            writer.write(membership.encoded[...])
        }
        bytes = writer.bytes
        checksum = CRC32C.checksum(bytes)
        self.chain = Self.chain(checksum, after: chain)
    }

    static func chain(_ checksum: UInt32, after chain: UInt32) -> UInt32 {
        var mixed = (UInt64(chain) << 32 | UInt64(checksum)) &* 0x9e37_79b9_7f4a_7c15
        mixed ^= mixed >> 29
        return UInt32(truncatingIfNeeded: mixed &* 0xbf58_476d_1ce4_e5b9 >> 32)
    }

    /// Where the chain begins after `base`.
    static func chain(from base: LogPosition) -> UInt32 {
        chain(UInt32(truncatingIfNeeded: base.term.rawValue &* 31 &+ base.index.rawValue), after: 1)
    }

    /// The entry, where the row is as it was written after `chain`; nil where it is damaged.
    func entry(after chain: UInt32) -> Entry? {
        guard CRC32C.checksum(bytes) == checksum, Self.chain(checksum, after: chain) == self.chain
        else { return nil }
        return uncheckedEntry
    }

    var uncheckedEntry: Entry? {
        var reader = ByteReader(bytes)
        guard let term = try? reader.readUInt64(), let index = try? reader.readUInt64(),
            let tag = try? reader.readUInt8()
        else { return nil }
        let rest = bytes[(bytes.count - reader.remaining)...]
        let content: Entry.Content
        switch tag {
        case 0: content = .noop
        case 1: content = .command(rest)
        case 2:
            guard let membership = Membership(encoded: rest) else { return nil }
            content = .membership(membership)
        default: return nil
        }
        return Entry(term: Term(term), index: LogIndex(index), content: content)
    }
}

/// A small record with a checksum: hard state, base, durable mark.
struct Sealed<Value: Hashable & Sendable>: Sendable {
    private(set) var value: Value
    /// Stands for the checksum: false once a bit was flipped.
    private(set) var isSound = true

    init(_ value: Value) { self.value = value }

    mutating func damage() { isSound = false }
}

/// A snapshot as it lies on a disk.
struct SnapshotFile: Sendable {
    var mark: SnapshotMark
    var bytes: [UInt8]
    /// Of `bytes`, as written.
    var checksum: UInt32

    init(mark: SnapshotMark, bytes: [UInt8]) {
        self.mark = mark
        self.bytes = bytes
        checksum = CRC32C.checksum(bytes)
    }

    var isSound: Bool { CRC32C.checksum(bytes) == checksum }
}
