// Three characters that bring any text to any slot. CRC-16 is linear: the checksum of a prefix with
// three characters behind it is the checksum of the prefix with three zero bytes, xor that of the
// three characters alone. So one table, from the 14 bits that are wanted to three characters that
// give them, serves every prefix. Of the 16 or so triples for each, the table has the first: a
// prefix and a slot have one text.

enum RoutingCharacters {
    static let count = 3

    /// The digits of base64url (RFC 4648 section 5).
    static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8
    )

    /// The value of each digit; 255 for other bytes.
    static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, digit) in alphabet.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }()

    /// The characters to put behind a text whose checksum is `crc`, for `slot`.
    static func bringing(_ crc: UInt16, to slot: UInt16) -> [UInt8] {
        let whole = CRC16.update(crc, repeatElement(0, count: count))
        let packed = table[Int(HashSlot.slot(ofChecksum: whole ^ slot))]
        return [
            alphabet[Int(packed >> 12)], alphabet[Int(packed >> 6 & 63)],
            alphabet[Int(packed & 63)],
        ]
    }

    /// For each 14 bits the first three digits whose checksum ends in them, 18 bits each. That
    /// every one of the 16,384 is reached is tested. A quarter of a million steps, once a process.
    static let table: [UInt32] = {
        let crcs = CRC16.table
        var table = [UInt32](repeating: unreached, count: HashSlot.count)
        var packed: UInt32 = 0
        for first in alphabet {
            let one = CRC16.step(0, first, crcs)
            for second in alphabet {
                let two = CRC16.step(one, second, crcs)
                for third in alphabet {
                    let slot = Int(HashSlot.slot(ofChecksum: CRC16.step(two, third, crcs)))
                    if table[slot] == unreached { table[slot] = packed }
                    packed += 1
                }
            }
        }
        return table
    }()

    /// Above every 18 bits.
    static let unreached = UInt32.max
}
