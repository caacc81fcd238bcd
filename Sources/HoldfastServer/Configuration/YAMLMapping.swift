// Typed access to one mapping of a YAML file. Each read says what it allows and reports the line
// where that is broken; `finish` refuses keys that nobody asked for, so that a misspelt setting is
// never silently the default.

import Yams

/// The keys and values of one YAML mapping.
struct YAMLMapping {
    let file: String
    /// Where this mapping is, for messages: "timing", "nodes[2]"; empty at the top.
    let path: String
    let line: Int?
    private let values: [String: Node]
    private let keys: [(name: String, line: Int?)]
    private var asked: Set<String> = []

    init(_ node: Node, file: String, path: String) throws(ConfigurationError) {
        self.file = file
        self.path = path
        line = node.mark?.line
        guard case .mapping(let mapping) = node else {
            throw ConfigurationError(
                file: file,
                line: node.mark?.line,
                problem: "\(path.isEmpty ? "the file" : "'\(path)'") must hold keys and values"
            )
        }
        var values: [String: Node] = [:]
        var keys: [(name: String, line: Int?)] = []
        for (key, value) in mapping {
            guard let name = key.string else {
                throw ConfigurationError(
                    file: file,
                    line: key.mark?.line,
                    problem: "a key must be a word"
                )
            }
            values[name] = value
            keys.append((name, key.mark?.line))
        }
        self.values = values
        self.keys = keys
    }

    func error(_ key: String, _ problem: String) -> ConfigurationError {
        let place = values[key]?.mark?.line ?? line
        return ConfigurationError(file: file, line: place, problem: "'\(full(key))' \(problem)")
    }

    private func full(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    // MARK: Values

    /// A word or text; nil where the key is absent.
    mutating func text(_ key: String) throws(ConfigurationError) -> String? {
        asked.insert(key)
        guard let node = values[key] else { return nil }
        guard case .scalar(let scalar) = node, !scalar.string.isEmpty else {
            throw error(key, "must be a text that is not empty")
        }
        return scalar.string
    }

    /// A list of texts, the first of which is not empty; nil where the key is absent.
    mutating func words(_ key: String) throws(ConfigurationError) -> [String]? {
        asked.insert(key)
        guard let node = values[key] else { return nil }
        let words = node.sequence?.compactMap(\.scalar?.string) ?? []
        guard let first = words.first, !first.isEmpty, words.count == node.sequence?.count else {
            throw error(key, "must be a list of texts, as '[program, argument]'")
        }
        return words
    }

    mutating func requiredText(_ key: String) throws(ConfigurationError) -> String {
        guard let text = try text(key) else { throw error(key, "is missing") }
        return text
    }

    /// A text without spaces, of at most 255 bytes: a name or a host.
    mutating func requiredWord(_ key: String) throws(ConfigurationError) -> String {
        let text = try requiredText(key)
        guard text.utf8.count <= 255, text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
            throw error(key, "must be one word of at most 255 bytes")
        }
        return text
    }

    /// A whole number within `range`; nil where the key is absent.
    mutating func number(
        _ key: String,
        in range: ClosedRange<Int>
    ) throws(ConfigurationError) -> Int? {
        guard let text = try text(key) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw error(
                key,
                "must be a whole number from \(range.lowerBound) to \(range.upperBound), "
                    + "not '\(text)'"
            )
        }
        return number
    }

    mutating func requiredNumber(
        _ key: String,
        in range: ClosedRange<Int>
    ) throws(ConfigurationError) -> Int {
        guard let number = try number(key, in: range) else { throw error(key, "is missing") }
        return number
    }

    /// A length of time as `50ms` or `5s`, in milliseconds; nil where the key is absent.
    mutating func duration(
        _ key: String,
        in range: ClosedRange<Int>
    ) throws(ConfigurationError) -> Int? {
        guard let text = try text(key) else { return nil }
        let allowed =
            "must be a time from \(range.lowerBound)ms to \(range.upperBound)ms, as '50ms' or '5s'"
        let (digits, scale): (Substring, Int) =
            if text.hasSuffix("ms") { (text.dropLast(2), 1) } else { (text.dropLast(), 1_000) }
        guard text.hasSuffix("s"), let count = Int(digits) else { throw error(key, allowed) }
        let (milliseconds, overflow) = count.multipliedReportingOverflow(by: scale)
        guard !overflow, range.contains(milliseconds) else { throw error(key, allowed) }
        return milliseconds
    }

    /// A size as `1048576`, `64KiB`, `1MiB` or `4GiB`, in bytes; nil where the key is absent.
    mutating func size(
        _ key: String,
        in range: ClosedRange<Int>
    ) throws(ConfigurationError) -> Int? {
        guard let text = try text(key) else { return nil }
        let allowed =
            "must be a size from \(range.lowerBound) to \(range.upperBound) bytes, as '65536', "
            + "'64KiB', '1MiB' or '4GiB'"
        let (digits, scale): (Substring, Int) =
            if text.hasSuffix("KiB") {
                (text.dropLast(3), 1_024)
            } else if text.hasSuffix("MiB") {
                (text.dropLast(3), 1_024 * 1_024)
            } else if text.hasSuffix("GiB") {
                (text.dropLast(3), 1_024 * 1_024 * 1_024)
            } else {
                (text[...], 1)
            }
        guard let count = Int(digits) else { throw error(key, allowed) }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: scale)
        guard !overflow, range.contains(bytes) else { throw error(key, allowed) }
        return bytes
    }

    /// A share as `1%` or `0.5%`, in permille; nil where the key is absent.
    mutating func permille(
        _ key: String,
        in range: ClosedRange<Int>
    ) throws(ConfigurationError) -> Int? {
        guard let text = try text(key) else { return nil }
        let bounds = [range.lowerBound, range.upperBound].map { "\($0 / 10).\($0 % 10)%" }
        let allowed = "must be a share from \(bounds[0]) to \(bounds[1]), as '1%' or '0.5%'"
        let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
        guard text.hasSuffix("%"), (1...2).contains(parts.count), let whole = Int(parts[0]),
            (0...100).contains(whole)
        else { throw error(key, allowed) }
        var share = whole * 10
        if parts.count == 2 {
            guard parts[1].utf8.count == 1, let tenth = Int(parts[1]), tenth >= 0 else {
                throw error(key, allowed)
            }
            share += tenth
        }
        guard range.contains(share) else { throw error(key, allowed) }
        return share
    }

    mutating func mapping(_ key: String) throws(ConfigurationError) -> YAMLMapping? {
        asked.insert(key)
        guard let node = values[key] else { return nil }
        return try YAMLMapping(node, file: file, path: full(key))
    }

    /// The mappings of a list that must not be empty.
    mutating func mappings(_ key: String) throws(ConfigurationError) -> [YAMLMapping] {
        asked.insert(key)
        guard case .sequence(let sequence)? = values[key], !sequence.isEmpty else {
            throw error(key, "must be a list with an item for each node")
        }
        var items: [YAMLMapping] = []
        for (place, node) in sequence.enumerated() {
            items.append(try YAMLMapping(node, file: file, path: "\(full(key))[\(place)]"))
        }
        return items
    }

    /// Throws for the first key that was never asked for.
    func finish() throws(ConfigurationError) {
        for key in keys where !asked.contains(key.name) {
            throw ConfigurationError(
                file: file,
                line: key.line,
                problem: "'\(full(key.name))' is not known; allowed here: "
                    + asked.sorted().joined(separator: ", ")
            )
        }
    }
}
