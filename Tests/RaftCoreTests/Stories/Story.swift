// A story is a text in `../Transcripts`: prose in lines that begin with `#`, commands in lines that
// begin with `> `, and under each command what came of it, indented by two. It is run over a
// `Cluster`; what it says must be what happens. With HOLDFAST_REWRITE_TRANSCRIPTS=1 the texts are
// written anew instead.
//
// Commands that name a moment (`tick`, `deliver`, `sync`, `work`, `propose` and the like) tell all
// that happens, messages and writes included; those that let time go by (`elect`, `silence`,
// `settle`, `run`) tell only what clients and operators would notice.
//
//     new voters=3 outsiders=1; then, where wanted: trailing=0 chunk=400 window=2 entries=1
//         streams=1 uncommitted=8 promise=900 drift=100 stall=15
//     log 1 terms 1 2 2 · log 1 terms 1 2 seen 3         a node starts with that log, and term
//     elect 1 · silence · settle · run 5 · tick 2 x3     silence: no leader is heard any more
//     propose 1 a b · read 1 · transfer 1 to 2 · snapshot 1
//     together read 1 and transfer 1 to 2                several in one turn of the node
//     add 4 · add 4 learner · add 4 replacing 2 · promote 4 · remove 2          asks the leader
//     deliver · deliver 1->2 x2 · drop · drop 1->2 · repeat 1->2 · delay 1->2
//     forge 1->2 term 1 snapshot 9@1                     and others: see `Forgery.swift`
//     cut 1->2 · isolate 3 · heal
//     sync 2 · work 2 · hang 1 · unhang 1 · restart 3
//     lose 1 · spoil 1                                   its newest snapshot: gone, or damaged
//     crash 3 · crash 3 mid-write                        mid-write: nothing of it is on the disk
//     network · state · failure

import RaftCore
import TestKit

struct StoryError: Error, CustomStringConvertible {
    var description: String
}

struct Story {
    private var cluster = Cluster(size: 1)
    private var told = 0

