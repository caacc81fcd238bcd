// How far one follower is, as its leader sees it.
//
//   probe      The leader does not know where the logs agree. One append at a time, paused until an
//              answer or a heartbeat's answer comes. -> replicate when an append is accepted.
//              -> snapshot when it needs entries that are compacted.
//   replicate  Appends are sent ahead of the answers, within a window of messages and bytes.
//              -> probe when one is rejected (a message was lost, or the follower restarted), or
//              when the follower says that it has lost what it had.
//              -> snapshot as above.
//   snapshot   A snapshot is on its way, chunk by chunk (`SnapshotTransfer.swift`). -> replicate
//              when the follower has acknowledged what lets the log take over.
//
// Invariant: match < next. What a follower has acknowledged is on its disk, so match falls only
// where it says that it has lost it.

/// One follower's progress.
package struct Progress: Hashable, Sendable {
    package enum State: Hashable, Sendable {
        case probe(Probe)
        case replicate(InflightWindow)
        case snapshot(SnapshotTransfer)
    }

    package enum Probe: Hashable, Sendable {
        case ready
        /// An append is out; nothing is sent until it is answered or a heartbeat is.
        case waiting
    }

    package let id: NodeID
    /// The highest entry known to be durable at the follower.
    package internal(set) var match: LogIndex
    /// The next entry to send.
    package internal(set) var next: LogIndex
    package internal(set) var state: State
    /// Heard from since the leader last checked its quorum.
    package internal(set) var isActive: Bool
    /// Heard from between the two quorum checks before.
    var wasActive = false
    /// The newest round of heartbeats that the follower confirmed, and when that round was sent.
    package internal(set) var round: ReadRound
    package internal(set) var confirmedAt: Instant
    /// `match` at the leader's last heartbeat: where it stands still, something was lost.
    package internal(set) var matchAtHeartbeat: LogIndex

    init(id: NodeID, next: LogIndex) {
        self.id = id
        match = .zero
        self.next = next
        state = .probe(.ready)
        isActive = false
        round = .none
        confirmedAt = .zero
        matchAtHeartbeat = .zero
    }

    var isHeardOfLately: Bool { isActive || wasActive }

    /// Whether an append may be sent now.
    func maySend(_ limits: Limits) -> Bool {
        switch state {
        case .probe(.ready): true
        case .probe(.waiting): false
        case .replicate(let window): !window.isFull(limits)
        case .snapshot: false
        }
    }

    mutating func sent(through last: LogIndex, bytes: Int) {
        switch state {
        case .probe:
            state = .probe(.waiting)
        case .replicate(var window):
            // Give the window back its only reference, so that it grows in place.
            state = .probe(.waiting)
            window.add(through: last, bytes: bytes)
            state = .replicate(window)
            next = last.next
        case .snapshot:
            preconditionFailure("no append is sent while a snapshot is on its way")
        }
    }

    /// The follower's log equals the leader's up to `index`. The leader's log begins after `base`.
    mutating func accepted(_ index: LogIndex, base: LogIndex) {
        match = max(match, index)
        next = max(next, match.next)
        switch state {
        case .snapshot:
            // Late word of an append does not help it over what is compacted.
            guard match >= base else { return }
            state = .replicate(InflightWindow())
            next = match.next
        case .probe:
            state = .replicate(InflightWindow())
            next = match.next
        case .replicate(var window):
            state = .probe(.waiting)
            window.release(through: index)
            state = .replicate(window)
        }
    }

    /// The follower has no entry like the one before what was sent.
    mutating func rejected(previous: LogIndex, retryAfter agreement: LogIndex) {
        switch state {
        case .replicate:
            // A late answer: the follower has acknowledged more since.
            guard previous > match else { return }
            state = .probe(.ready)
            next = match.next
        case .probe:
            // Only the answer to the one probe in flight counts; others are late repeats.
            guard previous == next.previous else { return }
            let retry = max(min(previous, agreement.next), match.next)
            // Where it lacks what it has acknowledged the same would be answered, again and again:
            // the probe waits for a heartbeat's answer.
            guard retry < next else { return }
            next = retry
            state = .probe(.ready)
        case .snapshot:
            return
        }
    }

    /// The follower may have lost what it had after `index`.
    mutating func lost(after index: LogIndex) {
        match = index
        // A snapshot that is on its way brings it more than a probe would.
        if case .snapshot = state { return }
        next = index.next
        state = .probe(.ready)
    }

    mutating func resumeProbe() {
        if case .probe(.waiting) = state { state = .probe(.ready) }
    }
}

/// The appends sent to one follower and not answered yet.
package struct InflightWindow: Hashable, Sendable {
    private struct Sent: Hashable, Sendable {
        var last: LogIndex
        var bytes: Int
    }

    private var sent: [Sent] = []
    /// How many at the front of `sent` are answered; trimmed once they are the larger part.
    private var released = 0
    package private(set) var bytes = 0

    package var count: Int { sent.count - released }

    func isFull(_ limits: Limits) -> Bool {
        count >= limits.inflightMessagesMax || bytes >= limits.inflightBytesMax
    }

    mutating func add(through last: LogIndex, bytes added: Int) {
        sent.append(Sent(last: last, bytes: added))
        bytes += added
    }

    mutating func release(through index: LogIndex) {
        while released < sent.count, sent[released].last <= index {
            bytes -= sent[released].bytes
            released += 1
        }
        if released * 2 > sent.count {
            sent.removeFirst(released)
            released = 0
        }
    }
}
