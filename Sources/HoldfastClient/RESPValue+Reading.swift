// Small readers over replies. They are lenient where Redis servers differ (status or bulk, map or
// flat array) and nil for all else; they must never trap on what a server sends.

import HoldfastWire

extension RESPValue {
    /// A string of any of the kinds that servers use for strings.
    var text: String? {
        switch self {
        case .status(let text): text
        case .bulk(let bytes), .verbatim(format: _, let bytes):
            String(decoding: bytes, as: UTF8.self)
        default: nil
        }
    }

    /// A whole number, also when it comes as a string of digits.
    var number: Int64? {
        switch self {
        case .integer(let number): number
        case .boolean(let flag): flag ? 1 : 0
        case .status(let text): Int64(text)
        case .bulk(let bytes): Int64(String(decoding: bytes, as: UTF8.self))
        default: nil
        }
    }

    var bytes: [UInt8]? {
        switch self {
        case .bulk(let bytes), .verbatim(format: _, let bytes): bytes
        case .status(let text): Array(text.utf8)
        default: nil
        }
    }

    /// A map's pairs; a flat array of even length is one too, as RESP2 writes it.
    var pairs: [RESPPair]? {
        switch self {
        case .map(let pairs): return pairs
        case .array(let items) where items.count.isMultiple(of: 2):
            return stride(from: 0, to: items.count, by: 2).map { place in
                RESPPair(key: items[place], value: items[place + 1])
            }
        default: return nil
        }
    }
}
