// The parts of the Redis face's write commands: expiry, conditions, and what SET answers. The names
// follow what they mean; the Redis words stand in the comments.

/// SET and all its relatives.
package struct SetValue: Equatable, Sendable {
    package var key: Key
    package var value: ArraySlice<UInt8>
    package var expiry: ExpiryChange
    package var condition: SetCondition
    package var reply: SetReply

    package init(
        key: Key,
        value: ArraySlice<UInt8>,
        expiry: ExpiryChange = .clear,
        condition: SetCondition = .always,
        reply: SetReply = .status
    ) {
        self.key = key
        self.value = value
        self.expiry = expiry
        self.condition = condition
        self.reply = reply
    }
}

/// What happens to a key's expiry.
package enum ExpiryChange: Equatable, Sendable {
    /// No expiry afterwards (plain SET; GETEX PERSIST).
    case clear
    /// As it was (SET KEEPTTL; plain GETEX).
    case keep
    /// A new one (EX, PX, EXAT, PXAT).
    case to(ExpiryTime)
}

/// A deadline as the client gave it.
package enum ExpiryTime: Equatable, Sendable {
    /// EXAT, PXAT, EXPIREAT, PEXPIREAT. Instants before 1970 are given as zero.
    case at(MachineTime)
    /// EX, PX, EXPIRE, PEXPIRE: counted from the entry's machine time. Negative ones are given as
    /// zero.
    case after(Milliseconds)

    func resolved(at now: MachineTime) -> MachineTime {
        switch self {
        case .at(let deadline): deadline
        case .after(let duration): now.advanced(by: duration)
        }
    }
}

/// When SET stores.
package enum SetCondition: UInt8, Equatable, Sendable {
    case always = 0
    /// NX.
    case ifAbsent = 1
    /// XX.
    case ifPresent = 2
}

/// What SET answers.
package enum SetReply: UInt8, Equatable, Sendable {
    case status = 0
    /// GET: the value before, whether or not the new one was stored.
    case oldValue = 1
}

/// When EXPIRE takes effect, as in Redis 7.0.
package enum ExpireCondition: UInt8, Equatable, Sendable {
    case always = 0
    /// NX: only where the key has no expiry.
    case ifPersistent = 1
    /// XX: only where the key has one.
    case ifExpiring = 2
    /// GT: only to a later time; no expiry counts as infinitely late. XX GT means the same.
    case ifLater = 3
    /// LT: only to an earlier time; no expiry counts as infinitely late.
    case ifEarlier = 4
    /// XX LT.
    case ifExpiringAndEarlier = 5

    func allows(_ deadline: MachineTime, replacing current: MachineTime?) -> Bool {
        switch self {
        case .always: true
        case .ifPersistent: current == nil
        case .ifExpiring: current != nil
        case .ifLater: current.map { deadline > $0 } ?? false
        case .ifEarlier: current.map { deadline < $0 } ?? true
        case .ifExpiringAndEarlier: current.map { deadline < $0 } ?? false
        }
    }
}
