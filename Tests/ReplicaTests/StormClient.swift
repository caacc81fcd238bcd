// The clients of a storm: what they asked, what they were told, and what must therefore hold. Every
// write is done once and under a name of its own, so what the machine holds at the end says what
// became of each.

import RaftCore
import Replica
import SessionMachine
import TestKit

/// What the clients of a `Group` believe.
struct StormClient {
    enum Operation {
        case create(Int)
        case revoke(Int)
        case store(String)
        case validate(Int)
        case look(String)
    }

    /// What is known of a write.
    enum Fate {
        /// Asked for, and no answer says what came of it.
        case open
        case done
        /// Its client was told that nothing was done.
        case not
    }

    struct Session {
        var created: Fate = .open
        /// Nil where nobody asked for it.
        var revoked: Fate?
        /// Known once its creation is.
        var end: MachineTime?
    }

    /// A request on its way, with what was certain when it was asked.
    struct Sent {
        var operation: Operation
        var session: Session?
        var stored: Fate?
        var time: MachineTime
    }

    /// How many answers of each kind came, and how many were checked against what was certain.
    struct Tally: Equatable {
        var sent = 0
        var done = 0
        var not = 0
        var unknown = 0
        var readable = 0
        var validAsMust = 0
        var revokedAsMust = 0
        var expiredAsMust = 0
        var storedAsMust = 0

        static func += (left: inout Tally, right: Tally) {
            left.sent += right.sent
            left.done += right.done
            left.not += right.not
            left.unknown += right.unknown
            left.readable += right.readable
            left.validAsMust += right.validAsMust
            left.revokedAsMust += right.revokedAsMust
            left.expiredAsMust += right.expiredAsMust
            left.storedAsMust += right.storedAsMust
        }
    }

    /// The clocks of two nodes differ by less than this.
    static let skewMax = Milliseconds(200)
    /// Lives of sessions: long ones outlive a storm, short ones do not.
    private static let longLife = hours(100)
    private static let shortLife = Milliseconds.seconds(60)

    var sessions: [Int: Session] = [:]
    var stored: [String: Fate] = [:]
    var tally = Tally()
    var failure: String?
    var sent: [RequestToken: Sent] = [:]
    var seen = 0
    private var names = 0

    // MARK: Asking

    /// A request that one of the clients may want to make now.
    mutating func next(_ random: inout SeededRandom) -> (Request, Operation) {
        let known = sessions.count
        switch known == 0 ? 0 : random.below(10) {
        case 0, 1:
            let number = sessions.count
            let life = random.chance(25) ? Self.shortLife : Self.longLife
            // Long idle timeouts: within a storm their uses must be logged, and none of them ends.
            let idle = random.chance(60) ? hours(50) : .zero
            return (.write(login(number, idle: idle, life: life)), .create(number))
        case 2:
            let number = Self.pick(known, &random)
            return (.write(logout(number)), .revoke(number))
        case 3, 4:
            names += 1
            return (.write(store("name-\(names)")), .store("name-\(names)"))
        case 5:
            let name = "name-\(1 + Self.pick(max(1, names), &random))"
            return (.read, .look(name))
        default:
            let number = Self.pick(known, &random)
            let purpose: ValidatePurpose = random.chance(80) ? .use : .look
            return (.validate(proof(number, purpose)), .validate(number))
        }
    }

    /// One of so many; often one of the last, about which an old leader knows the least.
    private static func pick(_ count: Int, _ random: inout SeededRandom) -> Int {
        random.chance(30) ? count - 1 - random.below(min(3, count)) : random.below(count)
    }

    /// Makes a write known, so that the next request may be about the same thing.
    mutating func prepare(_ operation: Operation) {
        switch operation {
        case .create(let number): sessions[number] = Session()
        case .store(let name): stored[name] = .open
        case .revoke, .validate, .look: break
        }
    }

    /// The node is down: the client could not connect.
    mutating func neverSent(_ operation: Operation) {
        switch operation {
        case .create(let number): sessions[number]?.created = .not
        case .store(let name): stored[name] = .not
        case .revoke, .validate, .look: break
        }
    }

    mutating func asked(_ operation: Operation, _ token: RequestToken, at time: MachineTime) {
        tally.sent += 1
        var entry = Sent(operation: operation, time: time)
        switch operation {
        case .create: break
        case .revoke(let number):
            entry.session = sessions[number]
            revoke(number, .open)
        case .store: break
        case .validate(let number): entry.session = sessions[number]
        case .look(let name): entry.stored = stored[name]
        }
        sent[token] = entry
    }

    /// Several logouts of one session: it is over once one of them is done.
    mutating func revoke(_ number: Int, _ fate: Fate) {
        guard sessions[number] != nil else { return }
        switch (sessions[number]?.revoked, fate) {
        case (.done, _), (.open, .open): break
        // Another logout of the same session may still be open: nothing is certain.
        case (_, .not): break
        case (_, .open), (_, .done): sessions[number]?.revoked = fate
        }
    }
}
