// Judges that look at each operation once or twice. They see less than the search for an order
// does, but they never give up, and what they find is easy to read.

/// For a key that one client writes, with ever larger values and no expiry: no read is older than
/// the last write that was acknowledged before it, nor than a read that was over before it. Nothing
/// is claimed from the first write on that has no answer.
package enum FloorOracle {
    package static func judge(
        _ history: [Operation<RegisterCall, RegisterReply>]
    ) -> Verdict {
        // One that has no answer may still come, and take the value back.
        let limit = history.filter { $0.reply == nil && $0.call != .get }.map(\.called).min()
        let history = history.filter { $0.latest < limit ?? .max }
        var floors: [(time: UInt64, value: UInt64)] = []
        for operation in history {
            guard let returned = operation.returned, let reply = operation.reply else { continue }
            switch (operation.call, reply) {
            case (.set(let set), .ok): floors.append((returned, set.value))
            case (.get, .value(let value)): floors.append((returned, value ?? 0))
            default: break
            }
        }
        floors.sort { $0.time < $1.time }
        for place in floors.indices.dropFirst() {
            floors[place].value = max(floors[place].value, floors[place - 1].value)
        }
        var reads: [(called: UInt64, process: Int, value: UInt64)] = []
        for operation in history {
            guard operation.call == .get, case .value(let value)? = operation.reply else {
                continue
            }
            reads.append((operation.called, operation.process, value ?? 0))
        }
        reads.sort { $0.called < $1.called }
        var floor: UInt64 = 0
        var next = 0
        for read in reads {
            while next < floors.count, floors[next].time < read.called {
                floor = floors[next].value
                next += 1
            }
            if read.value < floor {
                return .broken(
                    "client \(read.process) read \(read.value) at \(read.called), after "
                        + "\(floor) was acknowledged or read"
                )
            }
        }
        return .sound
    }
}

/// The lives of a subject's sessions, by their plainest rules.
package struct SessionOracle {
    private let clocks: ClockBounds
    private let rules: SessionRules

    package init(clocks: ClockBounds, rules: SessionRules) {
        self.clocks = clocks
        self.rules = rules
    }

    private struct Life {
        /// When the session's end was first seen or acknowledged.
        var ended = UInt64.max
        /// When its login was called first, whatever came of that call.
        var asked = UInt64.max
        /// When a login was first answered, and with which birth.
        var born: (birth: UInt64, returned: UInt64)?
        var idle: UInt64 = 0
        var life: UInt64 = 0
        var isRenewed = false
        /// It has, or may have, a successor, through which it may go on.
        var isRotated = false
        /// Calls that were answered as uses: when each was answered, and the latest call so far.
        var uses: [(returned: UInt64, called: UInt64)] = []

        mutating func ask(_ time: UInt64) { asked = min(asked, time) }
        mutating func end(_ time: UInt64) { ended = min(ended, time) }
    }

    package func judge(_ history: [SessionModel.Attempt]) -> Verdict {
        let ordered = history.sorted { $0.latest < $1.latest }
        var lives = asked(in: history)
        for attempt in ordered {
            if let broken = gather(attempt, &lives) { return .broken(broken) }
        }
        for attempt in ordered {
            if let broken = check(attempt, lives) { return .broken(broken) }
        }
        return .sound
    }

    /// Before anything else is gathered: a login that was never answered comes last in an order by
    /// answers, and may be the one that made the session.
    private func asked(in history: [SessionModel.Attempt]) -> [Int: Life] {
        var lives: [Int: Life] = [:]
        for attempt in history {
            switch attempt.call {
            case .create(let create): lives[create.session, default: Life()].ask(attempt.called)
            case .rotate(let id, _, _): lives[id, default: Life()].isRotated = true
            default: break
            }
        }
        return lives
    }

    private func gather(_ attempt: SessionModel.Attempt, _ lives: inout [Int: Life]) -> String? {
        if case .renew(let id, _, _) = attempt.call { lives[id, default: Life()].isRenewed = true }
        guard let returned = attempt.returned, let reply = attempt.reply else { return nil }
        switch (attempt.call, reply) {
        case (.create(let create), .created(let birth, _)):
            var life = lives[create.session, default: Life()]
            defer { lives[create.session] = life }
            life.idle = create.idle
            life.life = create.life
            let mayBeAnother = mayBeSecond(create, life.asked, returned)
            if let born = life.born {
                if born.birth == birth { return nil }
                guard mayBeAnother else {
                    return "session \(create.session) was created twice: \(born.birth), \(birth)"
                }
            } else {
                life.born = (birth, returned)
            }
            // The first end was that of another one, whose login may never have been answered.
            if mayBeAnother { life.ended = .max }
        case (.validate(let id, isUse: true), .valid):
            lives[id, default: Life()].uses.append((returned, attempt.called))
        case (.revoke(let id), .count(1)), (.validate(let id, _), .revoked),
            (.validate(let id, _), .expired), (.renew(let id, _, _), .revoked),
            (.renew(let id, _, _), .expired):
            lives[id, default: Life()].end(returned)
        case (.revokeAll(let except), .count):
            // Only those that were certainly there before, and are no other's predecessor: that
            // one may be the exception.
            for id in created(before: attempt.called, in: lives) where id != except {
                lives[id]?.end(returned)
            }
        default: break
        }
        return nil
    }

    private func created(before called: UInt64, in lives: [Int: Life]) -> [Int] {
        lives.keys.sorted().filter { id in
            guard let life = lives[id], let born = life.born else { return false }
            return born.returned < called && !life.isRotated
        }
    }

    /// Long after its end a session is forgotten, and a login that was on its way may make it anew.
    private func mayBeSecond(_ create: SessionCreate, _ first: UInt64, _ latest: UInt64) -> Bool {
        let shortest = create.idle == 0 ? create.life : min(create.idle, create.life)
        let end = clocks.end(after: shortest, within: Window(from: first, to: latest))
        return clocks.mayBeOver(end.advanced(by: rules.expiredGrace), by: latest)
    }

    private func check(_ attempt: SessionModel.Attempt, _ lives: [Int: Life]) -> String? {
        switch (attempt.call, attempt.reply) {
        case (.validate(let id, _), .valid), (.renew(let id, _, _), .renewed),
            (.set(let id, _, _), .version), (.take(let id, _), .field):
            guard let life = lives[id], life.ended < attempt.called else { return nil }
            return "session \(id) was valid for client \(attempt.process) at \(attempt.called), "
                + "after its end was acknowledged at \(life.ended)"
        case (.validate(let id, _), .expired):
            guard let life = lives[id], !life.isRenewed, life.born != nil else { return nil }
            var from = plus(life.asked, life.life)
            if life.idle > 0 {
                let used = life.uses.filter { $0.returned < attempt.called }.map(\.called).max()
                from = min(from, plus(used ?? life.asked, life.idle))
            }
            let end = Window(from: minus(from, clocks.spread), to: .max)
            guard !clocks.mayBeOver(end, by: attempt.latest) else { return nil }
            return "session \(id) was over for client \(attempt.process) at \(attempt.latest), "
                + "before its time"
        default: return nil
        }
    }
}
