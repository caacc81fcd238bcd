// Mistakes in a configuration, told so that they can be mended: the file, the line, the key, and
// what is allowed there.

/// Why a configuration cannot be used.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    package var file: String
    /// From 1; nil where the mistake is not in one place.
    package var line: Int?
    package var problem: String

    package init(file: String, line: Int? = nil, problem: String) {
        self.file = file
        self.line = line
        self.problem = problem
    }

    package var description: String {
        if let line { "\(file):\(line): \(problem)" } else { "\(file): \(problem)" }
    }
}
