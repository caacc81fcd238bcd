// When a key was made, for the people who rotate them; nothing is decided by it. As text it is the
// UTC time of ISO 8601 to the second, and that in one form only: 2026-11-27T22:40:00Z.

import Glibc

/// A moment in whole seconds, from the beginning of 1970 to the end of 9999.
package struct CreationTime: Hashable, Sendable {
    private static let unixSecondsMax: Int64 = 253_402_300_799

    package let unixSeconds: Int64

    /// Nil outside the years that the text can say.
    package init?(unixSeconds: Int64) {
        guard (0...Self.unixSecondsMax).contains(unixSeconds) else { return nil }
        self.unixSeconds = unixSeconds
    }

    private init(clamping seconds: Int64) {
        unixSeconds = min(max(seconds, 0), Self.unixSecondsMax)
    }

    /// By the clock of this machine.
    package static var now: CreationTime { CreationTime(clamping: Int64(time(nil))) }
}

extension CreationTime: Comparable {
    package static func < (earlier: CreationTime, later: CreationTime) -> Bool {
        earlier.unixSeconds < later.unixSeconds
    }
}

extension CreationTime: LosslessStringConvertible {
    /// Nil unless the text is exactly what `description` says of a time.
    package init?(_ text: String) {
        guard text.utf8.count == 20 else { return nil }
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let numbers = text.utf8.split { !digits.contains($0) }
            .compactMap { CInt(String(decoding: $0, as: UTF8.self)) }
        guard numbers.count == 6 else { return nil }
        var parts = tm()
        // Numbers that were read from digits are not negative: nothing here goes below the least.
        parts.tm_year = numbers[0] - 1900
        parts.tm_mon = numbers[1] - 1
        parts.tm_mday = numbers[2]
        parts.tm_hour = numbers[3]
        parts.tm_min = numbers[4]
        parts.tm_sec = numbers[5]
        self.init(unixSeconds: Int64(timegm(&parts)))
        // Lenient so far: the thirtieth of February is in March, and any separator will do.
        guard description == text else { return nil }
    }

    package var description: String {
        var seconds = time_t(unixSeconds)
        var parts = tm()
        // Cannot fail for a year of four digits.
        gmtime_r(&seconds, &parts)
        let date = [
            Self.padded(parts.tm_year + 1900, to: 4), Self.padded(parts.tm_mon + 1, to: 2),
            Self.padded(parts.tm_mday, to: 2),
        ]
        let time = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { Self.padded($0, to: 2) }
        return date.joined(separator: "-") + "T" + time.joined(separator: ":") + "Z"
    }

    private static func padded(_ number: CInt, to width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
