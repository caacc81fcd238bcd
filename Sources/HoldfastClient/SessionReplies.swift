// From replies to results. A field that is missing or of another kind is a protocol violation and
// never a default: a session must not be taken for valid because a reply could not be read. Fields
// that this client does not know are passed over, so that servers may add some.

import HoldfastWire

/// The entries of one map reply, by name.
struct ReplyMap {
    private var entries: [String: RESPValue] = [:]
    private let what: String

    init(_ reply: RESPValue, _ what: String) throws(HoldfastError) {
        self.what = what
        guard let pairs = reply.pairs else { throw .unreadable(what) }
        for pair in pairs {
            guard let name = pair.key.text else { throw .unreadable(what) }
            entries[name] = pair.value
        }
    }

    func has(_ name: String) -> Bool { entries[name] != nil }

    func text(_ name: String) throws(HoldfastError) -> String {
        guard let text = entries[name]?.text else { throw .unreadable("\(what): \(name)") }
        return text
    }

    func number(_ name: String) throws(HoldfastError) -> Int64 {
        guard let number = entries[name]?.number else { throw .unreadable("\(what): \(name)") }
        return number
    }

    func time(_ name: String) throws(HoldfastError) -> Timestamp {
        Timestamp(millisecondsSince1970: try number(name))
    }

    func timeIfAny(_ name: String) throws(HoldfastError) -> Timestamp? {
        if case .null = entries[name] { return nil }
        return try time(name)
    }

    func handle() throws(HoldfastError) -> SessionHandle {
        guard let handle = SessionHandle(rawValue: try text("handle")) else {
            throw .unreadable("\(what): handle")
        }
        return handle
    }

    func fields() throws(HoldfastError) -> [String: [UInt8]] {
        guard let value = entries["fields"] else { return [:] }
        return try Self.fields(value, what)
    }

    static func fields(
        _ value: RESPValue,
        _ what: String
    ) throws(HoldfastError) -> [String: [UInt8]] {
        guard let pairs = value.pairs else { throw .unreadable("\(what): fields") }
        var fields: [String: [UInt8]] = [:]
        for pair in pairs {
            guard let name = pair.key.text, let bytes = pair.value.bytes else {
                throw .unreadable("\(what): fields")
            }
            fields[name] = bytes
        }
        return fields
    }
}

extension HoldfastError {
    /// The reply came, so the call was carried out; what it did is what cannot be read.
    static func unreadable(_ what: String) -> HoldfastError {
        HoldfastError(
            .protocolViolation,
            outcome: .unknown,
            message: "the reply to \(what) is not what it should be"
        )
    }
}

extension SessionState {
    init(_ map: ReplyMap) throws(HoldfastError) {
        self.init(
            handle: try map.handle(),
            subject: try map.text("subject"),
            version: try map.number("version"),
            createdAt: try map.time("created-at"),
            idleExpiresAt: try map.timeIfAny("idle-expires-at"),
            expiresAt: try map.time("expires-at")
        )
    }
}

extension Validation {
    init(_ reply: RESPValue) throws(HoldfastError) {
        let map = try ReplyMap(reply, "SESSION VALIDATE")
        switch try map.text("status") {
        case "valid":
            self = .valid(
                ValidSession(
                    state: try SessionState(map),
                    issuedAt: try map.time("issued-at"),
                    assurance: Int(clamping: try map.number("aal")),
                    fields: try map.fields(),
                    mustRotate: map.has("rotate")
                )
            )
        case "expired": self = .expired
        case "revoked":
            self = .revoked(
                Revocation(
                    at: try map.time("revoked-at"),
                    reason: try map.text("reason"),
                    by: try map.text("by")
                )
            )
        case "mismatch": self = .mismatch
        case "unknown": self = .unknown
        default: throw .unreadable("SESSION VALIDATE: status")
        }
    }
}

extension Renewal {
    init(_ reply: RESPValue) throws(HoldfastError) {
        let map = try ReplyMap(reply, "SESSION RENEW")
        guard map.has("status") else {
            self = .renewed(try SessionState(map))
            return
        }
        switch try map.text("status") {
        case "expired": self = .expired
        case "revoked": self = .revoked
        case "unknown": self = .unknown
        default: throw .unreadable("SESSION RENEW: status")
        }
    }
}

extension SessionInfo {
    init(_ reply: RESPValue) throws(HoldfastError) {
        let map = try ReplyMap(reply, "SESSION LIST")
        self.init(
            handle: try map.handle(),
            version: try map.number("version"),
            createdAt: try map.time("created-at"),
            issuedAt: try map.time("issued-at"),
            lastUsedAt: try map.time("last-used-at"),
            idleExpiresAt: try map.timeIfAny("idle-expires-at"),
            expiresAt: try map.time("expires-at"),
            ip: try map.text("ip"),
            agent: try map.text("agent"),
            device: try map.text("device"),
            assurance: Int(clamping: try map.number("aal"))
        )
    }
}
