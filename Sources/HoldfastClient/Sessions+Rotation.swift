// The call that exchanges a session's token for a new one.

import HoldfastWire

extension Sessions {
    /// Gives a session a new token: after a login to more rights, and from time to time.
    ///
    /// The session goes on with all that it carries. The old token is as good as the new one for
    /// the time of `grace`, since requests that are on their way still show it; whoever rotates it
    /// again in that time gets the same new token. Then it is one of a session that has ended. It
    /// never gives more than it gave: not the level that this call raises, nor a token that has it.
    ///
    /// - Parameters:
    ///   - token: The session's token.
    ///   - grace: How long the old token goes on, at most ten minutes, rounded up to seconds; zero
    ///     for not at all, nil for the server's default.
    ///   - assurance: How sure it is now who logged in, 1 to 3; nil to leave it. Only the present
    ///     token raises it.
    ///   - deadline: For the whole call.
    /// - Returns: The session with its new token, which its holder must be given; or how it ended.
    /// - Throws: ``HoldfastError``. When its outcome is unknown, a rotation of the old token gives
    ///   the new one, in the time of `grace`; with a grace of zero, or where the level was raised,
    ///   the session may be lost to its holder, who has to log in again.
    public func rotate(
        _ token: SessionToken,
        grace: Duration? = nil,
        assurance: Int? = nil,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> Rotation {
        let new = SessionToken(Self.mint(slot: token.id.handle.slot))
        var words = Words("SESSION", "ROTATE", token.rawValue, "ID", new.rawValue)
        guard grace ?? .zero <= .seconds(600) else { throw .invalid("a grace over ten minutes") }
        try words.seconds("GRACE", grace, from: 0)
        if let assurance {
            guard 1...3 ~= assurance else { throw .invalid("assurance is 1, 2 or 3") }
            words.option("AAL", String(assurance))
        }
        return try Rotation(try await send(words, token.id.handle.slot, .idempotent, deadline))
    }
}

/// What came of a rotation.
public enum Rotation: Equatable, Sendable {
    /// The session lives on, with this token.
    case rotated(Session)
    /// Too late: it lived out its time.
    case expired
    /// Too late: it was ended, or has another token for longer than the grace.
    case revoked
    /// There is no such session.
    case unknown
}

extension Rotation {
    init(_ reply: RESPValue) throws(HoldfastError) {
        let map = try ReplyMap(reply, "SESSION ROTATE")
        guard map.has("status") else {
            guard let token = SessionToken(rawValue: try map.text("id")) else {
                throw .unreadable("SESSION ROTATE: id")
            }
            self = .rotated(Session(token: token, state: try SessionState(map)))
            return
        }
        switch try map.text("status") {
        case "expired": self = .expired
        case "revoked": self = .revoked
        case "unknown": self = .unknown
        default: throw .unreadable("SESSION ROTATE: status")
        }
    }
}
