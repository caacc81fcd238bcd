// The checking half of the storm's clients: each answer, and the state at the end, against what was
// certain.

import RaftCore
import Replica
import SessionMachine

extension StormClient {
    /// Hears all answers that left since the last call.
    mutating func hear(_ group: inout Group) {
        while seen < group.answers.order.count {
            let token = group.answers.order[seen]
            seen += 1
            guard let given = group.answers[token], let asked = sent.removeValue(forKey: token)
            else { continue }
            switch given.answer {
            case .applied(let outcome): wasDone(asked, outcome)
            case .readable: mayRead(asked, given, now: group.now)
            case .redirect, .noLeader, .overloaded, .noRoom, .noMemory: wasNot(asked)
            case .unknown: tally.unknown += 1
            }
            group.answers.dropMachine(of: token)
        }
    }

    private mutating func wasDone(_ asked: Sent, _ outcome: Outcome) {
        tally.done += 1
        switch (asked.operation, outcome) {
        case (.create(let number), .created(let info, _)):
            sessions[number]?.created = .done
            sessions[number]?.end = info.expiresAt
        case (.revoke(let number), .revoked(let count)):
            // A logout that found nothing may have come before a login that is still on its way.
            if count == 1 || asked.session?.created == .done { revoke(number, .done) }
        case (.store(let name), .ok):
            stored[name] = .done
        default:
            fail("\(asked.operation) came out as \(outcome)")
        }
    }

    private mutating func wasNot(_ asked: Sent) {
        tally.not += 1
        switch asked.operation {
        case .create(let number): sessions[number]?.created = .not
        case .revoke(let number): revoke(number, .not)
        case .store(let name): stored[name] = .not
        case .validate, .look: break
        }
    }

    private mutating func mayRead(_ asked: Sent, _ given: Given, now: MachineTime) {
        tally.readable += 1
        guard let machine = given.machine else { return fail("readable, but no machine") }
        switch asked.operation {
        case .validate(let number):
            guard let before = asked.session, let after = sessions[number] else { return }
            let status = machine.status(number)
            let isOver = before.end.flatMap { end -> Bool? in
                // No clock is behind the group's time, and none far ahead of it. Between asking
                // and answering the session may end.
                if end <= asked.time { return true }
                return end > now.advanced(by: Self.skewMax) ? false : nil
            }
            check(number, status, before, isOver, mayBeRevoked: after.revoked != nil)
        case .look(let name):
            check(name, machine.has(name), known: asked.stored)
        case .create, .revoke, .store:
            fail("a write may read")
        }
    }

    /// `isOver` is nil where the session's deadline may have passed or not.
    private mutating func check(
        _ number: Int,
        _ status: StatusWord,
        _ known: Session,
        _ isOver: Bool?,
        mayBeRevoked: Bool
    ) {
        if known.revoked == .done {
            tally.revokedAsMust += 1
            if status == .valid { fail("session \(number) is revoked and valid") }
            return
        }
        switch known.created {
        case .open: break
        case .not:
            if status != .unknown { fail("session \(number) was not created and is \(status)") }
        case .done:
            guard let isOver else { return }
            if isOver {
                tally.expiredAsMust += 1
                if status == .valid { fail("session \(number) is over and valid") }
            } else if !mayBeRevoked {
                tally.validAsMust += 1
                if status != .valid { fail("session \(number) must hold and is \(status)") }
            }
        }
    }

    private mutating func check(_ name: String, _ isThere: Bool, known: Fate?) {
        switch known {
        case .done:
            tally.storedAsMust += 1
            if !isThere { fail("\(name) was acknowledged and is lost") }
        case .not:
            tally.storedAsMust += 1
            if isThere { fail("\(name) was certain not to happen and is there") }
        case .open, nil: break
        }
    }

    /// Checks all that was ever certain against the machine of a group at rest.
    mutating func checkEnd(_ machine: SessionMachine) {
        for (number, session) in sessions {
            // An idle leader logs the time, so at rest an end shows by itself.
            let isOver = session.end.map { $0 <= machine.time }
            let mayBeRevoked = session.revoked != nil
            check(number, machine.status(number), session, isOver, mayBeRevoked: mayBeRevoked)
        }
        for (name, fate) in stored { check(name, machine.has(name), known: fate) }
    }

    private mutating func fail(_ message: String) {
        if failure == nil { failure = message }
    }
}
