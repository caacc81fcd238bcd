// A frame between two nodes of a cluster.
//
//      4 bytes   length of what follows the checksum
//      4 bytes   CRC-32C of what follows
//      1 byte    format version: 1 or 2
//      1 byte    kind: hello (version 1 only), message, heartbeats and notice (version 2 only)
//      ...       body
//
// A connection begins with a hello (Hello.swift). Every later frame repeats the cluster and names
// both nodes: a frame that ends up with the wrong node says so by itself. A message is of one
// group; heartbeats are of all groups that have one to send; a notice is the node's own. A frame
// that does not decode ends its connection.

package import RaftCore

/// What a frame carries.
package enum Frame: Hashable, Sendable {
    case hello(Hello)
    case message(GroupID, Message)
    case heartbeats(Heartbeats)
    case roomNotice(RoomNotice)
}

/// How a node is, so that its peers know what to leave to it.
package struct RoomNotice: Hashable, Sendable {
    package var from: NodeID
    package var to: NodeID
    /// Its disk is nearly full: others should lead.
    package var isShortOfRoom: Bool

    package init(from: NodeID, to: NodeID, isShortOfRoom: Bool) {
        self.from = from
        self.to = to
        self.isShortOfRoom = isShortOfRoom
    }
}

/// The heartbeats, and the answers to heartbeats, of many groups from one node to another: with a
/// hundred groups a node pair would otherwise say a hundred times what fits one packet. A
/// collection of the messages that it stands for.
package struct Heartbeats: Hashable, Sendable {
    package struct Beat: Hashable, Sendable {
        package var group: GroupID
        package var term: Term
        package var heartbeat: Heartbeat

        package init(group: GroupID, term: Term, heartbeat: Heartbeat) {
            self.group = group
            self.term = term
            self.heartbeat = heartbeat
        }
    }

    package struct Answer: Hashable, Sendable {
        package var group: GroupID
        package var term: Term
        package var response: HeartbeatResponse

        package init(group: GroupID, term: Term, response: HeartbeatResponse) {
            self.group = group
            self.term = term
            self.response = response
        }
    }

    package var from: NodeID
    package var to: NodeID
    /// At most `Limits.heartbeatsMax`, and so are `answers`.
    package var beats: [Beat]
    package var answers: [Answer]

    package init(from: NodeID, to: NodeID, beats: [Beat] = [], answers: [Answer] = []) {
        self.from = from
        self.to = to
        self.beats = beats
        self.answers = answers
    }
}

extension Heartbeats: RandomAccessCollection {
    package var startIndex: Int { 0 }
    package var endIndex: Int { beats.count + answers.count }

    package subscript(position: Int) -> (group: GroupID, message: Message) {
        if position < beats.count {
            let beat = beats[position]
            let body = Message.Body.heartbeat(beat.heartbeat)
            return (beat.group, Message(from: from, to: to, term: beat.term, body: body))
        }
        let answer = answers[position - beats.count]
        let body = Message.Body.heartbeatResponse(answer.response)
        return (answer.group, Message(from: from, to: to, term: answer.term, body: body))
    }
}

extension Frame {
    /// Length and checksum.
    static let prefixBytes = 8
}
