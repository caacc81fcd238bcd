// The few words in which the tests of the paper speak: messages from nodes that are not there, logs
// that a node starts with, and what lies in the network.

import RaftCore
import TestKit

func message(from: UInt64, to: UInt64, term: UInt64, _ body: Message.Body) -> Message {
    Message(from: NodeID(from), to: NodeID(to), term: Term(term), body: body)
}

func position(_ term: UInt64, _ index: UInt64) -> LogPosition {
    LogPosition(term: Term(term), index: LogIndex(index))
}

func command(_ term: UInt64, _ index: UInt64, _ byte: UInt8 = 0) -> Entry {
    Entry(term: Term(term), index: LogIndex(index), content: .command([byte]))
}

func voteRequest(
    from: UInt64,
    to: UInt64,
    term: UInt64,
    last: LogPosition = .origin,
    isTransfer: Bool = false
) -> Message {
    let request = VoteRequest(last: last, isTransfer: isTransfer)
    return message(from: from, to: to, term: term, .voteRequest(request))
}

/// A question about the term after `term`.
func preVoteRequest(from: UInt64, to: UInt64, term: UInt64, last: LogPosition) -> Message {
    let request = PreVoteRequest(proposedTerm: Term(term + 1), last: last)
    return message(from: from, to: to, term: term, .preVoteRequest(request))
}

func heartbeat(from: UInt64, to: UInt64, term: UInt64, commit: UInt64 = 0) -> Message {
    let body = Heartbeat(commit: LogIndex(commit), round: .none)
    return message(from: from, to: to, term: term, .heartbeat(body))
}

func append(
    from: UInt64,
    to: UInt64,
    term: UInt64,
    after previous: LogPosition,
    _ entries: [Entry],
    commit: UInt64 = 0
) -> Message {
    let request = AppendRequest(previous: previous, entries: entries, commit: LogIndex(commit))
    return message(from: from, to: to, term: term, .appendRequest(request))
}

extension Message {
    var isVoteRequest: Bool {
        if case .voteRequest = body { true } else { false }
    }

    var appendRequest: AppendRequest? {
        if case .appendRequest(let request) = body { request } else { nil }
    }

    var appendResponse: AppendResponse? {
        if case .appendResponse(let response) = body { response } else { nil }
    }
}

extension Cluster {
    /// A group whose nodes start with these logs on their disks, given as the terms of the entries.
    /// Each has seen the newest of those terms.
    init(size: Int, seed: UInt64 = 1, limits: Limits = Limits(), logs: [UInt64: [UInt64]]) {
        self.init(size: size, seed: seed, limits: limits)
        for (id, terms) in logs {
            let index = index(of: NodeID(id))
            members[index].isUp = false
            members[index].disk.hardState = HardState(term: Term(terms.max() ?? 0))
            members[index].disk.entries = terms.enumerated().map { offset, term in
                command(term, UInt64(offset + 1), UInt8(truncatingIfNeeded: term))
            }
            restart(NodeID(id))
        }
    }

    func sent(where condition: (Message) -> Bool) -> [Message] { network.filter(condition) }

    /// Votes and pre-votes for a candidate that are on their way.
    func votesGranted(to candidate: NodeID) -> Int {
        sent { message in
            guard message.to == candidate else { return false }
            return switch message.body {
            case .voteResponse(let vote): vote.granted
            case .preVoteResponse(let vote): vote.granted
            default: false
            }
        }.count
    }

    /// Ticks a node until it asks for votes in a new term; the others grant the pre-vote. Its own
    /// vote is not durable yet, and nothing is on its way.
    mutating func becomeCandidate(_ id: NodeID) {
        var ticks = 0
        while self[id.rawValue].role != .candidate, ticks < 100 {
            tick(id)
            while self[id.rawValue].role == .preCandidate, !network.isEmpty { deliver(at: 0) }
            ticks += 1
        }
        network = []
    }

    /// Makes a node campaign until the moment at which it leads; what it says as a leader has not
    /// arrived anywhere.
    mutating func winElection(_ id: NodeID) {
        var ticks = 0
        while !self[id.rawValue].isLeader, ticks < 100 {
            tick(id)
            while !network.isEmpty, !self[id.rawValue].isLeader {
                for member in members { sync(member.node.id) }
                deliver(at: 0)
            }
            for member in members { sync(member.node.id) }
            ticks += 1
        }
    }

    /// Ticks all nodes and delivers everything, again and again.
    mutating func run(ticks: Int) {
        for _ in 0..<ticks {
            for member in members { tick(member.node.id) }
            settle()
        }
    }
}

extension Message {
    var isVoiceResponse: Bool {
        if case .voiceResponse = body { true } else { false }
    }

    var isHomecomingRequest: Bool {
        if case .homecomingRequest = body { true } else { false }
    }

    var isHomecomingResponse: Bool {
        if case .homecomingResponse = body { true } else { false }
    }
}
