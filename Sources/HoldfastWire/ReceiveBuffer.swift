// Bytes that have come and are not parsed yet.
//
// Whole messages leave as windows on the same storage, so as long as someone holds one, writing
// behind it would copy everything. So what is left over after a turn of parsing is moved to
// storage of its own, once: a byte moves at most once for being left over, and parsing stays
// linear however the stream is cut. It must never keep storage when it holds nothing.

import NIOCore

/// The unparsed end of a stream.
struct ReceiveBuffer: Sendable {
    private var bytes = ByteBuffer()
    /// How many bytes were copied because they were left over; a test bounds it.
    private(set) var movedBytes = 0

    var count: Int { bytes.readableBytes }

    /// Takes all of `more`; without a copy when nothing is waiting.
    mutating func take(_ more: inout ByteBuffer) {
        if count == 0 {
            bytes = more
        } else {
            bytes.writeImmutableBuffer(more)
        }
        more = ByteBuffer()
    }

    /// One byte, which must be there.
    func byte(at place: Int) -> UInt8 { bytes.readableBytesUInt8Span[place] }

    /// A copy of some bytes, which must be there.
    func copy(_ range: Range<Int>) -> [UInt8] {
        bytes.withUnsafeReadableBytes { Array($0[range]) }
    }

    /// Some bytes, which must be there, as text; what is not UTF-8 is repaired.
    func text(_ range: Range<Int>) -> String {
        bytes.withUnsafeReadableBytes {
            String(decoding: UnsafeRawBufferPointer(rebasing: $0[range]), as: UTF8.self)
        }
    }

    /// The number that some bytes, which must be there, are the text of.
    func number(in range: Range<Int>) -> Int64? {
        DecimalText.parse(bytes.readableBytesUInt8Span.extracting(range))
    }

    /// The first place of `byte` between the two; the end of that, or of the bytes, if it is not
    /// there.
    func search(_ byte: UInt8, from start: Int, to end: Int) -> Int {
        let span = bytes.readableBytesUInt8Span
        let end = min(end, span.count)
        var place = start
        while place < end, span[place] != byte { place += 1 }
        return place
    }

    /// Drops the first `count` bytes, which must be there.
    mutating func drop(_ count: Int) { bytes.moveReaderIndex(forwardBy: count) }

    /// Takes the first `count` bytes out, which must be there.
    mutating func slice(_ count: Int) -> ByteBuffer {
        guard let slice = bytes.readSlice(length: count) else {
            preconditionFailure("the parser has counted these bytes")
        }
        return slice
    }

    /// Call when nothing whole is left: gives storage back, and leaves that of earlier messages.
    mutating func settle() {
        guard count > 0 else {
            bytes = ByteBuffer()
            return
        }
        let isShared = bytes.readerIndex > 0
        let isOversized = bytes.storageCapacity / 4 > count + WireLimits.idleBytesMax
        guard isShared || isOversized else { return }
        var own = ByteBufferAllocator().buffer(capacity: count)
        movedBytes += own.writeImmutableBuffer(bytes)
        bytes = own
    }
}
