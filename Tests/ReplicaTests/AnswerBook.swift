// What the clients of a `Group` asked and what they were told. It checks that each request is
// answered at most once, by the node that has it, with an answer that fits it.

import RaftCore
import Replica
import SessionMachine

/// A request's answer, and where things stood when it left.
struct Given {
    var answer: Answer
    var node: NodeID
    /// The last entry that the answering node had applied.
    var applied: LogIndex
    /// A copy of the machine that the edge would read; only of an answer that says it may.
    var machine: SessionMachine?
}

/// An answer without what it carries, for comparing.
enum AnswerWord: Hashable {
    case applied, readable, redirect, noLeader, overloaded, noRoom, noMemory, unknown
}

struct AnswerBook {
    struct Asked {
        var request: Request
        var node: NodeID
        var given: Given?
        /// Its node crashed before it answered: the client saw its connection break.
        var isCutOff = false
    }

    private(set) var asked: [RequestToken: Asked] = [:]
    /// In the order in which the answers left.
    private(set) var order: [RequestToken] = []
    private(set) var failure: String?
    private var lastToken: UInt64 = 0

    subscript(token: RequestToken) -> Given? { asked[token]?.given }

    mutating func ask(_ request: Request, at node: NodeID) -> RequestToken {
        lastToken += 1
        let token = RequestToken(rawValue: lastToken)
        asked[token] = Asked(request: request, node: node)
        return token
    }

    /// What was asked for under a token that `ask` gave.
    func request(_ token: RequestToken) -> Request {
        guard let entry = asked[token] else { preconditionFailure("nobody asked that") }
        return entry.request
    }

    mutating func record(_ token: RequestToken, _ given: Given) {
        guard let known = asked[token] else { return fail("\(token.rawValue) was never asked") }
        if known.given != nil { fail("\(token.rawValue) is answered twice") }
        if known.isCutOff { fail("\(token.rawValue) is answered by a node that forgot it") }
        if known.node != given.node { fail("\(token.rawValue) is answered by another node") }
        if !Self.fits(given.answer, known.request) {
            fail("\(token.rawValue) got \(given.answer.word), which does not fit its request")
        }
        if case .redirect(given.node) = given.answer {
            fail("node \(given.node.rawValue) redirects to itself")
        }
        asked[token]?.given = given
        order.append(token)
    }

    /// A long run lets go of the copy that it has looked at.
    mutating func dropMachine(of token: RequestToken) { asked[token]?.given?.machine = nil }

    mutating func crashed(_ node: NodeID) {
        for (token, entry) in asked where entry.node == node && entry.given == nil {
            asked[token]?.isCutOff = true
        }
    }

    /// Requests that neither were answered nor lost their node.
    var open: [RequestToken] {
        asked.filter { $0.value.given == nil && !$0.value.isCutOff }.map(\.key)
    }

    func words(_ tokens: [RequestToken]) -> [AnswerWord?] { tokens.map { self[$0]?.answer.word } }

    private static func fits(_ answer: Answer, _ request: Request) -> Bool {
        switch (answer, request) {
        case (.applied, .write), (.readable, .read), (.readable, .validate): true
        case (.applied, _), (.readable, _): false
        // A read changes nothing, so nothing about it is unknown; a validate may have to log a use.
        case (.unknown, .read): false
        case (.redirect, _), (.noLeader, _), (.overloaded, _), (.noRoom, _), (.noMemory, _),
            (.unknown, _):
            true
        }
    }

    private mutating func fail(_ message: String) {
        if failure == nil { failure = message }
    }
}

extension Answer {
    var word: AnswerWord {
        switch self {
        case .applied: .applied
        case .readable: .readable
        case .redirect: .redirect
        case .noLeader: .noLeader
        case .overloaded: .overloaded
        case .noRoom: .noRoom
        case .noMemory: .noMemory
        case .unknown: .unknown
        }
    }

    var outcome: Outcome? {
        guard case .applied(let outcome) = self else { return nil }
        return outcome
    }

    var target: NodeID? {
        guard case .redirect(let node) = self else { return nil }
        return node
    }
}
