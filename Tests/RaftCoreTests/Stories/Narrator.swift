// Tells in words what a step of a node did: a line an event.

import RaftCore
import TestKit

enum Narrator {
    /// Everything that a step changed or asked for.
    static func everything(_ step: Cluster.Step) -> [String] {
        news(step) + driverWork(step) + step.effects.send.map { sent($0) }
    }

    /// What the group's clients and operators would notice.
    static func news(_ step: Cluster.Step) -> [String] {
        let id = step.id.rawValue
        var lines: [String] = []
        if step.before.role != step.after.role || step.before.term != step.after.term {
            lines.append("\(id) is \(role(step.after.role)) in term \(step.after.term.rawValue)")
        }
        if step.before.membership != step.after.membership {
            lines.append("\(id) has the members \(step.after.membership.words)")
        }
        let effects = step.effects
        lines += effects.accepted.map { "\(id) appends \(position($0.position))" }
        lines += effects.refused.map { "\(id) refuses a proposal: \(refusal($0.reason))" }
        lines += effects.changes.map { "\(id) \(change($0.answer))" }
        if let mark = effects.restore { lines.append("\(id) becomes \(snapshot(mark))") }
        if let through = effects.applyThrough {
            lines.append("\(id) applies through \(through.rawValue)")
        }
        lines += effects.readable.map { readable in
            let lease = readable.validUntil.map { " by lease until \(milliseconds($0)) ms" } ?? ""
            return "\(id) may read at \(readable.index.rawValue)\(lease)"
        }
        lines += effects.unreadable.map { _ in "\(id) cannot read" }
        if let violation = effects.violation { lines.append("\(id) stops: \(violation)") }
        return lines
    }

    private static func driverWork(_ step: Cluster.Step) -> [String] {
        let id = step.id.rawValue
        var lines: [String] = []
        if let batch = step.effects.persist {
            let vote = batch.hardState.vote.map { ", vote for \($0.rawValue)" } ?? ""
            let base = batch.base.map { ", log begins after \(position($0))" } ?? ""
            let entries = batch.entries.map { ", " + entry($0) }.joined()
            lines.append(
                "\(id) writes: term \(batch.hardState.term.rawValue)\(vote)\(base)\(entries)"
            )
        }
        lines += step.effects.fetch.map {
            "\(id) reads \(snapshot($0.mark)) from byte \($0.offset) for \($0.follower.rawValue)"
        }
        if step.effects.isSnapshotWanted { lines.append("\(id) wants another snapshot") }
        if case .snapshotDamaged(let position) = step.input {
            lines.append("\(id) finds the snapshot at \(self.position(position)) damaged")
        }
        lines += step.effects.chunks.map {
            let end = $0.isLast ? ", which is all" : ""
            return "\(id) keeps bytes \($0.offset)..<\($0.offset + UInt64($0.bytes.count)) of"
                + " \(snapshot($0.mark))\(end)"
        }
        return lines
    }

    // MARK: Messages

    static func sent(_ message: Message) -> String {
        "\(message.from.rawValue) -> \(message.to.rawValue), term \(message.term.rawValue): "
            + body(message.body)
    }

    private static func body(_ body: Message.Body) -> String {
        switch body {
        case .preVoteRequest(let request):
            "would you vote for me in term \(request.proposedTerm.rawValue)?"
                + " my log ends at \(position(request.last))"
        case .preVoteResponse(let response):
            "I would\(response.granted ? "" : " not") in term \(response.proposedTerm.rawValue)"
        case .voteRequest(let request):
            "vote for me\(request.isTransfer ? ", the leader asked me to" : "");"
                + " my log ends at \(position(request.last))"
        case .voteResponse(let response): response.granted ? "my vote is yours" : "no vote for you"
        case .appendRequest(let request):
            "after \(position(request.previous)):"
                + (request.entries.isEmpty
                    ? " nothing" : request.entries.map { " " + entry($0) }.joined(separator: ","))
                + "; committed through \(request.commit.rawValue)"
        case .appendResponse(.accepted(let match)): "I have your log through \(match.rawValue)"
        case .appendResponse(.rejected(let previous, let hint)):
            "I have no such entry \(previous.rawValue), try after \(position(hint))"
        case .appendResponse(.stale): "your term is over"
        case .heartbeat(let heartbeat):
            "heartbeat \(heartbeat.round.rawValue); committed through \(heartbeat.commit.rawValue)"
        case .heartbeatResponse(let response): "heard heartbeat \(response.round.rawValue)"
        case .timeoutNow: "campaign now"
        case .snapshotChunk(let chunk):
            "bytes \(chunk.offset)..<\(chunk.offset + UInt64(chunk.bytes.count)) of"
                + " \(snapshot(chunk.mark))\(chunk.isLast ? ", the last" : "")"
        case .snapshotResponse(let response):
            "of the snapshot at \(position(response.position)) I want byte \(response.wanted)"
        case .fingerprint(let fingerprint):
            "my machine at \(fingerprint.index.rawValue) is \(fingerprint.value)"
        case .voiceRequest(let request):
            "I have lost what I had, but for your log through \(request.agreed.rawValue)"
        case .voiceResponse(let response): "my log ends at \(response.last.rawValue)"
        case .homecomingRequest: "what had I acknowledged?"
        case .homecomingResponse(let response):
            "you had acknowledged \(position(response.acknowledged))"
        }
    }

    // MARK: Words

    /// `5@2` is the entry at index 5, of term 2.
    static func position(_ position: LogPosition) -> String {
        "\(position.index.rawValue)@\(position.term.rawValue)"
    }

    static func entry(_ entry: Entry) -> String {
        switch entry.content {
        case .noop: "\(position(entry.position)) noop"
        case .membership(let members): "\(position(entry.position)) members [\(members.words)]"
        case .command(let bytes):
            "\(position(entry.position)) \"\(String(decoding: bytes, as: UTF8.self))\""
        }
    }

    private static func snapshot(_ mark: SnapshotMark) -> String {
        "the snapshot at \(position(mark.position)) with members [\(mark.membership.words)]"
    }

    static func role(_ role: Role) -> String {
        switch role {
        case .follower: "follower"
        case .preCandidate: "pre-candidate"
        case .candidate: "candidate"
        case .leader: "leader"
        }
    }

    private static func refusal(_ refusal: Refusal) -> String {
        switch refusal {
        case .notLeader(let leader): leader.map { "\($0.rawValue) leads" } ?? "nobody known leads"
        case .transferring: "leadership is being handed over"
        case .overloaded: "too much waits for a quorum"
        }
    }

    private static func change(_ answer: ChangeAnswer) -> String {
        switch answer {
        case .begun(let position): "begins a change at \(self.position(position))"
        case .refused(let refusal): "refuses a change: \(self.refusal(refusal))"
        }
    }

    private static func refusal(_ refusal: MembershipRefusal) -> String {
        switch refusal {
        case .notLeader(let leader): leader.map { "\($0.rawValue) leads" } ?? "nobody known leads"
        case .inProgress: "another one is in progress"
        case .idUsed(let highest): "ids up to \(highest.rawValue) were used"
        case .unknownMember(let id): "\(id.rawValue) is no member"
        case .alreadyVoter(let id): "\(id.rawValue) is a voter"
        case .notCaughtUp(let entries): "it lacks \(entries) entries"
        case .lastVoter: "it is the last voter"
        case .wouldLoseQuorum: "too few of the voters that there would be are heard of"
        case .tooLarge: "too large"
        }
    }

    static func milliseconds(_ instant: Instant) -> UInt64 { instant.rawValue / 1_000_000 }
}
