// The calls on login sessions: arguments to words, words to the cluster, replies to results. All of
// them are idempotent on the server, so `command` may repeat each. Tokens go out on the wire and
// nowhere else.

import HoldfastWire

/// The calls on login sessions; see ``HoldfastClient/sessions``.
///
/// All of them throw ``HoldfastError`` when the cluster could not be asked, and only then: that a
/// session has ended is an answer. Within a call attempts are repeated until the deadline, and have
/// their effect once. To make a call again that threw is a new request: see each. `deadline` is for
/// the whole call, above zero; nil stands for ``HoldfastClient/Configuration/deadline``.
public struct Sessions: Sendable {
    let client: HoldfastClient

    /// Makes a session. The token is minted here, so that a repetition finds the session that the
    /// first attempt made, and never makes two.
    ///
    /// - Parameters:
    ///   - subject: Whose session it is, 1 to 1,024 bytes of UTF-8.
    ///   - options: What the session is like.
    ///   - deadline: For the whole call.
    /// - Returns: The session with its token, which is to be had only here.
    /// - Throws: ``HoldfastError``; among its refusals are `limit` and `full`. When its outcome is
    ///   unknown there may be a session whose token nobody has.
    public func create(
        for subject: String,
        _ options: SessionOptions = SessionOptions(),
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> Session {
        let slot = HashSlot.of(Array(try checked(subject).utf8))
        let token = SessionToken(Self.mint(slot: slot))
        var words = Words("SESSION", "CREATE", subject, "ID", token.rawValue)
        words.list += try options.words()
        let reply = try await send(words, slot, .idempotent, deadline)
        let state = try SessionState(try ReplyMap(reply, "SESSION CREATE"))
        guard state.handle == token.handle else { throw .unreadable("SESSION CREATE: handle") }
        return Session(token: token, state: state)
    }

    /// Asks whether a token is good.
    ///
    /// - Parameters:
    ///   - token: What the session's holder presented.
    ///   - touch: Whether this counts as a use, which puts the idle end off.
    ///   - fields: Which of the session's fields to bring along.
    ///   - deadline: For the whole call.
    /// - Returns: `valid` only when the cluster said so after this call began.
    /// - Throws: ``HoldfastError``.
    public func validate(
        _ token: SessionToken,
        touch: Bool = true,
        fields: FieldSelection = .none,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> Validation {
        var words = Words("SESSION", "VALIDATE", token.rawValue)
        if !touch { words.add("NOTOUCH") }
        switch fields {
        case .none: break
        case .all: words.add("GETALL")
        case .named(let names):
            guard !names.isEmpty else { throw .invalid("no names of fields") }
            words.add("GET")
            for name in names { words.add(name) }
        }
        let effect: CallEffect = touch ? .idempotent : .read
        return try Validation(try await send(words, token.id.handle.slot, effect, deadline))
    }

    /// Puts a session's ends off, counted from now.
    ///
    /// - Parameters:
    ///   - token: The session's token.
    ///   - idle: The new idle time, rounded up to seconds; zero for none, nil to keep it.
    ///   - lifetime: The new life from now, above zero, rounded up to seconds; nil to keep it.
    ///   - deadline: For the whole call.
    /// - Returns: The session as it is now, or how it ended.
    /// - Throws: ``HoldfastError``.
    public func renew(
        _ token: SessionToken,
        idle: Duration? = nil,
        lifetime: Duration? = nil,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> Renewal {
        var words = Words("SESSION", "RENEW", token.rawValue)
        try words.seconds("IDLE", idle, from: 0)
        try words.seconds("TTL", lifetime, from: 1)
        return try Renewal(try await send(words, token.id.handle.slot, .idempotent, deadline))
    }

    /// Ends a session, for good.
    ///
    /// - Parameters:
    ///   - token: The session's token.
    ///   - reason: Why, for lists and logs; at most 256 bytes.
    ///   - actor: Who ends it; at most 256 bytes.
    ///   - deadline: For the whole call.
    /// - Returns: Whether the attempt that was answered ended it. False when it had ended before,
    ///   which an earlier attempt of the same call may have done. It has ended in either case.
    /// - Throws: ``HoldfastError``.
    @discardableResult
    public func revoke(
        _ token: SessionToken,
        reason: String? = nil,
        by actor: String? = nil,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> Bool {
        try await revoke(token.rawValue, token.id.handle.slot, reason, actor, deadline)
    }

    /// Ends a session, for good, by its public name.
    ///
    /// - Parameters:
    ///   - handle: The session's handle.
    ///   - reason: Why, for lists and logs; at most 256 bytes.
    ///   - actor: Who ends it; at most 256 bytes.
    ///   - deadline: For the whole call.
    /// - Returns: Whether the attempt that was answered ended it. False when it had ended before,
    ///   which an earlier attempt of the same call may have done. It has ended in either case.
    /// - Throws: ``HoldfastError``.
    @discardableResult
    public func revoke(
        _ handle: SessionHandle,
        reason: String? = nil,
        by actor: String? = nil,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> Bool {
        try await revoke(handle.rawValue, handle.wire.slot, reason, actor, deadline)
    }

    /// Ends all sessions of a subject, for good, but for one if so wished.
    ///
    /// - Parameters:
    ///   - subject: Whose sessions, 1 to 1,024 bytes of UTF-8.
    ///   - kept: The session that goes on.
    ///   - reason: Why, for lists and logs; at most 256 bytes.
    ///   - actor: Who ends them; at most 256 bytes.
    ///   - deadline: For the whole call.
    /// - Returns: How many the attempt that was answered ended. Those that an earlier attempt of
    ///   the same call ended are not among them.
    /// - Throws: ``HoldfastError``. After an outcome that is unknown, and in rare cases after a
    ///   lost connection, a late attempt may also end a session that was made after this call.
    @discardableResult
    public func revokeAll(
        of subject: String,
        except kept: SessionHandle? = nil,
        reason: String? = nil,
        by actor: String? = nil,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> Int {
        var words = Words("SESSION", "REVOKEALL", try checked(subject))
        words.option("EXCEPT", kept?.rawValue)
        words.option("REASON", reason)
        words.option("BY", actor)
        let slot = HashSlot.of(Array(subject.utf8))
        let reply = try await send(words, slot, .idempotent, deadline)
        guard case .integer(let count) = reply else { throw .unreadable("SESSION REVOKEALL") }
        return Int(clamping: count)
    }

    /// Lists the live sessions of a subject.
    ///
    /// - Parameters:
    ///   - subject: Whose sessions, 1 to 1,024 bytes of UTF-8.
    ///   - deadline: For the whole call.
    /// - Returns: The sessions, in the server's order.
    /// - Throws: ``HoldfastError``.
    public func sessions(
        of subject: String,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> [SessionInfo] {
        let words = Words("SESSION", "LIST", try checked(subject))
        let slot = HashSlot.of(Array(subject.utf8))
        let reply = try await send(words, slot, .read, deadline)
        guard case .array(let items) = reply else { throw .unreadable("SESSION LIST") }
        return try items.map { item throws(HoldfastError) in try SessionInfo(item) }
    }

    // MARK: Parts

    private func revoke(
        _ name: String,
        _ slot: UInt16,
        _ reason: String?,
        _ actor: String?,
        _ deadline: Duration?
    ) async throws(HoldfastError) -> Bool {
        var words = Words("SESSION", "REVOKE", name)
        words.option("REASON", reason)
        words.option("BY", actor)
        let reply = try await send(words, slot, .idempotent, deadline)
        guard case .integer(let count) = reply else { throw .unreadable("SESSION REVOKE") }
        return count > 0
    }

    func send(
        _ words: Words,
        _ slot: UInt16,
        _ effect: CallEffect,
        _ deadline: Duration?
    ) async throws(HoldfastError) -> RESPValue {
        try await client.command(words.list, slot: slot, effect: effect, deadline: deadline)
    }

    private func checked(_ subject: String) throws(HoldfastError) -> String {
        guard 1...1_024 ~= subject.utf8.count else {
            throw .invalid("a subject has 1 to 1,024 bytes")
        }
        return subject
    }

    /// From the system's secure random source; on Linux that is getrandom.
    static func mint(slot: UInt16) -> SessionID {
        var system = SystemRandomNumberGenerator()
        let random = (0..<SessionID.randomByteCount).map { _ in
            UInt8.random(in: 0...255, using: &system)
        }
        return SessionID.mint(randomBytes: random, slot: slot)
    }
}
