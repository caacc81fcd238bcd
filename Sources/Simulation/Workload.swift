// What clients want next. Few keys and subjects, so that they meet; sessions are shared, so that
// one client's logout is another's refusal; lives are short, so that they end within the run.

import Checkers

/// The source of operations of a run.
struct Workload {
    enum Kind: Int, CaseIterable {
        case create, validate, look, renew, revoke, revokeAll, list
        case set, setIfAbsent, setIfPresent, get, delete, take, getExpiring, expire, persist
        case floor
        case rotate, setField, takeField

        var isEssential: Bool {
            switch self {
            case .create, .validate, .revoke, .set, .get: true
            default: false
            }
        }
    }

    private struct Session {
        var id: Int
        var subject: Int
    }

    private let options: ClientOptions
    private var sessions: [Session] = []
    private var lastValue: UInt64 = 0
    private var lastRequest: UInt64 = 0
    /// Keys that only client 0 writes, with ever larger values; another one from when it does not
    /// know what became of a write.
    static let firstFloorKey = 1_000
    static let probeKey = 999
    private var floorKey = Workload.firstFloorKey

    init(options: ClientOptions) { self.options = options }

    mutating func next(for client: Int, _ random: inout Stream) -> Work {
        let drawn = random.weighted(options.weights)
        guard let kind = Kind(rawValue: drawn) else { preconditionFailure("a weight for each") }
        switch kind {
        case .create: return create(&random)
        case .validate, .look, .renew, .revoke, .rotate, .setField, .takeField:
            return onSession(kind, &random)
        case .revokeAll:
            let subject = random.below(options.subjects)
            let own = sessions.last { $0.subject == subject }
            let except = random.chance(permille: 500) ? own?.id : nil
            return .session(subject: subject, .revokeAll(except: except))
        case .list: return .session(subject: random.below(options.subjects), .list)
        case .floor:
            guard client == 0 else { return .key(floorKey, .get, bytes: 0) }
            return .key(floorKey, .set(RegisterSet(value: newValue())), bytes: 0)
        default: return onKey(kind, &random)
        }
    }

    /// All keys and subjects, for a last look.
    func lastLook() -> [Work] {
        (0..<options.keys).map { .key($0, .get, bytes: 0) }
            + [.key(floorKey, .get, bytes: 0)]
            + (0..<options.subjects).map { .session(subject: $0, .list) }
    }

    /// Nobody knows what became of `work`.
    mutating func lost(_ work: Work) {
        if case .key(floorKey, .set, _) = work { floorKey += 1 }
    }

    private mutating func newValue() -> UInt64 {
        lastValue += 1
        return lastValue
    }

    private mutating func create(_ random: inout Stream) -> Work {
        let session = Session(id: sessions.count + 1, subject: random.below(options.subjects))
        sessions.append(session)
        var create = SessionCreate(
            session: session.id,
            idle: random.chance(permille: 700) ? whole(random.between(options.idle)) : 0,
            life: whole(random.between(options.life))
        )
        if random.chance(permille: options.capPermille) {
            let cap = random.between(1...4)
            create.cap = random.chance(permille: 600) ? .evictAbove(cap) : .rejectAbove(cap)
        }
        return .session(subject: session.subject, .create(create))
    }

    private mutating func onSession(_ kind: Kind, _ random: inout Stream) -> Work {
        guard !sessions.isEmpty else { return create(&random) }
        // Mostly one of the newest: the others have ended.
        let window = random.chance(permille: 850) ? min(sessions.count, 8) : sessions.count
        let session = sessions[sessions.count - 1 - random.below(window)]
        let call: SessionCall
        switch kind {
        case .validate: call = .validate(session.id, isUse: true)
        case .look: call = .validate(session.id, isUse: false)
        case .revoke: call = .revoke(session.id)
        case .rotate: call = rotate(session, &random)
        case .setField:
            let version: UInt64 = random.between(1...4)
            let isAsked = random.chance(permille: 300)
            call = .set(
                session.id,
                request: newRequest(),
                ifVersion: isAsked ? version : nil
            )
        case .takeField: call = .take(session.id, request: newRequest())
        default:
            call = .renew(
                session.id,
                idle: random.chance(permille: 300) ? whole(random.between(options.idle)) : nil,
                life: random.chance(permille: 500) ? whole(random.between(options.life)) : nil
            )
        }
        return .session(subject: session.subject, call)
    }

    /// The successor is one that others use from now on, whatever comes of it.
    private mutating func rotate(_ session: Session, _ random: inout Stream) -> SessionCall {
        let next = Session(id: sessions.count + 1, subject: session.subject)
        sessions.append(next)
        let grace = random.chance(permille: 200) ? 0 : whole(random.between(options.idle))
        return .rotate(session.id, to: next.id, grace: grace)
    }

    private mutating func newRequest() -> UInt64 {
        lastRequest += 1
        return lastRequest
    }

    private mutating func onKey(_ kind: Kind, _ random: inout Stream) -> Work {
        let key = random.below(options.keys)
        let bytes = random.below(options.valueBytesMax)
        let call: RegisterCall
        switch kind {
        case .set: call = set(.always, &random)
        case .setIfAbsent: call = set(.ifAbsent, &random)
        case .setIfPresent: call = set(.ifPresent, &random)
        case .delete: call = .delete
        case .take: call = .take
        case .getExpiring: call = .getExpiring(expiry(&random))
        case .expire: call = .expire(whole(random.between(options.keyLife)))
        case .persist: call = .persist
        default: call = .get
        }
        return .key(key, call, bytes: bytes)
    }

    private mutating func set(
        _ condition: RegisterSet.Condition,
        _ random: inout Stream
    ) -> RegisterCall {
        .set(
            RegisterSet(
                value: newValue(),
                condition: condition,
                expiry: expiry(&random),
                returnsOld: random.chance(permille: 300)
            )
        )
    }

    private func expiry(_ random: inout Stream) -> RegisterExpiry {
        switch random.below(10) {
        case 0..<5: .clear
        case 5: .keep
        default: .after(whole(random.between(options.keyLife)))
        }
    }

    /// The system counts in whole milliseconds.
    private func whole(_ nanoseconds: UInt64) -> UInt64 {
        nanoseconds / Time.millisecond * Time.millisecond
    }
}
