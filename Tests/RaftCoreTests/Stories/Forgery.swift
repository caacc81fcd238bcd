// Messages that no node has sent: from a liar, or from bytes that were damaged and passed for a
// message. They go to the end of the network.
//
//     forge 1->2 term 1 entries 2 after 9@1      two entries of that term, all committed
//     forge 1->2 term 1 snapshot 9@1             the whole of one, ten bytes
//     forge 1->2 term 1 heartbeat 9              with that commit index
//     forge 3->1 term 1 has 9                    an acknowledgement
//     forge 3->1 term 1 lacks 9 after 8@1        a rejection, with where to try
//     forge 3->1 term 1 wants 400 of 9@1         an answer to a piece of a snapshot

import RaftCore
import TestKit

extension Words {
    mutating func forgery(in cluster: Cluster) throws(StoryError) -> Message {
        let (from, to) = try link(of: cluster)
        guard next() == "term" else { throw StoryError(description: "forge 1->2 term N ...") }
        let term = Term(try number())
        let body: Message.Body
        switch next() {
        case "entries": body = try forgedEntries(of: term)
        case "snapshot":
            let membership = Membership(voters: cluster.members.map(\.node.id))
            body = .snapshotChunk(
                SnapshotChunk(
                    mark: SnapshotMark(position: try position(), membership: membership),
                    offset: 0,
                    bytes: [UInt8](repeating: 0, count: 10)[...],
                    isLast: true
                )
            )
        case "heartbeat":
            let commit = LogIndex(try number())
            body = .heartbeat(Heartbeat(commit: commit, round: ReadRound(rawValue: 1)))
        case "has": body = .appendResponse(.accepted(match: LogIndex(try number())))
        case "lacks":
            let previous = LogIndex(try number())
            try expect("after")
            body = .appendResponse(.rejected(previous: previous, hint: try position()))
        case "wants":
            let wanted = try number()
            try expect("of")
            body = .snapshotResponse(SnapshotResponse(position: try position(), wanted: wanted))
        case let word: throw StoryError(description: "no such forgery: \(word ?? "")")
        }
        return Message(from: NodeID(from), to: NodeID(to), term: term, body: body)
    }

    private mutating func forgedEntries(of term: Term) throws(StoryError) -> Message.Body {
        let count = try number()
        guard 1...9 ~= count else { throw StoryError(description: "1 to 9 entries") }
        try expect("after")
        let previous = try position()
        let entries = (1...count).map { step in
            Entry(
                term: term,
                // Beyond the last number there is the first one.
                index: LogIndex(previous.index.rawValue &+ step),
                content: .command(Array("forged".utf8)[...])
            )
        }
        return .appendRequest(
            AppendRequest(previous: previous, entries: entries, commit: LogIndex(.max))
        )
    }

    private mutating func expect(_ word: Substring) throws(StoryError) {
        guard next() == word else { throw StoryError(description: "\(word) is missing") }
    }
}
