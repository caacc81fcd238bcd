// What can be wrong with something that is sealed. Two cases, and whoever meets them must tell them
// apart: a key that is not here is a matter for the operator, who has it somewhere; what is not
// authentic is damage, and no key will help.

/// Why something sealed cannot be opened. The description says what to do next.
package enum SealError: Error, Hashable, Sendable {
    /// It was sealed with a master key that the ring does not have.
    case missingKey(KeyID)
    /// What was sealed is not what is there now, or it belongs to another place.
    case notAuthentic
}

extension SealError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missingKey(let id):
            "the key \(id) is wanted, with which this was sealed: add it to the keys file; "
                + "`holdfast keys list FILE` shows what is there."
        case .notAuthentic:
            "what was sealed is not what is there now: it was changed, or it belongs to another "
                + "place. Check the disk, and take it from another node or a backup."
        }
    }
}
