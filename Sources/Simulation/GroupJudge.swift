// What must hold across all nodes of a group, for all time and over all restarts: the properties of
// figure 3 of the Raft paper, and equal states at equal indexes. Looked at after every turn of any
// node, each entry once.

import RaftCore

/// What a node has made durable, kept beside its disk and never damaged: what it may vouch for.
struct DurableShadow {
    private var votes: [(term: Term, node: NodeID)] = []
    private(set) var term = Term.zero
    private(set) var base = LogIndex.zero
    private var terms: [Term] = []
    /// While the node is mute: what its log was before each loss of a part of it.
    private var losses: [(base: LogIndex, terms: [Term])] = []

    private var last: LogIndex { base.advanced(by: terms.count) }

    /// The log goes on from what was left of it.
    mutating func salvaged(base: LogIndex, _ entries: [Entry]) {
        losses.append((self.base, terms))
        self.base = base
        terms = entries.map(\.term)
    }

    /// Whether the node is mute.
    var isMute: Bool { !losses.isEmpty }

    /// Whether the node had the entry when it lost a part of its log.
    func hasLost(_ index: LogIndex, of term: Term) -> Bool {
        losses.contains { loss in
            guard index > loss.base else { return true }
            let offset = index.distance(from: loss.base)
            return offset <= loss.terms.count && loss.terms[offset - 1] == term
        }
    }

    /// What is wrong with a mute node that gets its voice back as `raft`; nil where nothing is. It
    /// must have, durably, everything that it had before and that `isNeeded`, and be in agreement
    /// with where its leader's term begins: the leader had both when it was asked.
    func brokenVoice(
        of raft: RaftNode,
        beginning: LogPosition?,
        isNeeded: (LogPosition) -> Bool
    ) -> String? {
        func lacks(_ position: LogPosition) -> Bool {
            guard position.index > raft.log.base.index else { return false }
            return !raft.log.contains(position) || raft.log.durable < position.index
        }
        for loss in losses {
            for (offset, term) in loss.terms.enumerated() {
                let index = loss.base.advanced(by: offset + 1)
                let position = LogPosition(term: term, index: index)
                if lacks(position), isNeeded(position) {
                    return "has its voice back without entry \(index.rawValue), which it had"
                }
            }
        }
        guard let beginning, lacks(beginning) else { return nil }
        return "has its voice back in a term whose beginning it has not"
    }

    mutating func stored(_ batch: PersistBatch) {
        if !batch.hardState.isMute { losses = [] }
        term = batch.hardState.term
        if let vote = batch.hardState.vote, votes.last?.term != batch.hardState.term {
            votes.append((batch.hardState.term, vote))
        }
        if let position = batch.base {
            if continues(position) {
                terms.removeFirst(position.index.distance(from: base))
            } else if position.index != base {
                terms.removeAll()
            }
            base = position.index
        }
        guard let first = batch.entries.first else { return }
        terms.removeSubrange(min(first.index.distance(from: base) - 1, terms.count)...)
        terms.append(contentsOf: batch.entries.map(\.term))
    }

    /// Whether the log goes on after `position`, which is in it.
    func continues(_ position: LogPosition) -> Bool {
        let offset = position.index.distance(from: base)
        return offset >= 1 && offset <= terms.count && terms[offset - 1] == position.term
    }

    /// Whether a vote for `node` in `asked` can never be taken back: it is durable, or the node is
    /// in a later term for good and has voted for nobody else.
    func keepsVote(for node: NodeID, in asked: Term) -> Bool {
        guard let vote = votes.last(where: { $0.term == asked }) else { return term > asked }
        return vote.node == node
    }

    /// Whether it has the entry at `index`, of `term` where that is given.
    func has(_ index: LogIndex, of term: Term?) -> Bool {
        if index <= base { return true }
        guard index <= last else { return false }
        return term == nil || terms[index.distance(from: base) - 1] == term
    }

    /// What is wrong with a node that starts as `raft` on the disk that this shadows; nil where
    /// nothing is.
    func brokenStart(_ raft: RaftNode) -> String? {
        if raft.term < term { return "has forgotten its term" }
        if raft.term == term, let vote = votes.last(where: { $0.term == term })?.node,
            raft.vote != vote
        {
            return "has forgotten its vote"
        }
        // The whole log goes where it contradicts the snapshot.
        let isDropped = raft.log.count == 0 && raft.log.base == raft.snapshot.position
        guard last > raft.log.base.index, !isDropped else { return nil }
        for index in stride(from: last.rawValue, to: raft.log.base.index.rawValue, by: -1) {
            let index = LogIndex(index)
            guard index > base else { break }
            if raft.log.term(at: index) != terms[index.distance(from: base) - 1] {
                return "has forgotten entry \(index.rawValue)"
            }
        }
        return nil
    }

