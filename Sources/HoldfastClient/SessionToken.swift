// The two names of a session: the token, which is the right to it, and the handle, which only
// points at it. A token must never appear in a description, a dump or an error.

import HoldfastWire

/// The secret that a session's holder presents, such as in a cookie. Whoever has it has the
/// session.
///
/// It is shown nowhere by accident: its description has the handle only. Two tokens are compared in
/// the same time wherever they differ.
public struct SessionToken: Sendable {
    let id: SessionID

    init(_ id: SessionID) { self.id = id }

    /// Reads a token as its holder presents it.
    ///
    /// - Parameter rawValue: The text, 69 characters that are safe in URLs and headers.
    /// - Returns: Nil for text that was never a token's; then nobody needs to be asked.
    public init?(rawValue: String) {
        guard let id = SessionID(parsing: Array(rawValue.utf8)) else { return nil }
        self.id = id
    }

    /// The token in full: for the session's holder and nobody else.
    public var rawValue: String { id.text }

    /// The session's public name.
    public var handle: SessionHandle { SessionHandle(id.handle) }
}

extension SessionToken: Equatable {
    /// Takes the same time wherever the secrets differ.
    public static func == (left: SessionToken, right: SessionToken) -> Bool { left.id == right.id }
}

extension SessionToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The handle, and that the rest is left out.
    public var description: String { "\(handle).[secret]" }
    /// The same as ``description``.
    public var debugDescription: String { description }
    /// A mirror without the secret, for `dump` and the like.
    public var customMirror: Mirror { Mirror(self, children: ["handle": handle]) }
}

/// The public name of a session: good for showing, listing and revoking it, and not for using it.
public struct SessionHandle: Hashable, Sendable {
    let wire: HoldfastWire.SessionHandle

    init(_ wire: HoldfastWire.SessionHandle) { self.wire = wire }

    /// Reads a handle.
    ///
    /// - Parameter rawValue: The text, 22 characters that are safe in URLs and headers.
    /// - Returns: Nil for text that is no handle.
    public init?(rawValue: String) {
        guard let wire = HoldfastWire.SessionHandle(Array(rawValue.utf8)) else { return nil }
        self.wire = wire
    }

    /// The handle's text.
    public var rawValue: String { wire.text }
}

extension SessionHandle: CustomStringConvertible {
    /// The handle's text, which is no secret.
    public var description: String { rawValue }
}
