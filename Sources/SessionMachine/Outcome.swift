// What applying a command answers. A normal outcome is a value: "no such session" and "limit
// reached" are answers, not errors. The edge turns them into RESP.

/// The answer to one command.
package enum Outcome: Equatable, Sendable {
    /// Done; there is nothing to tell.
    case ok
    /// The condition (NX, XX) did not hold: nothing was stored.
    case notStored
    /// How many keys a DEL removed; 1 or 0 for EXPIRE and PERSIST.
    case integer(Int)
    /// The value before (SET GET, GETEX, GETDEL); nil where there was none.
    case value(ArraySlice<UInt8>?)

    /// A login; also the answer to its retry. `evicted` sessions gave way to it.
    case created(SessionInfo, evicted: Int)
    case renewed(SessionInfo)
    /// A rotation; also the answer to all who ask for one of the same id in its time of grace.
    case rotated(Rotated)
    /// How many of the handles named a live session.
    case touched(Int)
    /// How many sessions were live before and are revoked now.
    case revoked(Int)
    /// The version that a SET made; its retry is told the same, whatever came since.
    case version(UInt64)
    /// The session has another version than the one that may be changed: this one.
    case conflict(UInt64)

    /// The lock is the asker's, until then at most.
    case locked(fence: UInt64, until: MachineTime)
    /// The lock is another's, or another one's turn, until then at most.
    case lockHeld(until: MachineTime)

    /// The handle belongs to another session: other secret, or other subject.
    case handleTaken
    /// The subject has as many live sessions as it may.
    case limitReached
    /// The session was there and has ended; it does not come back.
    case ended(SessionEnd)
    /// No such session, or not with this secret.
    case unknown
    /// The command asks for what cannot be stored.
    case refused(Refusal)
}

/// Why a command cannot be carried out. The edge checks what it can before it proposes.
package enum Refusal: Equatable, Sendable {
    /// A byte string or their sum is over its limit.
    case tooLarge
    /// A session must have an end: its lifetime was zero.
    case noLifetime
    /// All record ids are in use.
    case full
    /// The request id was that of another kind of request.
    case requestReused
    /// `Limits.rotations`.
    case rotatedTooOften
}

/// How a session ended.
package enum SessionEnd: UInt8, Equatable, Sendable {
    case expired = 1
    case revoked = 2
    /// It goes on under another id.
    case rotated = 3
}

/// What a client is told about a session it made or renewed.
package struct SessionInfo: Equatable, Sendable {
    package var handle: SessionHandle128
    package var subject: ArraySlice<UInt8>
    /// Counts changes of the fields, from 1.
    package var version: UInt64
    package var createdAt: MachineTime
    /// When it ends without further use; nil where it has no idle timeout.
    package var idleExpiresAt: MachineTime?
    /// When it ends in any case.
    package var expiresAt: MachineTime
}