    /// What is wrong with `message` leaving a node in the state `raft`: it vouches for something
    /// that is not durable. Nil where nothing is.
    func brokenPromise(in message: Message, of raft: RaftNode) -> String? {
        switch message.body {
        case .voteRequest:
            if !keepsVote(for: message.from, in: message.term) {
                return "asks for votes before its own is durable"
            }
        case .voteResponse(let response):
            if response.granted, !keepsVote(for: message.to, in: message.term) {
                return "grants a vote that is not durable"
            }
        case .appendResponse(.accepted(let match)):
            // To a leader of an earlier term it is worth nothing any more: a majority has gone on
            // to this one without the entries that were cut off here.
            if message.term == raft.term, !has(match, of: raft.log.term(at: match)) {
                return "acknowledges entry \(match.rawValue), which is not durable"
            }
        default: break
        }
        return nil
    }
}

/// The judge of a group.
struct GroupJudge {
    private struct Slot {
        var entry: Entry
        var previous: Term?
    }

    /// What was ever committed, by index, from 1.
    private(set) var truth: [Entry] = []
    /// The term of the leader that committed it.
    private var committedIn: [Term] = []
    /// What was ever stored at an index, once for each term.
    private var slots: [[Slot]] = []
    /// Each that was ever committed, by the entry that brought it. Never empty.
    private(set) var memberships: [(index: LogIndex, membership: Membership)]
    private var leaders: [Term: NodeID] = [:]
    /// The first entry of each term that somebody led.
    private(set) var beginnings: [Term: LogPosition] = [:]
    /// When a node led in a higher term than any before.
    private var elections: [(time: UInt64, term: Term)] = []
    /// Who has said yes to whom.
    private var votes: [Term: [(candidate: NodeID, voter: NodeID)]] = [:]
    private var digests: [UInt64?] = []

    /// `first` is the membership with which the group begins.
    init(first: Membership) {
        memberships = [(.zero, first)]
    }

    /// The last one that was committed.
    var membership: Membership { memberships[memberships.count - 1].membership }

    var highestTermLed: Term { elections.last?.term ?? .zero }

    /// Up to where anything was ever committed.
    var committed: LogIndex { LogIndex(UInt64(truth.count)) }

    func isCommitted(_ position: LogPosition) -> Bool {
        guard position.index > .zero, position.index <= committed else { return false }
        return truth[Int(position.index.rawValue) - 1].position == position
    }

    /// Whether `membership` may still decide something: no later one has replaced it for good.
    func isCurrent(_ membership: Membership) -> Bool {
        !memberships.dropLast().contains { $0.membership == membership }
    }

    /// Log Matching: of one index and term there is one entry, and one entry before it.
    mutating func stored(_ batch: PersistBatch, after before: Term?) -> String? {
        var previous = before
        for entry in batch.entries {
            let place = Int(entry.index.rawValue)
            while slots.count <= place { slots.append([]) }
            if let known = slots[place].firstIndex(where: { $0.entry.term == entry.term }) {
                let slot = slots[place][known]
                if slot.entry != entry { return "two entries \(entry.position.text)" }
                if let left = slot.previous, let right = previous, left != right {
                    return "two logs lead to entry \(entry.position.text)"
                }
                if slot.previous == nil { slots[place][known].previous = previous }
            } else {
                slots[place].append(Slot(entry: entry, previous: previous))
            }
            previous = entry.term
        }
        return nil
    }

    /// Election Safety and Leader Completeness.
    mutating func leads(_ raft: RaftNode, isNew: Bool, at time: UInt64 = 0) -> String? {
        if let known = leaders[raft.term], known != raft.id {
            return "two leaders in term \(raft.term.rawValue)"
        }
        leaders[raft.term] = raft.id
        if raft.term > highestTermLed {
            elections.append((time, raft.term))
        }
        guard isNew else { return nil }
        beginnings[raft.term] =
            raft.log.slice(after: raft.log.base.index, through: raft.log.last.index)
            .first { $0.term == raft.term }?.position
        var looked = 0
        for place in truth.indices.reversed() where committedIn[place] < raft.term {
            let entry = truth[place]
            if entry.index <= raft.log.base.index { break }
            if !raft.log.contains(entry.position) {
                return "the new leader lacks entry \(entry.position.text), which is committed"
            }
            looked += 1
            if looked >= 64 { break }
        }
        return nil
    }

