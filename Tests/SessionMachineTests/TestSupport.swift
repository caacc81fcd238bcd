import Bytes
import TestKit

@testable import SessionMachine

extension SeededRandom {
    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}

extension SessionMachine {
    static let testStart: UInt64 = 1_700_000_000_000

    /// An empty machine whose clock stands at `testStart`.
    static func fresh() -> SessionMachine {
        var machine = SessionMachine(seed: HashSeed(low: 0x0706_0504, high: 0x0f0e_0d0c))
        machine.at(0)
        return machine
    }

    /// Begins an entry `offset` ms after `testStart`.
    mutating func at(_ offset: UInt64) { beginEntry(at: .test(offset), commandCount: 1) }

    var fullCheck: [String] { checkInvariants() }
}

extension MachineTime {
    static func test(_ offset: UInt64) -> MachineTime {
        MachineTime(millisecondsSince1970: SessionMachine.testStart + offset)
    }
}

extension RequestID {
    /// Some request.
    static var one: RequestID {
        guard let one = RequestID(rawValue: 1) else { preconditionFailure("1 is not 0") }
        return one
    }
}

func bytes(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }

func key(_ text: String) -> Key { Key(bytes(text)) }

func handle(_ number: Int) -> SessionHandle128 {
    SessionHandle128(high: 0xabcd_0000 + UInt64(number), low: UInt64(number) &* 0x9e37_79b9)
}

func digest(_ number: Int) -> SecretDigest {
    SecretDigest(UInt64(number), 2, 3, UInt64(number) ^ 0xffff)
}

/// A login with idle timeout 1,000 s and life 10,000 s.
func login(
    _ number: Int,
    _ subject: String,
    idle: UInt64 = 1_000_000,
    lifetime: UInt64 = 10_000_000,
    cap: SubjectCap = .unlimited
) -> CreateSession {
    var create = CreateSession(
        handle: handle(number),
        digest: digest(number),
        subject: bytes(subject),
        idle: Milliseconds(idle),
        lifetime: Milliseconds(lifetime)
    )
    create.cap = cap
    return create
}

extension SessionMachine {
    /// The status of session `number` as one word, looked at without touching it.
    func status(_ number: Int, digest: SecretDigest? = nil) -> StatusWord {
        let validation = validate(
            handle(number),
            digest ?? SessionMachineTests.digest(number),
            now: time,
            purpose: .look
        )
        switch validation.status {
        case .valid: return .valid
        case .expired: return .expired
        case .revoked: return .revoked
        case .unknown: return .unknown
        }
    }
}

enum StatusWord { case valid, expired, revoked, unknown }

/// Random commands over few keys, handles and subjects, so that they meet.
struct CommandSource {
    var random: SeededRandom
    var names = 12
    /// Where absolute deadlines are counted from: ms after `testStart`.
    var clock: UInt64 = 0

    init(seed: UInt64) { random = SeededRandom(seed) }

    mutating func next() -> Command {
        switch random.below(26) {
        case 23, 24: return .lock(lock())
        case 25:
            let number = random.below(names)
            let fence = UInt64(random.below(4))
            return .unlock(
                UnlockSession(handle: handle(number), digest: digest(number), fence: fence)
            )
        case 20, 21, 22: return .rotate(rotate())
        case 14, 15, 16: return .setFields(setFields())
        case 17, 18: return .unsetFields(unsetFields())
        case 19: return .takeField(takeField())
        case 0, 1, 2: return .create(create())
        case 3: return .touch((0..<random.below(4)).map { _ in handle(random.below(names)) })
        case 4: return .renew(renew())
        case 5: return .revoke(RevokeSession(handle: handle(random.below(names)), note: note()))
        case 6:
            switch random.below(6) {
            case 0: return .revokeAll(revokeAll())
            case 1: return .attest(attestation())
            default: return .time
            }
        case 7, 8: return .set(set())
        case 9: return .getExpiring(name(), expiry())
        case 10: return .getDeleting(name())
        case 11: return .delete((0..<random.below(4)).map { _ in name() })
        case 12:
            let condition = ExpireCondition(rawValue: UInt8(random.below(6))) ?? .always
            return .expire(name(), expiryTime(), condition)
        default: return .persist(name())
        }
    }

    private mutating func name() -> Key { key("key-\(random.below(names))") }
    private mutating func subject() -> String { "user-\(random.below(3))" }

    private mutating func create() -> CreateSession {
        let caps: [SubjectCap] = [.unlimited, .rejectAbove(2), .evictAbove(2), .evictAbove(3)]
        var create = login(
            random.below(names),
            subject(),
            idle: UInt64(random.below(3)) * 20_000,
            lifetime: UInt64(random.below(5)) * 50_000,
            cap: caps[random.below(caps.count)]
        )
        create.assurance = UInt8(random.below(4))
        create.ip = bytes("10.0.0.\(random.below(256))")
        create.fields = (0..<random.below(3)).map { index in
            SessionField(name: bytes("field-\(index)"), value: random.bytes(random.below(20))[...])
        }
        return create
    }

