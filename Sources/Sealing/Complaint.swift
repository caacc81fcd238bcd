// What a command says on standard error, cut down to what can stand in a log: its end, printable,
// and without anything that may be a key. A script that is traced says every word that it works
// with there.

struct Complaint {
    /// The last bytes, at most `Limits.complaintBytesMax`.
    private var end: [UInt8] = []
    private var isCut = false

    mutating func append(_ bytes: ArraySlice<UInt8>) {
        end += bytes.suffix(Limits.complaintBytesMax)
        isCut = isCut || bytes.count > Limits.complaintBytesMax
        guard end.count > Limits.complaintBytesMax else { return }
        end.removeFirst(end.count - Limits.complaintBytesMax)
        isCut = true
    }

    var text: String {
        var shown: [UInt8] = []
        var rest = end[...]
        // Where the end begins may be the middle of a key, of which too few digits are left to
        // tell.
        if isCut { rest = rest.drop { Self.isHexadecimal($0) } }
        while !rest.isEmpty {
            let digits = rest.prefix { Self.isHexadecimal($0) }
            shown += digits.count > Limits.shownDigitsMax ? Array("...".utf8) : Array(digits)
            let others = rest.dropFirst(digits.count).prefix { !Self.isHexadecimal($0) }
            // A terminal must not be steered by what is printed on it.
            shown += others.map { $0 < 0x20 || $0 == 0x7f ? UInt8(ascii: " ") : $0 }
            rest = rest.dropFirst(digits.count + others.count)
        }
        let words = shown.split(separator: UInt8(ascii: " "))
        return words.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }
}
