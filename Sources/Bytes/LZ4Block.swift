// LZ4 blocks (no frame) for log payloads, through the system's liblz4.
//
// In and out: byte arrays. A compressed block carries no length of its own, so the caller stores
// the original length, and must check it against its own limit before calling `decompress`: a
// foreign length is a foreign allocation.

import CLZ4

/// Compresses and restores single LZ4 blocks.
package enum LZ4Block {
    /// The compressed form of `bytes`, or nil where it would not be smaller.
    package static func compress(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        guard bytes.count > 1, let length = Int32(exactly: bytes.count) else { return nil }
        // One byte less than the input: liblz4 gives up (0) instead of growing the data.
        let capacity = length - 1
        var written: Int32 = 0
        let output = [UInt8](unsafeUninitializedCapacity: Int(capacity)) { target, count in
            bytes.withUnsafeBytes { source in
                // C interop: liblz4 writes at most `capacity` bytes into `target`.
                written = LZ4_compress_default(
                    source.baseAddress?.assumingMemoryBound(to: CChar.self),
                    UnsafeMutableRawPointer(target.baseAddress)?
                        .assumingMemoryBound(to: CChar.self),
                    length,
                    capacity
                )
            }
            count = Int(max(written, 0))
        }
        return written > 0 ? output : nil
    }

    /// Restores a block whose original length is `originalCount`, at most `limit`.
    package static func decompress(
        _ block: ArraySlice<UInt8>,
        originalCount: Int,
        limit: Int
    ) throws(DecodeError) -> [UInt8] {
        guard originalCount >= 0, originalCount <= limit,
            let capacity = Int32(exactly: originalCount),
            let length = Int32(exactly: block.count)
        else { throw .tooLarge(originalCount) }
        var written: Int32 = -1
        let output = [UInt8](unsafeUninitializedCapacity: originalCount) { target, count in
            block.withUnsafeBytes { source in
                // C interop: the safe variant never reads or writes outside the two lengths given.
                written = LZ4_decompress_safe(
                    source.baseAddress?.assumingMemoryBound(to: CChar.self),
                    UnsafeMutableRawPointer(target.baseAddress)?
                        .assumingMemoryBound(to: CChar.self),
                    length,
                    capacity
                )
            }
            count = Int(max(written, 0))
        }
        guard written == capacity else { throw .invalid("not an LZ4 block of that length") }
        return output
    }
}
