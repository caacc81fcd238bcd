// Where a node has its ring from. Read at the start, and again whenever an operator says that it
// has changed.

/// A file, or a command that prints what such a file holds.
package enum KeySource: Hashable, Sendable {
    case file(String)
    /// The program and its arguments.
    case command([String])

    /// Blocks the thread, for `KeyCommand.limit` at most.
    package func read() throws(KeySourceError) -> KeyRing {
        switch self {
        case .file(let path): try KeyFile.read(path)
        case .command(let words): try KeyCommand.run(words)
        }
    }
}
