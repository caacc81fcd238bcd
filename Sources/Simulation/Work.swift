// One operation of a client in three languages: the judges', the replica's, and the machine's
// answers back into the judges'.

import Checkers
import RaftCore
import Replica
import SessionMachine

/// What a client wants, as the judges call it.
enum Work: Hashable, Sendable {
    case key(Int, RegisterCall, bytes: Int)
    case session(subject: Int, SessionCall)

    /// Without an effect, so that one without an answer need not be judged.
    var isRead: Bool {
        switch self {
        case .key(_, let call, _): call == .get
        case .session(_, .list), .session(_, .validate(_, isUse: false)): true
        case .session: false
        }
    }

    /// It changes nothing but how long a session lives.
    var isValidate: Bool { if case .session(_, .validate) = self { true } else { false } }
}

/// A request as it travels to a node.
struct ClientRequest {
    var client: Int
    /// Counts the attempts of the client.
    var attempt: UInt64
    var work: Work
    /// What was committed anywhere when it reached the node: a read must see all of it.
    var floor = LogIndex.zero
    /// When it was last handed to the replica there.
    var askedAt: UInt64 = 0
}

/// A reply to a register's or to a session's call.
enum WorkReply: Hashable, Sendable {
    case key(RegisterReply)
    case session(SessionReply)
}

/// What a node tells a client.
enum NodeReply {
    case done(WorkReply)
    case redirect(NodeID)
    case noLeader
    case overloaded
    case noRoom
    case unknown
    /// The node is not there: the request did not reach it.
    case unreachable
    /// The connection broke while the request was with the node.
    case broken
}

extension Work {
    static func name(ofKey key: Int) -> Key { Key(Array("key:\(key)".utf8)) }

    static func name(ofSubject subject: Int) -> ArraySlice<UInt8> {
        Array("user:\(subject)".utf8)[...]
    }

    static func handle(_ session: Int) -> SessionHandle128 {
        SessionHandle128(high: UInt64(session) &* 0x9e37_79b9_7f4a_7c15, low: UInt64(session))
    }

    static func digest(_ session: Int) -> SecretDigest {
        let word = UInt64(session) &* 0xbf58_476d_1ce4_e5b9
        return SecretDigest(word, ~word, word &+ 1, word ^ 0xff)
    }

    /// A value's number, and filler.
    private static func value(_ number: UInt64, bytes: Int) -> ArraySlice<UInt8> {
        var value: [UInt8] = []
        value.reserveCapacity(8 + bytes)
        for shift in stride(from: 0, to: 64, by: 8) {
            value.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
        }
        for place in 0..<bytes { value.append(UInt8(truncatingIfNeeded: place &+ value.count)) }
        return value[...]
    }

    private static func number(_ value: ArraySlice<UInt8>?) -> UInt64? {
        guard let value else { return nil }
        var number: UInt64 = 0
        for byte in value.prefix(8).reversed() { number = number << 8 | UInt64(byte) }
        return number
    }

    private static let fieldName = Array("field".utf8)[...]

    private static func milliseconds(_ nanoseconds: UInt64) -> Milliseconds {
        Milliseconds(nanoseconds / Time.millisecond)
    }

    // MARK: Asking

    var request: Request {
        switch self {
        case .key(_, .get, _), .session(_, .list): .read
        case .key(let key, let call, let bytes):
            .write(Self.command(Self.name(ofKey: key), call, bytes))
        case .session(_, .validate(let session, let isUse)):
            .validate(
                SessionProof(
                    handle: Self.handle(session),
                    digest: Self.digest(session),
                    purpose: isUse ? .use : .look
                )
            )
        case .session(let subject, let call): .write(Self.command(subject, call))
        }
    }

    private static func command(_ key: Key, _ call: RegisterCall, _ bytes: Int) -> Command {
        switch call {
        case .get, .delete: .delete([key])
        case .take: .getDeleting(key)
        case .getExpiring(let expiry): .getExpiring(key, change(expiry))
        case .expire(let life): .expire(key, .after(milliseconds(life)), .always)
        case .persist: .persist(key)
        case .set(let set):
            .set(
                SetValue(
                    key: key,
                    value: value(set.value, bytes: bytes),
                    expiry: change(set.expiry),
                    condition: condition(set.condition),
                    reply: set.returnsOld ? .oldValue : .status
                )
            )
        }
    }

    private static func change(_ expiry: RegisterExpiry) -> ExpiryChange {
        switch expiry {
        case .clear: .clear
        case .keep: .keep
        case .after(let life): .to(.after(milliseconds(life)))
        }
    }

