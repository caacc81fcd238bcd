// A client's words to an operation, or to the error reply that Redis 7.0 would give. This file
// holds the dispatch and what the commands share; the commands themselves are read in
// `RequestReader+Values`, `+Sessions`, `+Fields`, `+Rotation`, `+Lock`, `+Connection` and
// `+Members`.
//
// It must never: trap on any bytes, let a secret out (it is hashed here), or draw randomness
// itself.

package import HoldfastWire
package import SessionMachine

/// The cryptography that reading needs, given by the server.
package protocol SessionSecrets: Sendable {
    /// SHA-256.
    func digest(ofSecret bytes: [UInt8]) -> SecretDigest
    /// A fresh id for a subject of this slot.
    mutating func mint(slot: UInt16) -> SessionID
    /// A number for a request that has none.
    mutating func mintRequest() -> RequestID
    /// Seals the secret of `new` for whoever shows `old`: at most `Limits.sealedSecretBytes`.
    mutating func seal(_ new: SessionID, for old: SessionID) -> [UInt8]
    /// What `seal` sealed, of the successor of that handle; nil for anything else.
    func open(_ sealed: [UInt8], of handle: SessionHandle, for old: SessionID) -> SessionID?
}

/// Why a request is answered with an error. The text is the whole reply, its code included.
package struct RequestError: Error, Hashable, Sendable {
    package var text: String

    init(_ text: String) { self.text = text }

    static let syntax = RequestError("ERR syntax error")
    static let notInteger = RequestError("ERR value is not an integer or out of range")

    static func arity(_ command: String) -> RequestError {
        RequestError("ERR wrong number of arguments for '\(command)' command")
    }

    static func invalidExpire(_ command: String) -> RequestError {
        RequestError("ERR invalid expire time in '\(command)' command")
    }
}

/// Reads requests. One per reactor: it owns the source of randomness.
package struct RequestReader<Secrets: SessionSecrets> {
    var secrets: Secrets
    let bounds: RequestBounds

    package init(secrets: Secrets, bounds: RequestBounds) {
        self.secrets = secrets
        self.bounds = bounds
    }

    package mutating func read(_ frame: RequestFrame) throws(RequestError) -> Operation {
        let name = frame.withBytes(0) { CommandName($0) }
        guard let name, let place = CommandTable.places[name] else {
            throw Self.unknown(frame)
        }
        let spec = CommandTable.all[place]
        guard spec.allows(frame.count) else { throw .arity(spec.name) }
        switch spec.group {
        case "string": return try string(spec.name, frame)
        case "generic": return try generic(spec.name, frame)
        case "session": return .keyed(try session(frame))
        case "connection": return .local(try connection(spec.name, frame))
        default: return try server(spec.name, frame)
        }
    }

    private func string(
        _ name: String,
        _ frame: RequestFrame
    ) throws(RequestError) -> Operation {
        switch name {
        case "get": return .keyed(try keyed(frame) { .read(.get($0)) })
        case "strlen": return .keyed(try keyed(frame) { .read(.length($0)) })
        case "getdel": return .keyed(try keyed(frame) { .write(.getDeleting($0), .value) })
        case "set": return .keyed(try set(frame))
        case "setnx": return .keyed(try setIfAbsent(frame))
        case "setex": return .keyed(try setExpiring(frame, .seconds, name))
        case "psetex": return .keyed(try setExpiring(frame, .milliseconds, name))
        case "getex": return .keyed(try getExpiring(frame))
        default: return try manyKeys(.get, frame)
        }
    }

    private func generic(
        _ name: String,
        _ frame: RequestFrame
    ) throws(RequestError) -> Operation {
        switch name {
        case "del", "unlink": return try manyKeys(.delete, frame)
        case "exists": return try manyKeys(.exists, frame)
        case "expire": return .keyed(try expire(frame, .seconds, isAbsolute: false, name))
        case "pexpire": return .keyed(try expire(frame, .milliseconds, isAbsolute: false, name))
        case "expireat": return .keyed(try expire(frame, .seconds, isAbsolute: true, name))
        case "pexpireat": return .keyed(try expire(frame, .milliseconds, isAbsolute: true, name))
        case "ttl": return .keyed(try keyed(frame) { .read(.timeToLive($0, .seconds)) })
        case "pttl": return .keyed(try keyed(frame) { .read(.timeToLive($0, .milliseconds)) })
        case "persist": return .keyed(try keyed(frame) { .write(.persist($0), .integer) })
        case "type": return .keyed(try keyed(frame) { .read(.type($0)) })
        default: return .spread(try scan(frame))
        }
    }

    private static func unknown(_ frame: RequestFrame) -> RequestError {
        var arguments = ""
        for place in 1..<frame.count {
            guard arguments.utf8.count < 128 else { break }
            arguments += "'\(prefix(frame, place, 128 - arguments.utf8.count))' "
        }
        let name = prefix(frame, 0, 128)
        return RequestError(
            "ERR unknown command '\(name)', with args beginning with: \(arguments)"
        )
    }

    static func prefix(_ frame: RequestFrame, _ place: Int, _ count: Int) -> String {
        frame.withBytes(place) { String(decoding: $0.prefix(count), as: UTF8.self) }
    }

    // MARK: Words

    func key(_ frame: RequestFrame, _ place: Int) throws(RequestError) -> Key {
        guard frame.byteCount(place) <= RequestBounds.keyBytesMax else {
            throw RequestError("ERR key is longer than \(RequestBounds.keyBytesMax) bytes")
        }
        return Key(frame.bytes(place))
    }

    func value(_ frame: RequestFrame, _ place: Int) throws(RequestError) -> ArraySlice<UInt8> {
        guard frame.byteCount(place) <= bounds.valueBytesMax else {
            throw RequestError(
                "ERR value is longer than \(bounds.valueBytesMax) bytes (limits.value-bytes)"
            )
        }
        return frame.bytes(place)[...]
    }

    func integer(_ frame: RequestFrame, _ place: Int) throws(RequestError) -> Int64 {
        guard place < frame.count else { throw .syntax }
        guard let integer = frame.integer(place) else { throw .notInteger }
        return integer
    }

    func slot(_ frame: RequestFrame, _ place: Int) -> UInt16 {
        frame.withBytes(place) { HashSlot.of($0) }
    }

    /// A command whose only key is its second word.
    func keyed(
        _ frame: RequestFrame,
        _ action: (Key) -> Action
    ) throws(RequestError) -> KeyedOperation {
        KeyedOperation(slot: slot(frame, 1), action: action(try key(frame, 1)))
    }

    private func manyKeys(
        _ command: MultiKeyCommand,
        _ frame: RequestFrame
    ) throws(RequestError) -> Operation {
        guard frame.count - 1 <= RequestBounds.keysMax else {
            throw RequestError("ERR more than \(RequestBounds.keysMax) keys in one command")
        }
        var keys: [Key] = []
        keys.reserveCapacity(frame.count - 1)
        for place in 1..<frame.count { keys.append(try key(frame, place)) }
        let bytes = keys.reduce(0) { $0 + $1.bytes.count }
        guard command != .delete || bytes <= RequestBounds.deletedKeyBytesMax else {
            throw RequestError(
                "ERR the keys have more than \(RequestBounds.deletedKeyBytesMax) bytes together; "
                    + "delete them in several commands"
            )
        }
        guard keys.count > 1 else {
            return .keyed(KeyedOperation(slot: slot(frame, 1), action: command.action(keys)))
        }
        return .spread(.keys(command, keys))
    }
}
