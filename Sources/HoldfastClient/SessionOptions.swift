// What may be said of a session when it is made. All of it travels in one SESSION CREATE; the
// server checks the sizes once more and has the last word on them.

/// What a new session is like. Everything is optional.
public struct SessionOptions: Sendable {
    /// What happens when the subject has as many sessions as it may.
    public enum Cap: Hashable, Sendable {
        /// The new session is refused, with ``HoldfastError/Refusal/limit``. 1 to 4,294,967,295.
        case reject(above: Int)
        /// The session that was created first ends. 1 to 4,294,967,295.
        case evict(above: Int)
    }

    /// How long the session lives without being used; nil for the server's default, zero for no
    /// such end. Rounded up to seconds; at most a hundred years.
    public var idle: Duration?
    /// How long the session lives at all; nil for the server's default. Above zero, rounded up to
    /// seconds; at most a hundred years.
    public var lifetime: Duration?
    /// The name of the policy it falls under, at most 256 bytes.
    public var policy: String?
    /// The holder's network address, for lists; at most 256 bytes.
    public var ip: String?
    /// The holder's user agent, for lists. The server cuts it at 1,024 bytes.
    public var agent: String?
    /// A label of the device, for lists; at most 256 bytes.
    public var device: String?
    /// How sure it is who logged in, 1 to 3 as in NIST SP 800-63B; nil for the server's default.
    public var assurance: Int?
    /// How the login was done, such as `pwd otp`; at most 256 bytes.
    public var methods: String?
    /// How many sessions the subject may have; nil for any number.
    public var cap: Cap?
    /// What the session carries: at most 256 fields with names of at most 256 bytes. All of the
    /// session together has at most 65,536 bytes.
    public var fields: [String: [UInt8]] = [:]

    /// Options that leave everything to the server.
    public init() {}

    /// Options with the two ends of a session's life.
    ///
    /// - Parameters:
    ///   - idle: See ``idle``.
    ///   - lifetime: See ``lifetime``.
    ///   - fields: See ``fields``.
    public init(
        idle: Duration? = nil,
        lifetime: Duration? = nil,
        fields: [String: [UInt8]] = [:]
    ) {
        self.idle = idle
        self.lifetime = lifetime
        self.fields = fields
    }
}

extension SessionOptions {
    /// The words that follow the subject and the id.
    func words() throws(HoldfastError) -> [[UInt8]] {
        var words = Words()
        try words.seconds("IDLE", idle, from: 0)
        try words.seconds("TTL", lifetime, from: 1)
        words.option("POLICY", policy)
        words.option("IP", ip)
        words.option("AGENT", agent)
        words.option("DEVICE", device)
        if let assurance {
            guard 1...3 ~= assurance else { throw .invalid("assurance is 1, 2 or 3") }
            words.option("AAL", String(assurance))
        }
        words.option("AMR", methods)
        switch cap {
        case nil: break
        case .reject(let count): try words.cap(count, "REJECT")
        case .evict(let count): try words.cap(count, "EVICT")
        }
        if !fields.isEmpty {
            words.add("SET")
            for (name, value) in fields {
                words.add(name)
                words.list.append(value)
            }
        }
        return words.list
    }
}

/// The words of a command while they are put together.
struct Words {
    var list: [[UInt8]] = []

    init(_ words: String...) { list = words.map { Array($0.utf8) } }

    mutating func add(_ word: String) { list.append(Array(word.utf8)) }

    mutating func option(_ name: String, _ value: String?) {
        guard let value else { return }
        add(name)
        add(value)
    }

    /// Rounds up, so that a session of half a second is not one without an end (IDLE 0).
    mutating func seconds(
        _ name: String,
        _ duration: Duration?,
        from lowest: Int64
    ) throws(HoldfastError) {
        guard let duration else { return }
        guard duration >= .zero, duration <= Limits.deadlineMax else {
            throw .invalid("\(name) is at least zero and at most a hundred years")
        }
        let (seconds, attoseconds) = duration.components
        let rounded = attoseconds > 0 ? seconds + 1 : seconds
        guard rounded >= lowest else { throw .invalid("\(name) must be above zero") }
        option(name, String(rounded))
    }

    mutating func cap(_ count: Int, _ over: String) throws(HoldfastError) {
        guard 1...Int(UInt32.max) ~= count else { throw .invalid("a cap is 1 to 4,294,967,295") }
        option("MAX", String(count))
        add(over)
    }
}