    private mutating func renew() -> RenewSession {
        let number = random.below(names)
        return RenewSession(
            handle: handle(number),
            digest: digest(random.below(8) == 0 ? number + 1 : number),
            idle: random.below(2) == 0 ? nil : Milliseconds(UInt64(random.below(4)) * 10_000),
            lifetime: random.below(2) == 0 ? nil : Milliseconds(UInt64(random.below(4)) * 40_000)
        )
    }

    private mutating func revokeAll() -> RevokeSubject {
        RevokeSubject(
            subject: bytes(subject()),
            except: random.below(2) == 0 ? nil : handle(random.below(names)),
            note: note()
        )
    }

    private mutating func rotate() -> RotateSession {
        let number = random.below(names)
        let successor = random.below(names)
        var rotate = RotateSession(
            handle: handle(number),
            digest: digest(random.below(8) == 0 ? number + 1 : number),
            successor: handle(successor),
            successorDigest: digest(random.below(8) == 0 ? successor + 1 : successor),
            sealedSecret: random.bytes(random.below(4))[...],
            grace: Milliseconds(UInt64(random.below(3)) * 30_000)
        )
        if random.below(2) == 0 { rotate.assurance = UInt8(random.below(4)) }
        return rotate
    }

    private mutating func lock() -> LockSession {
        let number = random.below(names)
        return LockSession(
            handle: handle(number),
            digest: digest(random.below(8) == 0 ? number + 1 : number),
            request: RequestID(rawValue: 1_000 + UInt64(random.below(4))) ?? .one,
            lease: Milliseconds(UInt64(random.below(4)) * 3_000),
            waits: random.below(2) == 0
        )
    }

    /// Each kind of request has ids of its own, so few that they meet.
    private mutating func request(_ kind: UInt64) -> RequestID? {
        RequestID(rawValue: random.below(3) == 0 ? 0 : kind + 3 * (1 + UInt64(random.below(5))))
    }

    private mutating func fieldName() -> ArraySlice<UInt8> { bytes("field-\(random.below(5))") }

    private mutating func setFields() -> SetFields {
        let number = random.below(names)
        var set = SetFields(
            handle: handle(number),
            digest: digest(random.below(8) == 0 ? number + 1 : number),
            fields: (0..<random.below(4)).map { _ in
                SessionField(name: fieldName(), value: random.bytes(random.below(20))[...])
            }
        )
        set.request = request(0)
        if random.below(3) == 0 { set.ifVersion = UInt64(1 + random.below(4)) }
        return set
    }

    private mutating func unsetFields() -> UnsetFields {
        let number = random.below(names)
        var unset = UnsetFields(
            handle: handle(number),
            digest: digest(random.below(8) == 0 ? number + 1 : number),
            names: (0..<random.below(3)).map { _ in fieldName() }
        )
        unset.request = request(1)
        return unset
    }

    private mutating func takeField() -> TakeField {
        let number = random.below(names)
        var take = TakeField(
            handle: handle(number),
            digest: digest(random.below(8) == 0 ? number + 1 : number),
            name: fieldName()
        )
        take.request = request(2)
        return take
    }

    private mutating func attestation() -> Attestation {
        var votes: [Attestation.Vote] = []
        for node in 1...UInt64(Limits.votesPerAttestation) where random.below(3) == 0 {
            votes.append(.init(node: node, digest: StateDigest(rawValue: random.next())))
        }
        return Attestation(index: random.next() >> UInt64(random.below(64)), votes: votes)
    }

    private mutating func note() -> RevocationNote {
        RevocationNote(reason: bytes("reason \(random.below(9))"), actor: bytes("admin"))
    }

    private mutating func set() -> SetValue {
        SetValue(
            key: name(),
            value: random.bytes(random.below(40))[...],
            expiry: expiry(),
            condition: SetCondition(rawValue: UInt8(random.below(3))) ?? .always,
            reply: SetReply(rawValue: UInt8(random.below(2))) ?? .status
        )
    }

    private mutating func expiry() -> ExpiryChange {
        switch random.below(4) {
        case 0: .clear
        case 1: .keep
        default: .to(expiryTime())
        }
    }

    private mutating func expiryTime() -> ExpiryTime {
        random.below(2) == 0
            ? .after(Milliseconds(UInt64(random.below(100_000))))
            : .at(.test(clock + UInt64(random.below(1_000_000))))
    }
}