    /// Dissertation section 6.4: a majority has confirmed the leader of `term` after a read was
    /// asked for at `time`. So nobody led in a later term before.
    func brokenRead(in term: Term, askedAt time: UInt64) -> String? {
        guard let last = elections.last(where: { $0.time < time }), last.term > term else {
            return nil
        }
        return "a quorum confirms a read in term \(term.rawValue), before which another led term "
            + "\(last.term.rawValue)"
    }

    /// A vote leaves.
    mutating func voted(_ voter: NodeID, for candidate: NodeID, in term: Term) {
        votes[term, default: []].append((candidate, voter))
    }

    /// Those whose votes `candidate` may have in `term`, itself included.
    func voters(for candidate: NodeID, in term: Term) -> [NodeID] {
        let others = (votes[term] ?? []).filter { $0.candidate == candidate }.map(\.voter)
        return others + [candidate]
    }

    /// Nothing is thrown away but for something else.
    static func brokenTail(of raft: RaftNode, before: RaftNode) -> String? {
        let last = raft.log.last
        guard last.index < before.log.last.index, before.log.contains(last) else { return nil }
        return "throws away what comes after \(last.text), and puts nothing in its place"
    }

    /// Figure 2, rules for leaders: entries are committed by counting in their own term only. What
    /// a snapshot stands for that a leader of before has sent was committed then.
    static func brokenCount(of raft: RaftNode, before: RaftNode) -> String? {
        guard raft.isLeader, before.isLeader, before.term == raft.term, raft.commit > before.commit,
            raft.commit > raft.snapshot.position.index,
            let term = raft.log.term(at: raft.commit), term != raft.term
        else { return nil }
        return "commits an entry of term \(term.rawValue) by counting"
    }

    /// State Machine Safety, by the commit index: what a node takes for committed is what others
    /// did, and is on the disks of a majority. Only a leader is the first to do so.
    mutating func committed(
        _ raft: RaftNode,
        after judged: inout LogIndex,
        isLeading: Bool,
        isOnMajority: (Entry) -> Bool
    ) -> String? {
        while judged < raft.commit {
            let index = judged.next
            if index <= raft.log.base.index {
                judged = min(raft.commit, raft.log.base.index)
                guard judged.rawValue <= UInt64(truth.count) else {
                    return "a snapshot stands for what was never committed"
                }
                if judged == raft.log.base.index, judged > .zero,
                    truth[Int(judged.rawValue) - 1].term != raft.log.base.term
                {
                    return "a snapshot stands for another entry \(raft.log.base.text)"
                }
                continue
            }
            let entry = raft.log[index]
            if index.rawValue <= UInt64(truth.count) {
                let known = truth[Int(index.rawValue) - 1]
                if known != entry {
                    return
                        "commits \(entry.position.text) where \(known.position.text) is committed"
                }
            } else {
                truth.append(entry)
                committedIn.append(raft.term)
                if !isLeading {
                    return "commits \(entry.position.text), which no leader has committed"
                }
                if case .membership(let next) = entry.content {
                    guard Self.isStep(from: membership, to: next) else {
                        return "members change from \(membership.text) to \(next.text)"
                    }
                    memberships.append((index, next))
                }
                if !isOnMajority(entry) {
                    return "commits \(entry.position.text), which a majority does not have"
                }
            }
            judged = index
        }
        return nil
    }

    /// Log Matching at the beginning of a log: where a snapshot took the place of what came before.
    func brokenStart(of log: LogWindow) -> String? {
        let index = log.base.index.next
        guard index <= log.last.index else { return nil }
        let entry = log[index]
        guard entry.term >= log.base.term else { return "terms fall after \(log.base.text)" }
        let place = Int(index.rawValue)
        guard place < slots.count,
            let slot = slots[place].first(where: { $0.entry.term == entry.term }),
            let previous = slot.previous, previous != log.base.term
        else { return nil }
        return "\(entry.position.text) does not follow \(log.base.text)"
    }

    /// Whether a machine is known to have had this digest after that entry.
    func isState(_ index: LogIndex, digest: UInt64) -> Bool {
        let place = Int(index.rawValue)
        return place < digests.count && digests[place] == digest
    }

    /// Equal indexes, equal states.
    mutating func applied(_ index: LogIndex, digest: UInt64) -> String? {
        let place = Int(index.rawValue)
        while digests.count <= place { digests.append(nil) }
        guard let known = digests[place] else {
            digests[place] = digest
            return nil
        }
        return known == digest ? nil : "another state after entry \(index.rawValue)"
    }
}

extension LogPosition {
    /// As traces write it: index, then term.
    var text: String { "\(index.rawValue)@\(term.rawValue)" }
}
