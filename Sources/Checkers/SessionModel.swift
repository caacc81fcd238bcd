// All sessions of one subject: a login, its uses, its end. They are judged together, since a
// revoke-all, a list and a cap look at all of them.
//
//     (none) -- create --> live -- revoke, revoke-all, cap --> revoked
//                           |---- its time is over ----------> expired --- grace ---> (none)
//                           `---- rotate --> rotated, as good as its successor while a grace lasts
//
// What is judged: nothing is valid after its end, none ends early or late by more than the touch
// granularity and the clocks allow, an end is final, and a login that is sent twice is one login.
// Whoever rotates an id once more gets the same successor. Of a session's field: each request is
// done once, and a version is changed once.

package enum SessionCall: Hashable, Sendable {
    case create(SessionCreate)
    /// A use (true), or a look that does not prolong.
    case validate(Int, isUse: Bool)
    case renew(Int, idle: UInt64?, life: UInt64?)
    case revoke(Int)
    case revokeAll(except: Int?)
    case list
    /// `grace` in nanoseconds.
    case rotate(Int, to: Int, grace: UInt64)
    /// Sets the field to the number of the request, if the session has this version.
    case set(Int, request: UInt64, ifVersion: UInt64?)
    /// Reads the field and removes it.
    case take(Int, request: UInt64)
}

package struct SessionCreate: Hashable, Sendable {
    package enum Cap: Hashable, Sendable {
        case none
        case rejectAbove(Int)
        case evictAbove(Int)
    }

    /// Names the session; chosen by the caller.
    package var session: Int
    /// Nanoseconds; 0 for no idle timeout.
    package var idle: UInt64
    package var life: UInt64
    package var cap: Cap

    package init(session: Int, idle: UInt64, life: UInt64, cap: Cap = .none) {
        self.session = session
        self.idle = idle
        self.life = life
        self.cap = cap
    }
}

package enum SessionReply: Hashable, Sendable {
    /// `birth` is the time of creation as the system gives it: the same for each retry.
    case created(birth: UInt64, evicted: Int)
    case limitReached
    case renewed
    case valid
    case expired
    case revoked
    case unknown
    case count(Int)
    /// To this direct successor.
    case rotated(Int)
    /// The id of the successor is another session's.
    case handleTaken
    case version(UInt64)
    case conflict(UInt64)
    case field(UInt64?)
    /// Of the sessions, in the order of their creation.
    case list([Int])
}

