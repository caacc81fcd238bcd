// The words of an inline command, split as `sdssplitargs` of Redis 7.0 does: blanks between words,
// double quotes with escapes, single quotes with `\'` only. A quote may begin within a word, and
// ends it.

enum InlineWords {
    /// Nil where quotes are not balanced, or a closing quote is not followed by a blank.
    static func split(_ line: [UInt8]) -> [[UInt8]]? {
        var words: [[UInt8]] = []
        var place = 0
        while true {
            while place < line.count, isBlank(line[place]) { place += 1 }
            guard place < line.count else { return words }
            guard let word = word(line, &place) else { return nil }
            words.append(word)
        }
    }

    private static func word(_ line: [UInt8], _ place: inout Int) -> [UInt8]? {
        var word: [UInt8] = []
        while place < line.count, !endsWord(line[place]) {
            let byte = line[place]
            guard byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") else {
                word.append(byte)
                place += 1
                continue
            }
            place += 1
            guard quoted(line, &place, by: byte, into: &word) else { return nil }
            // A closing quote ends its word.
            return place == line.count || isBlank(line[place]) ? word : nil
        }
        return word
    }

    private static func quoted(
        _ line: [UInt8],
        _ place: inout Int,
        by quote: UInt8,
        into word: inout [UInt8]
    ) -> Bool {
        while place < line.count {
            let byte = line[place]
            place += 1
            if byte == quote { return true }
            guard byte == UInt8(ascii: "\\"), place < line.count else {
                word.append(byte)
                continue
            }
            if quote == UInt8(ascii: "'") {
                if line[place] == quote {
                    word.append(quote)
                    place += 1
                } else {
                    word.append(byte)
                }
            } else {
                word.append(escape(line, &place))
            }
        }
        return false
    }

    /// The byte that an escape stands for; `place` is behind the backslash.
    private static func escape(_ line: [UInt8], _ place: inout Int) -> UInt8 {
        let byte = line[place]
        if byte == UInt8(ascii: "x"), place + 2 < line.count,
            let high = hexadecimal(line[place + 1]), let low = hexadecimal(line[place + 2])
        {
            place += 3
            return high << 4 | low
        }
        place += 1
        return switch byte {
        case UInt8(ascii: "n"): 0x0a
        case UInt8(ascii: "r"): 0x0d
        case UInt8(ascii: "t"): 0x09
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "a"): 0x07
        default: byte
        }
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    /// What ends a word that is not quoted: fewer bytes than are skipped between words.
    private static func endsWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x20, 0x09, 0x0a, 0x0d, 0: true
        default: false
        }
    }

    /// What is skipped between words: `isspace` of C, and the zero that ends its strings.
    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == 0x20 || (0x09...0x0d).contains(byte) || byte == 0
    }
}
