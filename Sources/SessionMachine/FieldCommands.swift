// Changes of a session's fields, and how a retry is told from a new request: a request id that the
// client minted. The record remembers the answers to its last few, so that a write whose reply was
// lost is answered once more and not done once more.

/// Names one request of a client among those that change a session. Never zero.
package struct RequestID: Hashable, Sendable {
    package let rawValue: UInt64

    /// Nil for zero, which stands for none on the wire.
    package init?(rawValue: UInt64) {
        guard rawValue != 0 else { return nil }
        self.rawValue = rawValue
    }
}

/// Sets fields; those that are not named stay as they are.
package struct SetFields: Equatable, Sendable {
    package var handle: SessionHandle128
    package var digest: SecretDigest
    /// The only version of the session that may be changed; nil for any.
    package var ifVersion: UInt64?
    package var request: RequestID?
    /// Of two of one name the later one holds.
    package var fields: [SessionField]

    package init(handle: SessionHandle128, digest: SecretDigest, fields: [SessionField]) {
        self.handle = handle
        self.digest = digest
        self.fields = fields
    }
}

/// Removes fields.
package struct UnsetFields: Equatable, Sendable {
    package var handle: SessionHandle128
    package var digest: SecretDigest
    package var request: RequestID?
    package var names: [ArraySlice<UInt8>]

    package init(handle: SessionHandle128, digest: SecretDigest, names: [ArraySlice<UInt8>]) {
        self.handle = handle
        self.digest = digest
        self.names = names
    }
}

/// Reads a field and removes it: of several who ask, one gets it.
package struct TakeField: Equatable, Sendable {
    package var handle: SessionHandle128
    package var digest: SecretDigest
    package var request: RequestID?
    package var name: ArraySlice<UInt8>

    package init(handle: SessionHandle128, digest: SecretDigest, name: ArraySlice<UInt8>) {
        self.handle = handle
        self.digest = digest
        self.name = name
    }
}

/// A request that was carried out, with its answer.
struct RememberedRequest: Equatable, Sendable {
    enum Answer: Equatable, Sendable {
        /// SET: the version that it made.
        case version(UInt64)
        /// UNSET: how many fields it removed.
        case removed(Int)
        /// TAKE: what it took; nil where there was nothing.
        case taken(ArraySlice<UInt8>?)
    }

    var id: RequestID
    var answer: Answer

    /// Bytes of values that are remembered.
    var valueBytes: Int {
        if case .taken(let value?) = answer { value.count } else { 0 }
    }
}
