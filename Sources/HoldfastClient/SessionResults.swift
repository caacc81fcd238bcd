// What calls on sessions answer. Values only: a session that ended is an answer, not an error.

/// A session that was just made.
public struct Session: Equatable, Sendable {
    /// The secret for the session's holder. The cluster does not keep it; it shows it once more
    /// only to who rotates the old token again, in its grace.
    public var token: SessionToken
    /// When it was made and when it ends.
    public var state: SessionState
}

/// What is known of a live session.
public struct SessionState: Hashable, Sendable {
    /// The session's public name.
    public var handle: SessionHandle
    /// Whose session it is.
    public var subject: String
    /// Grows with each change of the session's contents.
    public var version: Int64
    /// When it was made.
    public var createdAt: Timestamp
    /// When it ends if nobody uses it; nil when only ``expiresAt`` ends it.
    public var idleExpiresAt: Timestamp?
    /// When it ends in any case, unless it is renewed.
    public var expiresAt: Timestamp
}

/// Whether a token is good, and for what.
public enum Validation: Hashable, Sendable {
    /// The token is good.
    case valid(ValidSession)
    /// The session lived out its time.
    case expired
    /// The session was ended.
    case revoked(Revocation)
    /// The session lives, and is bound to something else than what was presented.
    case mismatch
    /// There is no such session; perhaps it ended too long ago to be remembered.
    case unknown
}

/// A session whose token was presented.
public struct ValidSession: Hashable, Sendable {
    /// What is known of the session.
    public var state: SessionState
    /// When its token was given out: at the login, or at the last rotation.
    public var issuedAt: Timestamp
    /// How sure it is who logged in, 1 to 3.
    public var assurance: Int
    /// The fields that were asked for and are there.
    public var fields: [String: [UInt8]]
    /// The session has another token by now, and the one that was shown goes on for a short while:
    /// ``Sessions/rotate(_:grace:assurance:deadline:)`` gives the new one.
    public var mustRotate: Bool
}

/// How a session was ended.
public struct Revocation: Hashable, Sendable {
    /// When.
    public var at: Timestamp
    /// Why, in the words of whoever ended it; empty when none were given.
    public var reason: String
    /// Who ended it; empty when not given.
    public var by: String
}

/// What came of a renewal.
public enum Renewal: Hashable, Sendable {
    /// The session lives on.
    case renewed(SessionState)
    /// Too late: it lived out its time.
    case expired
    /// Too late: it was ended.
    case revoked
    /// There is no such session.
    case unknown
}

/// One session in a list. It has no token: a list cannot be used to get in.
public struct SessionInfo: Hashable, Sendable {
    /// The session's public name.
    public var handle: SessionHandle
    /// Grows with each change of the session's contents.
    public var version: Int64
    /// When it was made.
    public var createdAt: Timestamp
    /// When its token was given out: at the login, or at the last rotation.
    public var issuedAt: Timestamp
    /// When it was last used, as far as is recorded: uses soon after another are not.
    public var lastUsedAt: Timestamp
    /// When it ends if nobody uses it; nil when only ``expiresAt`` ends it.
    public var idleExpiresAt: Timestamp?
    /// When it ends in any case, unless it is renewed.
    public var expiresAt: Timestamp
    /// The holder's network address; empty when not given.
    public var ip: String
    /// The holder's user agent; empty when not given.
    public var agent: String
    /// The device's label; empty when not given.
    public var device: String
    /// How sure it is who logged in, 1 to 3.
    public var assurance: Int
}

/// Which fields of a session to bring along.
public enum FieldSelection: Hashable, Sendable {
    /// None.
    case none
    /// Those with these names, as far as they are there. At least one name.
    case named([String])
    /// All.
    case all
}
