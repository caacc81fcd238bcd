// What can be wrong with a ring: with its text, or with a change that is asked of it. The
// descriptions say what to do next. None of them repeats anything of a key's line but its number
// and its id: such texts end in logs.

/// Why a ring cannot be read, or cannot be changed as asked.
package enum KeyRingError: Error, Hashable, Sendable {
    // Of a text.

    /// It does not begin as a ring does.
    case notKeys
    /// It says a format that this build does not know.
    case unknownFormat(UInt32)
    /// Longer than any ring.
    case tooLong
    /// The line is not what it should be.
    case line(Int)
    /// The key of the line is not the one that the line names.
    case otherKey(line: Int)
    /// The line's key stood in a line before.
    case repeatedKey(KeyID, line: Int)
    /// More keys than a ring may have.
    case tooManyKeys
    /// The active key is not among the keys.
    case activeMissing(KeyID)
    /// The checksum, which is the last line, is not there.
    case cut
    /// All lines can be read, and they are not what was written.
    case changed

    // Of a change.

    /// No key has this name.
    case unknownKey(KeyID)
    /// The active key cannot be removed.
    case isActive(KeyID)
    /// The key is in the ring.
    case alreadyThere(KeyID)
    /// There is no room for another key.
    case full
}

extension KeyRingError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notKeys:
            "these are no keys: they begin with 'holdfast keys 1'. Make some with 'holdfast keys "
                + "new FILE'."
        case .unknownFormat(let format):
            "the keys are of format \(format), this build knows \(KeyRing.formatVersion). Use the "
                + "version of Holdfast that wrote them."
        case .tooLong:
            "there are more than \(Limits.ringBytesMax) bytes, which keys never have. See to it "
                + "that there is nothing else."
        case .line(let number):
            "line \(number) is not what it should be. \(Self.restore)"
        case .otherKey(let line):
            "the key of line \(line) is not the one that the line names. \(Self.restore)"
        case .repeatedKey(let id, let line):
            "line \(line) has the key \(id) a second time. \(Self.restore)"
        case .tooManyKeys:
            "there are more than \(Limits.keysMax) keys. \(Self.restore)"
        case .activeMissing(let id):
            "the active key \(id) is not among the keys. \(Self.restore)"
        case .cut:
            "the checksum, which is the last line, is missing. \(Self.restore)"
        case .changed:
            "the keys are not what was written: the checksum, or a space, does not fit. "
                + Self.restore
        case .unknownKey(let id):
            "there is no key \(id). 'holdfast keys list FILE' shows what is there."
        case .isActive(let id):
            "the key \(id) is active and cannot be removed. Make another one active first: "
                + "'holdfast keys rotate FILE KEY'."
        case .alreadyThere(let id):
            "the key \(id) is there already. Nothing is to be done."
        case .full:
            "there are \(Limits.keysMax) keys, and no more can be. Remove one that nothing is "
                + "sealed with any more: 'holdfast keys remove FILE KEY'."
        }
    }

    private static let restore =
        "Take the keys from another node or a backup, and change them with 'holdfast keys' only."
}
