// The calls on the fields of a session. Each write carries a number of its own, which the session
// remembers for a while: an attempt that is repeated is answered once more and not done once more.
// Another call is another request, with a number of its own.

import HoldfastWire

extension Sessions {
    /// Reads fields without counting as a use.
    ///
    /// - Parameters:
    ///   - token: The session's token.
    ///   - names: Which fields; nil for all.
    ///   - deadline: For the whole call.
    /// - Returns: Those that are there; nil when the session is not valid.
    /// - Throws: ``HoldfastError``.
    public func fields(
        of token: SessionToken,
        named names: [String]? = nil,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> [String: [UInt8]]? {
        var words = Words("SESSION", "GET", token.rawValue)
        if let names {
            guard !names.isEmpty else { throw .invalid("no names of fields") }
            for name in names { words.add(name) }
        }
        let reply = try await send(words, token.id.handle.slot, .read, deadline)
        if case .null = reply { return nil }
        return try ReplyMap.fields(reply, "SESSION GET")
    }

    /// Sets fields and leaves the others as they are.
    ///
    /// - Parameters:
    ///   - fields: What to set; at least one.
    ///   - token: The session's token.
    ///   - version: The only version of the session that may be changed; nil for any. Where it has
    ///     another one, the call is refused with ``HoldfastError/Refusal/conflict``.
    ///   - deadline: For the whole call.
    /// - Returns: The session's new version; nil when the session is not valid, and then nothing
    ///   was stored.
    /// - Throws: ``HoldfastError``. When its outcome is unknown, a further call with the same
    ///   version may meet what this one has stored.
    @discardableResult
    public func set(
        _ fields: [String: [UInt8]],
        in token: SessionToken,
        ifVersion version: Int64? = nil,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> Int64? {
        guard !fields.isEmpty else { throw .invalid("no fields") }
        guard version ?? 1 > 0 else { throw .invalid("a version is above zero") }
        // Both options always: what follows them is a field, whatever its name.
        var words = Words("SESSION", "SET", token.rawValue, "IFVERSION", "\(version ?? 0)")
        words.option("REQ", Self.requestID())
        for (name, value) in fields {
            words.add(name)
            words.list.append(value)
        }
        return try await number(words, token, "SESSION SET", deadline)
    }

    /// Removes fields.
    ///
    /// - Parameters:
    ///   - names: Which; at least one.
    ///   - token: The session's token.
    ///   - deadline: For the whole call.
    /// - Returns: How many were there; nil when the session is not valid.
    /// - Throws: ``HoldfastError``.
    @discardableResult
    public func unset(
        _ names: [String],
        in token: SessionToken,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> Int? {
        guard !names.isEmpty else { throw .invalid("no names of fields") }
        var words = Words("SESSION", "UNSET", token.rawValue, "REQ", Self.requestID())
        for name in names { words.add(name) }
        return try await number(words, token, "SESSION UNSET", deadline).map { Int(clamping: $0) }
    }

    /// Reads a field and removes it. Of several who take it one gets it.
    ///
    /// - Parameters:
    ///   - name: The field's name.
    ///   - token: The session's token.
    ///   - deadline: For the whole call.
    /// - Returns: The value; nil when there is none, or the session is not valid.
    /// - Throws: ``HoldfastError``. When its outcome is unknown the value may be gone.
    public func take(
        _ name: String,
        from token: SessionToken,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> [UInt8]? {
        let words = Words("SESSION", "TAKE", token.rawValue, "REQ", Self.requestID(), name)
        let reply = try await send(words, token.id.handle.slot, .idempotent, deadline)
        if case .null = reply { return nil }
        guard let value = reply.bytes else { throw .unreadable("SESSION TAKE") }
        return value
    }

    func number(
        _ words: Words,
        _ token: SessionToken,
        _ what: String,
        _ deadline: Duration?
    ) async throws(HoldfastError) -> Int64? {
        let reply = try await send(words, token.id.handle.slot, .idempotent, deadline)
        switch reply {
        case .null: return nil
        case .integer(let number): return number
        default: throw .unreadable(what)
        }
    }

    /// Never zero; two requests of one session that meet have the same with a chance of 1 to 2^63.
    static func requestID() -> String { String(Int64.random(in: 1...Int64.max)) }
}
