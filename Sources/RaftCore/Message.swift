// What nodes of one group say to each other: one small struct per RPC of the paper, none with
// fields that only some kinds use. The transport may drop, repeat and reorder messages.

/// One message between two nodes of a group.
package struct Message: Hashable, Sendable {
    package var from: NodeID
    package var to: NodeID
    /// The sender's term when it wrote this (Raft section 5.1).
    package var term: Term
    package var body: Body

    package init(from: NodeID, to: NodeID, term: Term, body: Body) {
        self.from = from
        self.to = to
        self.term = term
        self.body = body
    }

    package enum Body: Hashable, Sendable {
        case preVoteRequest(PreVoteRequest)
        case preVoteResponse(PreVoteResponse)
        case voteRequest(VoteRequest)
        case voteResponse(VoteResponse)
        case appendRequest(AppendRequest)
        case appendResponse(AppendResponse)
        case heartbeat(Heartbeat)
        case heartbeatResponse(HeartbeatResponse)
        case timeoutNow
        case snapshotChunk(SnapshotChunk)
        case snapshotResponse(SnapshotResponse)
        case fingerprint(Fingerprint)
        case voiceRequest(VoiceRequest)
        case voiceResponse(VoiceResponse)
        case homecomingRequest(HomecomingRequest)
        case homecomingResponse(HomecomingResponse)
    }
}

/// "Would you vote for me?" (Raft dissertation section 9.6). Changes no state at the receiver.
package struct PreVoteRequest: Hashable, Sendable {
    /// The term that the sender would start.
    package var proposedTerm: Term
    /// The last entry of the sender's log.
    package var last: LogPosition

    package init(proposedTerm: Term, last: LogPosition) {
        self.proposedTerm = proposedTerm
        self.last = last
    }
}

package struct PreVoteResponse: Hashable, Sendable {
    /// The term that was asked about, so that an answer to an older question is not counted.
    package var proposedTerm: Term
    package var granted: Bool

    package init(proposedTerm: Term, granted: Bool) {
        self.proposedTerm = proposedTerm
        self.granted = granted
    }
}

/// RequestVote (Raft figure 2).
package struct VoteRequest: Hashable, Sendable {
    package var last: LogPosition
    /// The leader itself asked the sender to take over, so its being alive is no reason to refuse
    /// (Raft dissertation section 4.2.3).
    package var isTransfer: Bool

    package init(last: LogPosition, isTransfer: Bool) {
        self.last = last
        self.isTransfer = isTransfer
    }
}

package struct VoteResponse: Hashable, Sendable {
    package var granted: Bool

    package init(granted: Bool) { self.granted = granted }
}

/// AppendEntries (Raft figure 2).
package struct AppendRequest: Hashable, Sendable {
    /// The entry just before `entries`.
    package var previous: LogPosition
    /// Consecutive entries from `previous.index + 1`; empty in a probe.
    package var entries: [Entry]
    /// The leader's commit index.
    package var commit: LogIndex

    package init(previous: LogPosition, entries: [Entry], commit: LogIndex) {
        self.previous = previous
        self.entries = entries
        self.commit = commit
    }
}

package enum AppendResponse: Hashable, Sendable {
    /// The follower's log equals the leader's, durably, up to and including `match`.
    case accepted(match: LogIndex)
    /// The follower has no entry like `previous` of the request. `hint` is the last position of its
    /// log at or before it whose term is not above `previous.term`: the leader need not probe
    /// between.
    case rejected(previous: LogIndex, hint: LogPosition)
    /// The sender's term is over; the term of this message is the answer.
    case stale
}

/// A leader's sign of life. Also confirms its leadership for waiting reads (Raft dissertation 6.4).
package struct Heartbeat: Hashable, Sendable {
    /// At most what the receiver is known to have, so that it may commit without a log check.
    package var commit: LogIndex
    /// The read round that an answer confirms.
    package var round: ReadRound

    package init(commit: LogIndex, round: ReadRound) {
        self.commit = commit
        self.round = round
    }
}

package struct HeartbeatResponse: Hashable, Sendable {
    package var round: ReadRound

    package init(round: ReadRound) { self.round = round }
}

/// What a snapshot stands for: everything up to `position`, and the members as of there.
package struct SnapshotMark: Hashable, Sendable {
    package var position: LogPosition
    package var membership: Membership

    package init(position: LogPosition, membership: Membership) {
        self.position = position
        self.membership = membership
    }
}

/// InstallSnapshot (Raft figure 13): a piece of the leader's snapshot.
package struct SnapshotChunk: Hashable, Sendable {
    package var mark: SnapshotMark
    /// Where `bytes` stand in the snapshot.
    package var offset: UInt64
    package var bytes: ArraySlice<UInt8>
    package var isLast: Bool

    package init(mark: SnapshotMark, offset: UInt64, bytes: ArraySlice<UInt8>, isLast: Bool) {
        self.mark = mark
        self.offset = offset
        self.bytes = bytes
        self.isLast = isLast
    }
}

package struct SnapshotResponse: Hashable, Sendable {
    /// The snapshot that this is about.
    package var position: LogPosition
    /// The receiver has everything before this offset and wants what follows; 0 starts anew. The
    /// end of it all is not told by this but by an `AppendResponse.accepted`.
    package var wanted: UInt64

    package init(position: LogPosition, wanted: UInt64) {
        self.position = position
        self.wanted = wanted
    }
}

/// A node that has lost a part of its log asks the leader how far it has to go to have all that it
/// can have acknowledged (`Voice.swift`).
package struct VoiceRequest: Hashable, Sendable {
    /// Told again with the answer.
    package var token: UInt64
    /// The sender's log is the leader's up to here, and may have lost what follows, whatever it has
    /// acknowledged.
    package var agreed: LogIndex

    package init(token: UInt64, agreed: LogIndex) {
        self.token = token
        self.agreed = agreed
    }
}

/// What a mute node was told by its leader.
package struct VoiceResponse: Hashable, Sendable {
    package var token: UInt64
    /// The last entry of the leader's log.
    package var last: LogIndex

    package init(token: UInt64, last: LogIndex) {
        self.token = token
        self.last = last
    }
}

/// A node asks a leader that it has begun to follow what it had acknowledged to it (`Voice.swift`).
package struct HomecomingRequest: Hashable, Sendable {
    /// Told again with the answer.
    package var token: UInt64

    package init(token: UInt64) { self.token = token }
}

package struct HomecomingResponse: Hashable, Sendable {
    package var token: UInt64
    /// The highest entry of this leader's log that the asker has acknowledged to it and not said to
    /// have lost since. Its term is 0 where the leader's log begins later.
    package var acknowledged: LogPosition

    package init(token: UInt64, acknowledged: LogPosition) {
        self.token = token
        self.acknowledged = acknowledged
    }
}

/// The state of the sender's machine after an index, as one word: machines that have applied the
/// same entries have the same. To the leader, which compares (`Effects.fingerprints`).
package struct Fingerprint: Hashable, Sendable {
    package var index: LogIndex
    package var value: UInt64

    package init(index: LogIndex, value: UInt64) {
        self.index = index
        self.value = value
    }
}