package struct SessionModel: SequentialModel {
    package struct Session: Hashable, Sendable {
        enum Phase: Hashable, Sendable {
            case live, revoked, expired
            /// The id of a session that goes on under another; the end is that of its grace.
            case rotated(Int)
            /// The same after the grace.
            case outlived(Int)

            /// Where it goes on.
            var successor: Int? {
                switch self {
                case .rotated(let id), .outlived(let id): id
                case .live, .revoked, .expired: nil
                }
            }
        }

        var id: Int
        var phase = Phase.live
        var birth: UInt64?
        /// 0 for none.
        var idle: UInt64
        var idleEnd: Window?
        /// Of a rotated id, the end of its grace.
        var lifeEnd: Window
        /// When its id was exchanged for another.
        var rotated: Window?
        var version: UInt64 = 1
        var field: UInt64?
        /// The answers to the last requests on the field, oldest first.
        var answers: [Answer] = []

        struct Answer: Hashable, Sendable {
            var request: UInt64
            var reply: SessionReply
        }

        var end: Window { lifeEnd.earlier(idleEnd) }
    }

    /// Sessions that were ever created and not forgotten, oldest first.
    package struct State: Hashable, Sendable {
        var sessions: [Session] = []

        func place(_ id: Int) -> Int? { sessions.firstIndex { $0.id == id } }
    }

    package typealias Call = SessionCall
    package typealias Reply = SessionReply
    package typealias Attempt = Operation<SessionCall, SessionReply>

    let clocks: ClockBounds
    let rules: SessionRules

    package init(clocks: ClockBounds, rules: SessionRules) {
        self.clocks = clocks
        self.rules = rules
    }

    package var initial: State { State() }

    package func states(
        after attempt: Attempt,
        within moment: Window,
        in state: State
    ) -> [State]? {
        var results: [State] = []
        if attempt.call == .list, case .list(let listed)? = attempt.reply {
            return self.listed(listed, moment, state).map { [$0] } ?? []
        }
        guard let worlds = worlds(attempt.call, moment, state) else { return nil }
        for found in worlds {
            for (after, reply) in apply(attempt.call, moment, to: found) {
                if let seen = attempt.reply, !agrees(seen, reply) { continue }
                let learned = learn(attempt, after)
                if !results.contains(learned) { results.append(learned) }
            }
        }
        return results
    }

    /// A birth that is not known yet may be any.
    private func agrees(_ seen: SessionReply, _ reply: SessionReply) -> Bool {
        guard case .created(let birth, let evicted) = seen,
            case .created(let known, let gone) = reply
        else { return seen == reply }
        return evicted == gone && (known == 0 || known == birth)
    }

    private func learn(_ attempt: Attempt, _ state: State) -> State {
        guard case .created(let birth, _)? = attempt.reply, case .create(let create) = attempt.call,
            let place = state.place(create.session)
        else { return state }
        var learned = state
        learned.sessions[place].birth = birth
        return learned
    }

    // MARK: Time

    /// The states in which the attempt may find the subject: each session whose time may be over is
    /// over in one and not in the other.
    private func worlds(_ call: SessionCall, _ moment: Window, _ state: State) -> [State]? {
        var worlds = [state]
        var doubtful = 0
        for place in state.sessions.indices where concerns(call, state.sessions[place], state) {
            let session = state.sessions[place]
            let over: Session.Phase
            switch session.phase {
            case .live: over = .expired
            case .rotated(let next): over = .outlived(next)
            case .revoked, .expired, .outlived: continue
            }
            guard clocks.mayBeOver(session.end, by: moment.to) else { continue }
            var ended = worlds
            for index in ended.indices { ended[index].sessions[place].phase = over }
            if clocks.mustBeOver(session.end, at: moment.from) {
                worlds = ended
                continue
            }
            doubtful += 1
            guard doubtful <= Limits.doubtfulSessionsMax else { return nil }
            worlds += ended
        }
        return worlds
    }

    /// A list tells of each session whether it is over, and moves no time. Nil where it cannot be
    /// so.
    private func listed(_ ids: [Int], _ moment: Window, _ state: State) -> State? {
        var after = state
        var live: [Int] = []
        for place in state.sessions.indices where state.sessions[place].phase == .live {
            let session = state.sessions[place]
            if ids.contains(session.id) {
                guard !clocks.mustBeGone(session.end, at: moment.from) else { return nil }
                live.append(session.id)
            } else {
                guard clocks.mayBeOver(session.end, by: moment.to) else { return nil }
                after.sessions[place].phase = .expired
            }
        }
        return live == ids ? after : nil
    }

    /// Whether the attempt can tell if the session is over.
    private func concerns(_ call: SessionCall, _ session: Session, _ state: State) -> Bool {
        switch call {
        case .create(let create):
            (create.cap != .none && session.phase == .live) || create.session == session.id
        case .validate(let id, _), .renew(let id, _, _), .revoke(let id), .rotate(let id, _, _),
            .set(let id, _, _), .take(let id, _):
            state.leads(from: id, to: session)
        case .revokeAll, .list: session.phase == .live
        }
    }

    // MARK: Calls

    private func apply(
        _ call: SessionCall,
        _ moment: Window,
        to state: State
    ) -> [(State, SessionReply)] {
        switch call {
        case .create(let create): return self.create(create, moment, state)
        case .validate(let id, let isUse): return validate(id, isUse, moment, state)
        case .renew(let id, let idle, let life):
            return renew(id, idle, life, moment, state)
        case .revoke(let id):
            guard let place = state.heir(of: id, inGrace: false) else {
                return [(state, .count(0))]
            }
            var after = state
            revoke(place, moment, &after)
            return [(after, .count(1))]
        case .revokeAll(let except):
            var after = state
            var count = 0
            let kept = except.flatMap { state.heir(of: $0, inGrace: false) }
            for place in after.sessions.indices
            where after.sessions[place].phase == .live && place != kept {
                revoke(place, moment, &after)
                count += 1
            }
            return [(after, .count(count))]
        case .rotate(let id, let next, let grace):
            return rotate(id, to: next, grace, moment, state)
        case .set(let id, let request, let ifVersion):
            return onField(of: id, request, moment, state) { $0.set(request, ifVersion) }
        case .take(let id, let request):
            return onField(of: id, request, moment, state) { $0.take() }
        case .list:
            return [(state, .list(state.sessions.filter { $0.phase == .live }.map(\.id)))]
        }
    }

    private func create(
        _ create: SessionCreate,
        _ moment: Window,
        _ state: State
    ) -> [(State, SessionReply)] {
        guard let place = state.place(create.session) else {
            return [made(create, moment, state)]
        }
        let session = state.sessions[place]
        switch session.phase {
        case .live: return [(state, .created(birth: session.birth ?? 0, evicted: 0))]
        case .revoked, .rotated, .outlived:
            return [(state, .revoked)] + forgotten(place, moment, state, create)
        case .expired: return [(state, .expired)] + forgotten(place, moment, state, create)
        }
    }

    /// A login whose handle was used, where what is left of that session may be gone too.
    private func forgotten(
        _ place: Int,
        _ moment: Window,
        _ state: State,
        _ create: SessionCreate
    ) -> [(State, SessionReply)] {
        guard mayBeForgotten(state.sessions[place], by: moment.to) else { return [] }
        var cleared = state
        cleared.sessions.remove(at: place)
        return [made(create, moment, cleared)]
    }

    private func made(
        _ create: SessionCreate,
        _ moment: Window,
        _ state: State
    ) -> (State, SessionReply) {
        var after = state
        let live = state.sessions.indices.filter { state.sessions[$0].phase == .live }
        var evicted = 0
        switch create.cap {
        case .none: break
        case .rejectAbove(let cap): if live.count >= cap { return (state, .limitReached) }
        case .evictAbove(let cap):
            evicted = max(0, live.count - cap + 1)
            for place in live.prefix(evicted) { revoke(place, moment, &after) }
        }
        let idle = rules.idleEnd(create.idle)
        after.sessions.append(
            Session(
                id: create.session,
                birth: nil,
                idle: create.idle,
                idleEnd: idle.map {
                    clocks.end(after: $0, within: moment)
                },
                lifeEnd: clocks.end(
                    after: create.life,
                    within: moment
                )
            )
        )
        return (after, .created(birth: 0, evicted: evicted))
    }

    func validate(
        _ id: Int,
        _ isUse: Bool,
        _ moment: Window,
        _ state: State
    ) -> [(State, SessionReply)] {
        guard let own = state.place(id) else { return [(state, .unknown)] }
        if let place = state.heir(of: id, inGrace: true) {
            let session = state.sessions[place]
            guard isUse, let end = session.idleEnd else { return [(state, .valid)] }
            // The use need not have been logged: then the end is where it was, but not before a
            // full idle timeout from this use.
            let used = clocks.end(after: session.idle, within: moment)
            let logged = used.advanced(by: rules.granularity(session.idle))
            var after = state
            after.sessions[place].idleEnd = Window(
                from: max(end.from, used.from),
                to: max(end.to, logged.to)
            )
            return [(after, .valid)]
        }
        let session = state.sessions[own]
        let reply: SessionReply = session.phase == .expired ? .expired : .revoked
        guard mayBeForgotten(session, by: moment.to) else { return [(state, reply)] }
        var cleared = state
        cleared.sessions.remove(at: own)
        return [(state, reply), (cleared, .unknown)]
    }

    private func renew(
        _ id: Int,
        _ idle: UInt64?,
        _ life: UInt64?,
        _ moment: Window,
        _ state: State
    ) -> [(State, SessionReply)] {
        guard let place = state.heir(of: id, inGrace: true) else {
            // A tombstone answers a renewal as it answers a validate.
            return validate(id, false, moment, state)
        }
        var after = state
        if let idle { after.sessions[place].idle = idle }
        after.sessions[place].idleEnd = rules.idleEnd(after.sessions[place].idle).map {
            clocks.end(after: $0, within: moment)
        }
        if let life {
            after.sessions[place].lifeEnd = clocks.end(
                after: life,
                within: moment
            )
        }
        return [(after, .renewed)]
    }

    private func revoke(_ place: Int, _ moment: Window, _ state: inout State) {
        state.sessions[place].phase = .revoked
        // From when on the tombstone's time counts.
        state.sessions[place].idleEnd = nil
        state.sessions[place].lifeEnd =
            clocks.end(after: 0, within: moment)
    }

    private func mayBeForgotten(_ session: Session, by latest: UInt64) -> Bool {
        if let rotated = session.rotated {
            return clocks.mayBeOver(rotated.advanced(by: rules.tombstoneFloor), by: latest)
        }
        let grace = session.phase == .expired ? rules.expiredGrace : rules.tombstoneFloor
        return clocks.mayBeOver(session.end.advanced(by: grace), by: latest)
    }
}

extension SessionModel {
    /// The judge of sessions; `judge` alone does not know that a use may have two moments. The
    /// compiler knows here what it searches, which makes it several times as fast as a search that
    /// is asked for from another module.
    package func verdict(on history: [Operation<Call, Reply>]) -> Verdict {
        judge(history + history.compactMap(Self.loggedUse))
    }

    /// A use is logged before it is answered, and what ends the session may come between the two:
    /// then one attempt has two moments, and here it becomes two. What is unknown has been over for
    /// much longer than an attempt lasts.
    private static func loggedUse(of attempt: Attempt) -> Attempt? {
        guard case .validate(_, isUse: true) = attempt.call, let returned = attempt.returned,
            attempt.reply == .revoked || attempt.reply == .expired
        else { return nil }
        return Attempt(
            process: attempt.process,
            called: attempt.called,
            returned: returned,
            call: attempt.call
        )
    }
}
