// A reply as a value, in the words of RESP3; RESP2 is the part of it without maps, sets and
// nulls of their own.

/// Which version of the protocol a connection speaks.
package enum RESPVersion: Int, Sendable {
    case two = 2
    case three = 3
}

/// One reply. Texts are UTF-8, repaired where a server sent something else.
package indirect enum RESPValue: Hashable, Sendable {
    case status(String)
    case error(String)
    case integer(Int64)
    /// A string; the only form that values are stored and returned in.
    case bulk([UInt8])
    case null
    case boolean(Bool)
    case double(Double)
    /// Decimal digits, with a minus sign or without.
    case bigNumber(String)
    /// Text for people; the format has three ASCII characters, as `txt` or `mkd`.
    case verbatim(format: String, [UInt8])
    case array([RESPValue])
    /// In the order in which it came; a server may repeat a key.
    case map([RESPPair])
    /// In the order in which it came.
    case set([RESPValue])
    /// Out of band: the answer to no request. Only at the outermost level.
    case push([RESPValue])
}

/// One entry of a map.
package struct RESPPair: Hashable, Sendable {
    /// What stands first.
    package var key: RESPValue
    /// What stands behind it.
    package var value: RESPValue

    /// A key and its value.
    package init(key: RESPValue, value: RESPValue) {
        self.key = key
        self.value = value
    }
}
