// Sessions whose ids are exchanged, and the one field that the judges look at.

extension SessionModel {
    func rotate(
        _ id: Int,
        to next: Int,
        _ grace: UInt64,
        _ moment: Window,
        _ state: State
    ) -> [(State, SessionReply)] {
        guard let place = state.place(id) else { return [(state, .unknown)] }
        if let successor = state.sessions[place].phase.successor {
            var isAnswered = successor == next
            if case .rotated = state.sessions[place].phase { isAnswered = true }
            guard isAnswered, state.heir(of: successor, inGrace: true) != nil else {
                return validate(id, false, moment, state)
            }
            return [(state, .rotated(successor))]
        }
        guard state.sessions[place].phase == .live else {
            return validate(id, false, moment, state)
        }
        guard state.place(next) == nil else { return [(state, .handleTaken)] }
        var after = state
        var session = state.sessions[place]
        session.id = next
        session.birth = nil
        session.idleEnd = rules.idleEnd(session.idle).map { clocks.end(after: $0, within: moment) }
        after.sessions[place].phase = .rotated(next)
        after.sessions[place].idleEnd = nil
        after.sessions[place].lifeEnd = clocks.end(after: grace, within: moment)
        after.sessions[place].rotated = clocks.end(after: 0, within: moment)
        after.sessions.append(session)
        return [(after, .rotated(next))]
    }

    /// What a request on the field comes to: for a retry what it came to before.
    func onField(
        of id: Int,
        _ request: UInt64,
        _ moment: Window,
        _ state: State,
        _ body: (inout Session) -> SessionReply
    ) -> [(State, SessionReply)] {
        guard let place = state.heir(of: id, inGrace: true) else {
            return validate(id, false, moment, state)
        }
        if let known = state.sessions[place].answers.first(where: { $0.request == request }) {
            return [(state, known.reply)]
        }
        var after = state
        let reply = body(&after.sessions[place])
        if case .conflict = reply { return [(state, reply)] }
        after.sessions[place].answers.append(Session.Answer(request: request, reply: reply))
        let excess = after.sessions[place].answers.count - rules.requestsRemembered
        if excess > 0 { after.sessions[place].answers.removeFirst(excess) }
        return [(after, reply)]
    }
}

extension SessionModel.State {
    /// The live session that an id stands for: its own, or that of a successor.
    func heir(of id: Int, inGrace: Bool) -> Int? {
        var id = id
        while let place = place(id) {
            switch sessions[place].phase {
            case .live: return place
            case .rotated(let next): id = next
            case .outlived(let next):
                guard !inGrace else { return nil }
                id = next
            case .revoked, .expired: return nil
            }
        }
        return nil
    }

    /// Whether `id` is that of `session` or of one that it came from.
    func leads(from id: Int, to session: SessionModel.Session) -> Bool {
        var id: Int? = id
        while let found = id {
            if found == session.id { return true }
            id = place(found).flatMap { sessions[$0].phase.successor }
        }
        return false
    }
}

extension SessionModel.Session {
    mutating func set(_ value: UInt64, _ wanted: UInt64?) -> SessionReply {
        if let wanted, wanted != version { return .conflict(version) }
        version += 1
        field = value
        return .version(version)
    }

    mutating func take() -> SessionReply {
        guard let value = field else { return .field(nil) }
        version += 1
        field = nil
        return .field(value)
    }
}
