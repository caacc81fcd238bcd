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
//         promise=900 drift=100 stall=15
//     log 1 terms 1 2 2 · log 1 terms 1 2 seen 3         a node starts with that log, and term
//     elect 1 · silence · settle · run 5 · tick 2 x3     silence: no leader is heard any more
//     propose 1 a b · read 1 · transfer 1 to 2 · snapshot 1
//     add 4 · add 4 learner · add 4 replacing 2 · promote 4 · remove 2          asks the leader
//     deliver · deliver 1->2 x2 · drop · drop 1->2 · repeat 1->2 · delay 1->2
//     cut 1->2 · isolate 3 · heal
//     sync 2 · work 2 · hang 1 · unhang 1 · crash 3 · restart 3
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
        case "crash": cluster.crash(NodeID(try words.node(of: cluster)))
        case "restart": cluster.restart(NodeID(try words.node(of: cluster)))
        default: return false
        }
        return true
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
        told += 1
        let token = UInt64(told)
        switch verb {
        case "propose":
            let id = try words.node(of: cluster)
            while let word = words.next() {
                cluster.step(
                    NodeID(id),
                    .propose(Array(word.utf8)[...], ProposalToken(rawValue: token))
                )
            }
        case "read":
            let id = try words.node(of: cluster)
            cluster.step(NodeID(id), .read(ReadToken(rawValue: token)))
        case "transfer":
            let id = try words.node(of: cluster)
            guard words.next() == "to" else { throw StoryError(description: "transfer N to M") }
            let target = try words.node(of: cluster)
            cluster.step(NodeID(id), .transferLeadership(to: NodeID(target)))
        case "snapshot":
            cluster.snapshot(try words.node(of: cluster))
        case "add", "promote", "remove":
            let change = try words.change(verb)
            guard let leader = cluster.leader else { throw StoryError(description: "no leader") }
            cluster.step(leader, .changeMembership(change, ChangeToken(rawValue: token)))
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

/// The words of one command.
private struct Words {
    private var rest: [Substring]

    init(_ command: Substring) { rest = command.split(separator: " ") }

    var isEmpty: Bool { rest.isEmpty }

    mutating func next() -> Substring? { rest.isEmpty ? nil : rest.removeFirst() }

    mutating func skip(_ word: Substring) -> Bool {
        guard rest.first == word else { return false }
        rest.removeFirst()
        return true
    }

    mutating func number() throws(StoryError) -> UInt64 {
        guard let word = next(), let number = UInt64(word) else {
            throw StoryError(description: "a number is missing")
        }
        return number
    }

    mutating func node(of cluster: Cluster) throws(StoryError) -> UInt64 {
        try Self.known(number(), in: cluster)
    }

    private static func known(
        _ id: UInt64,
        in cluster: Cluster
    ) throws(StoryError) -> UInt64 {
        guard id >= 1, id <= UInt64(cluster.members.count) else {
            throw StoryError(description: "no node \(id)")
        }
        return id
    }

    /// `1->2`
    mutating func link(of cluster: Cluster) throws(StoryError) -> (UInt64, UInt64) {
        let ends = (next() ?? "").split(separator: "->").compactMap { UInt64($0) }
        guard ends.count == 2 else {
            throw StoryError(description: "a link such as 1->2 is missing")
        }
        return (try Self.known(ends[0], in: cluster), try Self.known(ends[1], in: cluster))
    }

    /// `x3`, or once.
    mutating func times() throws(StoryError) -> Int {
        guard let word = next() else { return 1 }
        guard word.hasPrefix("x"), let times = Int(word.dropFirst()) else {
            throw StoryError(description: "a count such as x3 is missing: \(word)")
        }
        return times
    }

    /// `voters=3 outsiders=1`
    mutating func options() throws(StoryError) -> [Substring: Int] {
        let known: [Substring] = [
            "voters", "outsiders", "trailing", "chunk", "window", "entries", "promise",
            "drift", "stall",
        ]
        var options: [Substring: Int] = [:]
        while let word = next() {
            let parts = word.split(separator: "=")
            guard parts.count == 2, known.contains(parts[0]), let value = Int(parts[1]) else {
                throw StoryError(description: "no such option: \(word)")
            }
            options[parts[0]] = value
        }
        return options
    }

    mutating func change(_ verb: Substring) throws(StoryError) -> MembershipChange {
        let id = NodeID(try number())
        if verb == "promote" { return .promote(id) }
        if verb == "remove" { return .remove(id) }
        switch next() {
        case nil: return .add(id, contact: [], promotion: .whenCaughtUp(replacing: nil))
        case "learner": return .add(id, contact: [], promotion: .onRequest)
        case "replacing":
            let replaced = NodeID(try number())
            return .add(id, contact: [], promotion: .whenCaughtUp(replacing: replaced))
        case let word?: throw StoryError(description: "add N learner or replacing M, not \(word)")
        }
    }
}