    private static func condition(_ condition: RegisterSet.Condition) -> SetCondition {
        switch condition {
        case .always: .always
        case .ifAbsent: .ifAbsent
        case .ifPresent: .ifPresent
        }
    }

    private static func command(_ subject: Int, _ call: SessionCall) -> Command {
        switch call {
        case .create(let create):
            var command = CreateSession(
                handle: handle(create.session),
                digest: digest(create.session),
                subject: name(ofSubject: subject),
                idle: milliseconds(create.idle),
                lifetime: milliseconds(create.life)
            )
            command.cap =
                switch create.cap {
                case .none: .unlimited
                case .rejectAbove(let cap): .rejectAbove(UInt32(cap))
                case .evictAbove(let cap): .evictAbove(UInt32(cap))
                }
            return .create(command)
        case .renew(let session, let idle, let life):
            return .renew(
                RenewSession(
                    handle: handle(session),
                    digest: digest(session),
                    idle: idle.map(milliseconds),
                    lifetime: life.map(milliseconds)
                )
            )
        case .revoke(let session): return .revoke(RevokeSession(handle: handle(session)))
        case .rotate(let session, let next, let grace):
            return .rotate(
                RotateSession(
                    handle: handle(session),
                    digest: digest(session),
                    successor: handle(next),
                    successorDigest: digest(next),
                    sealedSecret: [],
                    grace: milliseconds(grace)
                )
            )
        case .set(let session, let request, let ifVersion):
            let field = SessionField(name: fieldName, value: value(request, bytes: 0))
            var set = SetFields(
                handle: handle(session),
                digest: digest(session),
                fields: [field]
            )
            set.request = RequestID(rawValue: request)
            set.ifVersion = ifVersion
            return .setFields(set)
        case .take(let session, let request):
            var take = TakeField(
                handle: handle(session),
                digest: digest(session),
                name: fieldName
            )
            take.request = RequestID(rawValue: request)
            return .takeField(take)
        case .revokeAll(let except):
            return .revokeAll(
                RevokeSubject(subject: name(ofSubject: subject), except: except.map(handle))
            )
        case .validate, .list: preconditionFailure("a read is no command")
        }
    }

    // MARK: Answering

    /// What applying it came to; nil for an outcome that it cannot have.
    func reply(to outcome: Outcome) -> WorkReply? {
        switch (self, outcome) {
        case (.key, .ok): .key(.ok)
        case (.key, .notStored): .key(.notStored)
        case (.key, .integer(let count)): .key(.integer(count))
        case (.key, .value(let value)): .key(.value(Self.number(value)))
        case (.session, .created(let info, let evicted)):
            .session(
                .created(birth: info.createdAt.millisecondsSince1970, evicted: evicted)
            )
        case (.session, .renewed): .session(.renewed)
        case (.session, .revoked(let count)): .session(.count(count))
        case (.session, .limitReached): .session(.limitReached)
        case (.session, .ended(.expired)): .session(.expired)
        case (.session, .ended(.revoked)), (.session, .ended(.rotated)): .session(.revoked)
        case (.session(_, .rotate), .rotated(let rotated)):
            .session(.rotated(Int(rotated.successor.low)))
        case (.session(_, .rotate), .handleTaken): .session(.handleTaken)
        case (.session, .version(let version)): .session(.version(version))
        case (.session, .conflict(let version)): .session(.conflict(version))
        case (.session, .value(let value)): .session(.field(Self.number(value)))
        case (.session, .unknown): .session(.unknown)
        default: nil
        }
    }

    /// What a look at the machine says; nil for a write.
    func reply(from machine: SessionMachine) -> WorkReply? {
        switch self {
        case .key(let key, .get, _):
            return .key(.value(Self.number(machine.get(Self.name(ofKey: key)))))
        case .key: return nil
        case .session(let subject, .list):
            let sessions = machine.list(Self.name(ofSubject: subject))
            return .session(.list(sessions.map { Int($0.handle.low) }))
        case .session(_, .validate(let session, _)):
            // What had to be logged first is logged: only the state decides now.
            let validation = machine.validate(
                Self.handle(session),
                Self.digest(session),
                now: machine.time,
                purpose: .look
            )
            switch validation.status {
            case .valid: return .session(.valid)
            case .expired: return .session(.expired)
            case .revoked: return .session(.revoked)
            case .unknown: return .session(.unknown)
            }
        case .session: return nil
        }
    }
}
