// What a client's write becomes in the log: the only things that change a shard group's state.
//
// Byte strings are slices of the entry they were decoded from; nothing is copied until a record is
// stored. Tags are part of the log format: they are never renumbered. Sessions use 1...31, the
// Redis face 32...63, housekeeping 64 and above.

/// One write of one client.
package enum Command: Equatable, Sendable {
    /// Boxed: it is the one large command, and the others should not be moved around at its size.
    indirect case create(CreateSession)
    /// Logs the use of sessions now; one command coalesces many validates.
    case touch([SessionHandle128])
    case renew(RenewSession)
    case revoke(RevokeSession)
    case revokeAll(RevokeSubject)
    case setFields(SetFields)
    case unsetFields(UnsetFields)
    case takeField(TakeField)
    indirect case rotate(RotateSession)
    case lock(LockSession)
    case unlock(UnlockSession)

    case set(SetValue)
    /// Reads a value and changes its expiry (GETEX).
    case getExpiring(Key, ExpiryChange)
    /// Reads a value and deletes it (GETDEL).
    case getDeleting(Key)
    case delete([Key])
    case expire(Key, ExpiryTime, ExpireCondition)
    case persist(Key)

    /// Does nothing itself: its entry moves machine time.
    case time
    /// What replicas' machines were after an earlier entry. Changes nothing but the count of
    /// commands: whoever applies it compares (`Attestation`).
    case attest(Attestation)
}

extension Command {
    /// Whether it brings something new in. All others end what is there, or let it go on.
    package var addsState: Bool {
        switch self {
        case .create, .set, .setFields, .rotate: true
        case .touch, .renew, .revoke, .revokeAll, .unsetFields, .takeField,
            .lock, .unlock, .getExpiring, .getDeleting, .delete, .expire, .persist, .time, .attest:
            false
        }
    }
}

/// A login. The id comes from the client, so that a retry finds what the first try made.
package struct CreateSession: Equatable, Sendable {
    package var handle: SessionHandle128
    package var digest: SecretDigest
    package var subject: ArraySlice<UInt8>
    /// Time without use that ends the session; zero for no such limit.
    package var idle: Milliseconds
    /// Time from now that ends the session in any case; more than zero.
    package var lifetime: Milliseconds
    package var fields: [SessionField] = []
    package var ip: ArraySlice<UInt8> = []
    package var agent: ArraySlice<UInt8> = []
    package var device: ArraySlice<UInt8> = []
    /// Authenticator assurance level, 0...255 (NIST uses 1...3).
    package var assurance: UInt8 = 0
    /// Authentication methods (RFC 8176), as the edge chooses to write them.
    package var methods: ArraySlice<UInt8> = []
    package var cap: SubjectCap = .unlimited
    package var policy: ArraySlice<UInt8> = []

    package init(
        handle: SessionHandle128,
        digest: SecretDigest,
        subject: ArraySlice<UInt8>,
        idle: Milliseconds,
        lifetime: Milliseconds
    ) {
        self.handle = handle
        self.digest = digest
        self.subject = subject
        self.idle = idle
        self.lifetime = lifetime
    }
}

/// One attribute of a session.
package struct SessionField: Equatable, Sendable {
    package var name: ArraySlice<UInt8>
    package var value: ArraySlice<UInt8>

    package init(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>) {
        self.name = name
        self.value = value
    }
}

/// How many live sessions a subject may have after a login, and what gives way.
package enum SubjectCap: Equatable, Sendable {
    /// Only `Limits.sessionsPerSubject` holds.
    case unlimited
    /// At the limit the new login is refused.
    case rejectAbove(UInt32)
    /// At the limit the oldest sessions are revoked.
    case evictAbove(UInt32)
}

/// A proof of use that also sets new limits.
package struct RenewSession: Equatable, Sendable {
    package var handle: SessionHandle128
    package var digest: SecretDigest
    /// A new idle timeout; nil keeps the old one, zero removes it.
    package var idle: Milliseconds?
    /// A new life from now; nil keeps the absolute deadline.
    package var lifetime: Milliseconds?

    package init(
        handle: SessionHandle128,
        digest: SecretDigest,
        idle: Milliseconds?,
        lifetime: Milliseconds?
    ) {
        self.handle = handle
        self.digest = digest
        self.idle = idle
        self.lifetime = lifetime
    }
}

/// Why and by whom a session was ended.
package struct RevocationNote: Equatable, Sendable {
    package var reason: ArraySlice<UInt8>
    package var actor: ArraySlice<UInt8>

    package init(reason: ArraySlice<UInt8> = [], actor: ArraySlice<UInt8> = []) {
        self.reason = reason
        self.actor = actor
    }
}

/// A logout.
package struct RevokeSession: Equatable, Sendable {
    package var handle: SessionHandle128
    package var note: RevocationNote

    package init(handle: SessionHandle128, note: RevocationNote = RevocationNote()) {
        self.handle = handle
        self.note = note
    }
}

/// A logout of all of a subject's devices, or of all others.
package struct RevokeSubject: Equatable, Sendable {
    package var subject: ArraySlice<UInt8>
    package var except: SessionHandle128?
    package var note: RevocationNote

    package init(
        subject: ArraySlice<UInt8>,
        except: SessionHandle128? = nil,
        note: RevocationNote = RevocationNote()
    ) {
        self.subject = subject
        self.except = except
        self.note = note
    }
}
