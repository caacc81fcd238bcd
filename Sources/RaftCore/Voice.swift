// A node that has lost a part of what it had stored, and knows that it has. Its term and its vote
// are kept apart from the log and are not lost (else it would have to come back as another node);
// but it may lack entries that it has acknowledged. Compare "Protocol-Aware Recovery for
// Consensus-Based Storage" (Alagappan et al., FAST 2018).
//
// It is mute: it grants no vote and does not campaign. Otherwise it follows, stores and
// acknowledges like any other. It gets its voice back when it has all again that it can ever have
// acknowledged:
//
//     mute            a leader is known: it is asked for its last entry, again and again
//     mute, told      this log becomes that leader's up to there, durably
//     voice           what the node said before may be counted on again
//
// Why that is enough. Let e be an entry that the node had acknowledged, in term t. The leader that
// answers has a term of at least t, since the node remembers its term. If it is t, the entry is
// that leader's, which had it before it was asked. If it is later and e is or will be committed,
// the leader has e by Leader Completeness (Raft figure 3): every majority that elected a leader
// since has a voter that holds e and is not mute, which is what muteness is for. And what the node
// acknowledges while it is mute, it holds.
//
// An answer counts in the process that asked: one of before was made before the last loss.
//
// A node may also have lost something and not know it: an old image of its whole directory was put
// back, or a disk said "synced" and forgot. So each node asks each leader that it follows what it
// has acknowledged to it, and is mute where it has not got that. Until it is answered, a heartbeat
// commits nothing but what is known to be equal in both logs. Where no leader is left that
// remembers, nothing is noticed; and as such a node has forgotten terms too, the proof above is not
// for it: the question makes a loss harmless mostly, not always.

/// The question of a node that believes that it has all that it had.
struct Homecoming: Hashable, Sendable {
    /// Names this process's question: its seed.
    let token: UInt64
    /// The term's leader has answered.
    var isAnswered = false
    /// Ticks until it is asked again.
    var rest = 0

    init(token: UInt64) { self.token = token }
}

/// What a mute node knows of its way back.
struct LostVoice: Hashable, Sendable {
    /// Names this process's question.
    let token: UInt64
    /// The last entry of the term's leader, when it answered.
    var target: LogIndex?
    /// Ticks until the question is asked again.
    var rest = 0

    init(token: UInt64) { self.token = token }
}

extension RaftNode {
    /// Whether this node may lack entries that it has acknowledged: then it does not vote.
    package var isMute: Bool { lostVoice != nil }

    /// A new term: its leader has to be asked, and its log be compared with.
    mutating func forgetAgreement() {
        agreed = commit
        lostVoice?.target = nil
        lostVoice?.rest = 0
        homecoming?.isAnswered = false
        homecoming?.rest = 0
    }

    /// This log is the leader's up to `index`.
    mutating func agree(through index: LogIndex) { agreed = max(agreed, index) }

    /// Up to where this log may be taken for the leader's, as far as this node has said so in this
    /// term: beyond it may stand what was replaced before the loss.
    var believed: LogIndex {
        if let homecoming, homecoming.isAnswered { return log.last.index }
        return agreed
    }

    // MARK: Losses of which the node does not know

    /// Called each tick.
    mutating func askWhatIsLost(_ effects: inout Effects) {
        guard var asking = homecoming, !asking.isAnswered, role == .follower, let leader else {
            return
        }
        asking.rest -= 1
        if asking.rest <= 0 {
            asking.rest = configuration.electionTicks
            let request = HomecomingRequest(token: asking.token)
            effects.send.append(envelope(to: leader, .homecomingRequest(request)))
        }
        homecoming = asking
    }

    /// At the leader. What it believes stays as it is: this answer may not arrive, and a node that
    /// is mute asks otherwise.
    mutating func answerHomecoming(
        _ request: HomecomingRequest,
        from follower: NodeID,
        _ effects: inout Effects
    ) {
        guard role == .leader, let index = progressIndex(of: follower) else { return }
        progress[index].isActive = true
        let match = progress[index].match
        let acknowledged = LogPosition(term: log.term(at: match) ?? .zero, index: match)
        let response = HomecomingResponse(token: request.token, acknowledged: acknowledged)
        effects.send.append(envelope(to: follower, .homecomingResponse(response)))
    }

    /// What this process has acknowledged, it has: only a process before it can have had it.
    mutating func takeHomecoming(
        _ response: HomecomingResponse,
        from sender: NodeID,
        _ effects: inout Effects
    ) {
        guard let asking = homecoming, asking.token == response.token, sender == leader else {
            return
        }
        guard !holds(response.acknowledged) else {
            homecoming?.isAnswered = true
            return
        }
        homecoming = nil
        lostVoice = LostVoice(token: random.next())
        effects.loss = Loss(acknowledged: response.acknowledged.index, durable: log.durable)
    }

    /// Whether that entry is here, durably. An image may have another one in its place.
    private func holds(_ position: LogPosition) -> Bool {
        guard log.durable >= position.index else { return false }
        let isCompacted = position.index <= log.base.index || position.term == .zero
        return isCompacted || log.contains(position)
    }

    // MARK: Losses of which it does

    /// Called each tick. The question also tells a leader that still believes in what was lost, and
    /// who then does no more: so it waits until this node's disk knows that it is mute.
    mutating func askForVoice(_ effects: inout Effects) {
        guard var lost = lostVoice, durability.stored.isMute, role == .follower, let leader else {
            return
        }
        lost.rest -= 1
        if lost.rest <= 0 {
            lost.rest = configuration.electionTicks
            let request = VoiceRequest(token: lost.token, agreed: agreed)
            effects.send.append(envelope(to: leader, .voiceRequest(request)))
        }
        lostVoice = lost
    }

    /// At the leader.
    mutating func answerVoice(
        _ request: VoiceRequest,
        from follower: NodeID,
        _ effects: inout Effects
    ) {
        guard role == .leader, let index = progressIndex(of: follower) else { return }
        progress[index].isActive = true
        if progress[index].match > request.agreed { progress[index].lost(after: request.agreed) }
        let response = VoiceResponse(token: request.token, last: log.last.index)
        effects.send.append(envelope(to: follower, .voiceResponse(response)))
    }

    mutating func takeVoice(_ response: VoiceResponse, from sender: NodeID) {
        guard let lost = lostVoice, lost.token == response.token, sender == leader else { return }
        // Each answer of this leader to this process is enough; the first asks for least.
        lostVoice?.target = min(lost.target ?? response.last, response.last)
    }

    /// Called when a turn ends.
    mutating func regainVoice() {
        guard let lost = lostVoice, let target = lost.target, agreed >= target,
            log.durable >= target
        else { return }
        lostVoice = nil
        homecoming = Homecoming(token: configuration.seed)
    }
}
