// A ring as text, in a file or from a command, so that an operator can see what is there:
//
//     holdfast keys 1
//     active 1f2e3d4c5b6a7988
//     key 1f2e3d4c5b6a7988 2026-11-27T22:40:00Z 64 hexadecimal digits
//     key 0b3c30a370dd23a0 2027-11-27T09:12:31Z 64 hexadecimal digits
//     crc32c 5f0a91c2        (of the lines above)
//
// The keys stand in the order in which they were added. What comes in is foreign: it never traps,
// and nothing of a key's line is repeated in an error. The bytes of keys are taken from the text as
// they are; only words that are no keys become strings.

import Bytes

extension KeyRing {
    static let formatVersion: UInt32 = 1

    /// The ring's bytes. Whoever keeps them keeps the keys.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        // One allocation: a growing array leaves copies of keys behind.
        bytes.reserveCapacity(Limits.ringBytesMax)
        bytes += "holdfast keys \(Self.formatVersion)\nactive \(active)\n".utf8
        for entry in entries {
            bytes += "key \(entry.id) \(entry.created) ".utf8
            bytes += entry.secret.digits
            bytes.append(UInt8(ascii: "\n"))
        }
        let checksum = CRC32C.checksum(bytes)
        let word = (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (24 - 8 * $0)) }
        bytes += "crc32c ".utf8
        bytes += Hex.digits(word)
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }

    /// Reads a ring. Lenient first, strict then: what was read must encode to the same bytes.
    package init(decoding bytes: [UInt8]) throws(KeyRingError) {
        guard bytes.count <= Limits.ringBytesMax else { throw .tooLong }
        let lines = Line.all(of: bytes)
        try Self.checkTitle(lines.first)
        guard let end = lines.last?.words.first, end.says("crc32c") else { throw .cut }
        let body = lines.dropFirst().dropLast()
        guard let first = body.first, first.words.count == 2, first.words[0].says("active"),
            let active = KeyID(first.words[1].text)
        else { throw .line(body.first?.number ?? 2) }
        let entries = try Self.entries(of: body.dropFirst())
        guard entries.contains(where: { $0.id == active }) else { throw .activeMissing(active) }
        self.init(unchecked: entries, active: active)
        // The checksum too is compared here.
        guard encoded == bytes else { throw .changed }
    }

    private static func checkTitle(_ line: Line?) throws(KeyRingError) {
        guard let words = line?.words, words.count == 3, words[0].says("holdfast"),
            words[1].says("keys"), let format = UInt32(words[2].text)
        else { throw .notKeys }
        guard format == formatVersion else { throw .unknownFormat(format) }
    }

    private static func entries(of lines: ArraySlice<Line>) throws(KeyRingError) -> [Entry] {
        var entries: [Entry] = []
        for line in lines {
            guard entries.count < Limits.keysMax else { throw .tooManyKeys }
            let entry = try Entry(line)
            guard !entries.contains(where: { $0.id == entry.id }) else {
                throw .repeatedKey(entry.id, line: line.number)
            }
            entries.append(entry)
        }
        return entries
    }
}

extension KeyRing.Entry {
    fileprivate init(_ line: Line) throws(KeyRingError) {
        let words = line.words
        guard words.count == 4, words[0].says("key"), let id = KeyID(words[1].text),
            let created = CreationTime(words[2].text), let bytes = Hex.bytes(words[3].bytes),
            let secret = SecretKey(bytes: bytes)
        else { throw .line(line.number) }
        self.init(secret, created: created)
        guard self.id == id else { throw .otherKey(line: line.number) }
    }
}

/// A line that is not empty: its words, and its place in the text, counted from 1.
private struct Line {
    let number: Int
    let words: [Word]

    static func all(of bytes: [UInt8]) -> [Line] {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        return lines.enumerated().compactMap { place, line in
            let words = line.split(separator: UInt8(ascii: " ")).map { Word(bytes: $0) }
            return words.isEmpty ? nil : Line(number: place + 1, words: words)
        }
    }
}

/// Some bytes between spaces; what is not UTF-8 in them is repaired by `text`, and refused when the
/// whole is compared.
private struct Word {
    let bytes: ArraySlice<UInt8>

    var text: String { String(decoding: bytes, as: UTF8.self) }

    func says(_ expected: String) -> Bool { bytes.elementsEqual(expected.utf8) }
}