    /// The text with every command's outcome as it is.
    static func retold(_ text: String) throws(StoryError) -> String {
        var story = Story()
        var lines: [String] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("  ") { continue }
            lines.append(String(line))
            guard line.hasPrefix("> ") else {
                guard line.isEmpty || line.hasPrefix("#") else {
                    throw StoryError(description: "neither prose, command nor outcome: \(line)")
                }
                continue
            }
            lines += try story.run(line.dropFirst(2)).map { "  " + $0 }
        }
        return lines.joined(separator: "\n")
    }

    private mutating func run(_ command: Substring) throws(StoryError) -> [String] {
        var words = Words(command)
        cluster.record = []
        let verb = words.next() ?? ""
        var outcome: [String] = []
        switch verb {
        case "new": try begin(&words)
        case "log": try startWithLog(&words)
        case "state": outcome = cluster.members.map { Self.state(of: $0) }
        case "network": outcome = cluster.network.map { Narrator.sent($0) }
        case "failure": outcome = [cluster.failure ?? "none"]
        case "forge":
            let message = try words.forgery(in: cluster)
            cluster.network.append(message)
            outcome = [Narrator.sent(message)]
        default:
            let isLetThrough = try letTimePass(verb, &words)
            let isLongSpan = ["elect", "silence", "settle", "run"].contains(verb)
            if !isLetThrough { try act(verb, &words) }
            let steps = cluster.record ?? []
            outcome = steps.flatMap { isLongSpan ? Narrator.news($0) : Narrator.everything($0) }
        }
        guard words.isEmpty else { throw StoryError(description: "too much: \(command)") }
        if let failure = cluster.failure, verb != "failure" { outcome.append("BROKEN: \(failure)") }
        return outcome
    }

    private mutating func begin(_ words: inout Words) throws(StoryError) {
        let options = try words.options()
        var limits = Limits()
        limits.trailingEntries = options["trailing"] ?? limits.trailingEntries
        limits.snapshotChunkBytesMax = options["chunk"] ?? limits.snapshotChunkBytesMax
        limits.appendEntriesMax = options["entries"] ?? limits.appendEntriesMax
        limits.inflightMessagesMax = options["window"] ?? limits.inflightMessagesMax
        limits.snapshotStreamsMax = options["streams"] ?? limits.snapshotStreamsMax
        limits.uncommittedBytesMax = options["uncommitted"] ?? limits.uncommittedBytesMax
        let promise = UInt64(options["promise"] ?? 0) * 1_000_000
        cluster = Cluster(
            size: options["voters"] ?? 3,
            outsiders: options["outsiders"] ?? 0,
            limits: limits
        ) {
            $0.promise = promise
            $0.reads = options["drift"].map { .lease(driftPermille: UInt64($0)) } ?? .quorum
            $0.diskStallTicks = options["stall"] ?? .max
        }
        // Promises that the nodes may have made before they started are over.
        cluster.pass(nanoseconds: promise)
        cluster.record = []
    }

    private mutating func startWithLog(_ words: inout Words) throws(StoryError) {
        let index = cluster.index(of: NodeID(try words.node(of: cluster)))
        guard words.next() == "terms" else { throw StoryError(description: "log N terms ...") }
        var terms: [UInt64] = []
        while !words.isEmpty, !words.skip("seen") { terms.append(try words.number()) }
        let seen = words.isEmpty ? terms.max() ?? 0 : try words.number()
        cluster.members[index].isUp = false
        cluster.members[index].disk.hardState = HardState(term: Term(seen))
        cluster.members[index].disk.entries = terms.enumerated().map { offset, term in
            Entry(
                term: Term(term),
                index: LogIndex(UInt64(offset + 1)),
                content: .command(Array("t\(term)".utf8)[...])
            )
        }
        cluster.restart(cluster.members[index].node.id)
        cluster.pass(nanoseconds: cluster.members[index].node.configuration.promise)
    }

    /// Faults, delivery and time. False where the verb is none of these.
    private mutating func letTimePass(
        _ verb: Substring,
        _ words: inout Words
    ) throws(StoryError) -> Bool {
        switch verb {
        case "elect": cluster.campaign(NodeID(try words.node(of: cluster)))
        case "silence": silence()
        case "settle": cluster.settle()
        case "run": cluster.run(ticks: Int(try words.number()))
        case "tick":
            let id = try words.node(of: cluster)
            cluster.tick(NodeID(id), count: try words.times())
        case "deliver", "drop", "repeat", "delay": try move(verb, &words)
        case "cut":
            let (from, to) = try words.link(of: cluster)
            cluster.cuts.insert([NodeID(from), NodeID(to)])
        case "isolate": cluster.isolate(NodeID(try words.node(of: cluster)))
        case "heal": cluster.cuts = []
        case "sync": cluster.sync(NodeID(try words.node(of: cluster)))
        case "work": cluster.work(NodeID(try words.node(of: cluster)))
        case "hang": cluster.hung.insert(NodeID(try words.node(of: cluster)))
        case "unhang": cluster.hung.remove(NodeID(try words.node(of: cluster)))
        case "lose": cluster.contents[try newestSnapshot(&words)] = nil
        case "spoil": cluster.damaged.insert(try newestSnapshot(&words))
        case "crash":
            let id = NodeID(try words.node(of: cluster))
            if words.skip("mid-write") { cluster.members[cluster.index(of: id)].writing = nil }
            cluster.crash(id)
        case "restart": cluster.restart(NodeID(try words.node(of: cluster)))
        default: return false
        }
        return true
    }

    private func newestSnapshot(_ words: inout Words) throws(StoryError) -> LogPosition {
        cluster[try words.node(of: cluster)].snapshot.position
    }

    /// So much time that nobody hears a leader, or asks for votes; messages stay where they are.
    private mutating func silence() {
        let network = cluster.network
        for member in cluster.members {
            cluster.tick(member.node.id, count: member.node.configuration.electionTicks)
        }
        cluster.network = network
    }

    /// Delivers, loses, repeats or holds back what is in the network now; of one link, and so many,
    /// where that is said.
    private mutating func move(_ verb: Substring, _ words: inout Words) throws(StoryError) {
        var link: [NodeID]?
        var count = Int.max
        if !words.isEmpty {
            let (from, to) = try words.link(of: cluster)
            link = [NodeID(from), NodeID(to)]
            if !words.isEmpty { count = try words.times() }
        }
        var present = cluster.network.count
        var place = 0
        while place < present, count > 0 {
            let message = cluster.network[place]
            guard link == nil || link == [message.from, message.to] else {
                place += 1
                continue
            }
            count -= 1
            if verb == "repeat" {
                cluster.network.append(message)
                place += 1
                continue
            }
            present -= 1
            if verb == "deliver" {
                cluster.deliver(at: place)
            } else {
                cluster.network.remove(at: place)
                if verb == "delay" { cluster.network.append(message) }
            }
        }
    }

    /// What clients, operators and drivers ask of a node.
    private mutating func act(_ verb: Substring, _ words: inout Words) throws(StoryError) {
        switch verb {
        case "snapshot":
            cluster.snapshot(try words.node(of: cluster))
        case "together":
            try actTogether(&words)
        default:
            let (id, inputs) = try asked(verb, &words)
            for input in inputs { cluster.step(id, input) }
        }
    }

    /// What several commands ask of one node goes into one turn.
    private mutating func actTogether(_ words: inout Words) throws(StoryError) {
        var node: NodeID?
        var together: [Input] = []
        for var command in words.commands() {
            let (id, inputs) = try asked(command.next() ?? "", &command)
            guard command.isEmpty, node == nil || node == id else {
                throw StoryError(description: "a turn is of one node: VERB 1 ... and VERB 1 ...")
            }
            node = id
            together += inputs
        }
        guard let node, together.count > 1 else {
            throw StoryError(description: "a turn of several: VERB 1 ... and VERB 1 ...")
        }
        cluster.turn(node, together)
    }

    /// What clients and operators ask, and of whom.
    private mutating func asked(
        _ verb: Substring,
        _ words: inout Words
    ) throws(StoryError) -> (NodeID, [Input]) {
        told += 1
        let token = UInt64(told)
        switch verb {
        case "propose":
            let id = NodeID(try words.node(of: cluster))
            var inputs: [Input] = []
            while let word = words.next() {
                inputs.append(.propose(Array(word.utf8)[...], ProposalToken(rawValue: token)))
            }
            return (id, inputs)
        case "read":
            return (NodeID(try words.node(of: cluster)), [.read(ReadToken(rawValue: token))])
        case "transfer":
            let id = NodeID(try words.node(of: cluster))
            guard words.next() == "to" else { throw StoryError(description: "transfer N to M") }
            let target = NodeID(try words.node(of: cluster))
            return (id, [.transferLeadership(to: target)])
        case "add", "promote", "remove":
            let change = try words.change(verb)
            guard let leader = cluster.leader else { throw StoryError(description: "no leader") }
            return (leader, [.changeMembership(change, ChangeToken(rawValue: token))])
        default:
            throw StoryError(description: "no such command: \(verb)")
        }
    }

    private static func state(of member: Member) -> String {
        let node = member.node
        guard member.isUp else { return "\(node.id.rawValue) is down" }
        let leader = node.leader.map { ", follows \($0.rawValue)" } ?? ", follows nobody"
        let start = node.log.base == .origin ? "" : " after \(Narrator.position(node.log.base))"
        let end = Narrator.position(node.log.last)
        let log = node.log.count == 0 ? "empty log\(start)" : "log\(start) to \(end)"
        return "\(node.id.rawValue) is \(Narrator.role(node.role)) in term \(node.term.rawValue)"
            + (node.isLeader ? "" : leader)
            + "; \(log), committed through \(node.commit.rawValue)"
            + "; members [\(node.membership.words)]"
    }
}
