// The patterns of SCAN MATCH and CONFIG GET, as Redis reads them: `*`, `?`, `[a-c]`, `[^a]`, `\`.
// The match takes at most pattern length times text length steps: a star is retried only from the
// latest one, never recursively.

/// A glob pattern over bytes.
package struct GlobPattern: Hashable, Sendable {
    private enum Element: Hashable, Sendable {
        case byte(UInt8)
        case any
        case star
        case set([ClosedRange<UInt8>], isNegated: Bool)
    }

    private let elements: [Element]
    private let ignoresCase: Bool

    package init(_ pattern: some Sequence<UInt8>, ignoringCase: Bool = false) {
        ignoresCase = ignoringCase
        let bytes = Array(pattern)
        var elements: [Element] = []
        var place = 0
        while place < bytes.count {
            let byte = bytes[place]
            place += 1
            switch byte {
            case UInt8(ascii: "*"):
                if elements.last != .star { elements.append(.star) }
            case UInt8(ascii: "?"):
                elements.append(.any)
            case UInt8(ascii: "["):
                elements.append(Self.set(bytes, &place))
            case UInt8(ascii: "\\") where place < bytes.count:
                elements.append(.byte(Self.fold(bytes[place], ignoringCase)))
                place += 1
            default:
                elements.append(.byte(Self.fold(byte, ignoringCase)))
            }
        }
        self.elements = elements
    }

    package func matches(_ text: some Collection<UInt8>) -> Bool {
        let bytes = Array(text)
        var element = 0
        var place = 0
        var retry: (element: Int, place: Int)?
        while place < bytes.count {
            if element < elements.count, elements[element] == .star {
                retry = (element + 1, place)
                element += 1
            } else if element < elements.count, isMatch(elements[element], bytes[place]) {
                element += 1
                place += 1
            } else if let last = retry {
                retry = (last.element, last.place + 1)
                (element, place) = (last.element, last.place + 1)
            } else {
                return false
            }
        }
        return elements[element...].allSatisfy { $0 == .star }
    }

    private func isMatch(_ element: Element, _ byte: UInt8) -> Bool {
        let byte = Self.fold(byte, ignoresCase)
        return switch element {
        case .byte(let wanted): wanted == byte
        case .any: true
        case .star: false
        case .set(let ranges, let isNegated):
            ranges.contains { $0.contains(byte) } != isNegated
        }
    }

    /// Reads a set after its `[`. One that is not closed ends with the pattern, as in Redis.
    private static func set(_ bytes: [UInt8], _ place: inout Int) -> Element {
        var isNegated = false
        if place < bytes.count, bytes[place] == UInt8(ascii: "^") {
            isNegated = true
            place += 1
        }
        var ranges: [ClosedRange<UInt8>] = []
        while place < bytes.count, bytes[place] != UInt8(ascii: "]") {
            if bytes[place] == UInt8(ascii: "\\"), place + 1 < bytes.count { place += 1 }
            let low = bytes[place]
            place += 1
            guard place + 1 < bytes.count, bytes[place] == UInt8(ascii: "-") else {
                ranges.append(low...low)
                continue
            }
            let high = bytes[place + 1]
            place += 2
            ranges.append(min(low, high)...max(low, high))
        }
        if place < bytes.count { place += 1 }
        return .set(ranges, isNegated: isNegated)
    }

    private static func fold(_ byte: UInt8, _ ignoringCase: Bool) -> UInt8 {
        ignoringCase && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    }
}
