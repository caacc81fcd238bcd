// Which of the 16,384 slots a key belongs to, by the published rule of Redis Cluster:
// CRC-16/XMODEM of the key, or of what stands between its first braces. And which group of the
// cluster has the slot: groups have ranges, as even as they can be.

/// The slots of a cluster, and how they are dealt to its shard groups.
package enum HashSlot {
    /// How many there are, by the rule of Redis Cluster.
    package static let count = 16_384

    /// The slot of a key.
    package static func of(_ key: some Collection<UInt8>) -> UInt16 {
        let slot = key.withContiguousStorageIfAvailable { of(UnsafeRawBufferPointer($0)) }
        return slot ?? Array(key).withUnsafeBytes { of($0) }
    }

    /// The slot of a key.
    package static func of(_ key: UnsafeRawBufferPointer) -> UInt16 {
        slot(ofChecksum: CRC16.update(0, tag(key)))
    }

    /// The slot of a key whose CRC-16 is known.
    static func slot(ofChecksum crc: UInt16) -> UInt16 { crc & UInt16(count - 1) }

    /// The part of the key that decides: what is in the first pair of braces, unless that is empty.
    private static func tag(_ key: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard let open = key.firstIndex(of: UInt8(ascii: "{")),
            let close = key[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        else { return key }
        return UnsafeRawBufferPointer(rebasing: key[(open + 1)..<close])
    }

    /// The group of a slot, of `groupCount` groups.
    package static func group(of slot: UInt16, groupCount: Int) -> Int {
        precondition((1...count).contains(groupCount), "every group has a slot")
        precondition(slot < count)
        return Int(slot) * groupCount / count
    }

    /// The slots of a group, of `groupCount` groups.
    package static func range(ofGroup group: Int, groupCount: Int) -> ClosedRange<UInt16> {
        precondition((1...count).contains(groupCount), "every group has a slot")
        precondition((0..<groupCount).contains(group))
        // The first slot whose product with the group count reaches the group.
        let first = (group * count + groupCount - 1) / groupCount
        let next = ((group + 1) * count + groupCount - 1) / groupCount
        return UInt16(first)...UInt16(next - 1)
    }
}

/// CRC-16/XMODEM: polynomial 0x1021, no reflection, starts at 0.
enum CRC16 {
    /// The checksum of what had the checksum `start`, with `bytes` behind it.
    static func update(_ start: UInt16, _ bytes: some Sequence<UInt8>) -> UInt16 {
        let table = table
        var crc = start
        for byte in bytes { crc = step(crc, byte, table) }
        return crc
    }

    /// The checksum with one byte more.
    @inline(__always)
    static func step(_ crc: UInt16, _ byte: UInt8, _ table: [UInt16]) -> UInt16 {
        crc << 8 ^ table[Int(UInt8(truncatingIfNeeded: crc >> 8) ^ byte)]
    }

    /// What each value of the top byte adds.
    static let table: [UInt16] = (0..<256).map { byte in
        var crc = UInt16(byte) << 8
        for _ in 0..<8 { crc = crc & 0x8000 == 0 ? crc << 1 : crc << 1 ^ 0x1021 }
        return crc
    }
}
