// What may leave when. A vote and an acknowledgement of entries are promises: they may leave only
// once term, vote and entries that they speak of are on the disk. So such messages are held here,
// and the driver never sees them before `.persisted`.
//
// At most one batch is with the disk. What becomes dirty meanwhile forms the next one, so one sync
// serves all that arrived during the last (group commit without timers). A held message rides on
// the batch that was collected after it; where nothing is dirty and a batch is out, it rides on
// that one.

/// The state between memory and disk.
struct Durability: Sendable {
    /// The batch with the disk, and the messages that wait for it.
    struct InFlight: Sendable {
        var mark: PersistMark
        var hardState: HardState
        var held: [Message]
    }

    /// The hard state on the disk.
    var stored: HardState
    var inFlight: InFlight?
    /// Messages that wait for the next batch.
    var held: [Message] = []
    /// Where the log begins, where the disk has not been told yet.
    var base: LogPosition?
    /// The disk must be told before the next promise: an installed snapshot has replaced entries.
    var isBaseNeeded = false
    /// How long the batch in flight has been.
    var ticksInFlight = 0

    init(stored: HardState) { self.stored = stored }

    /// The log lost its end: what was to be acknowledged to a leader of before may never be
    /// durable. A majority has gone on without it, so that leader cannot need the answer.
    mutating func dropAcknowledgements(before term: Term) {
        held.removeAll { message in
            if case .appendResponse(.accepted) = message.body { message.term < term } else { false }
        }
    }

    mutating func hold(_ message: Message) { Self.hold(message, in: &held) }

    /// An acknowledgement takes the place of one that waits and says less: a disk that hangs must
    /// not fill the memory with them.
    private static func hold(_ message: Message, in waiting: inout [Message]) {
        if case .appendResponse(.accepted(let match)) = message.body, let last = waiting.last,
            last.to == message.to, last.term == message.term,
            case .appendResponse(.accepted(let before)) = last.body, before <= match
        {
            waiting.removeLast()
        }
        waiting.append(message)
    }

    /// Nothing needs to be stored: what waits goes with the batch that is being written.
    mutating func holdForBatchInFlight() {
        guard var batch = inFlight else { return }
        // Give the batch back its only reference, so that its messages grow in place.
        inFlight = nil
        for message in held { Self.hold(message, in: &batch.held) }
        inFlight = batch
        held.removeAll(keepingCapacity: true)
    }

    /// The hard state on the disk once the batch in flight is.
    var handedOut: HardState { inFlight?.hardState ?? stored }
}

extension RaftNode {
    /// Sends `message` once everything this node has taken in by now is durable.
    mutating func sendWhenDurable(_ message: Message) {
        durability.hold(message)
    }

    /// Forms the next batch, if the disk is free and something is dirty; lets go of messages that
    /// have nothing to wait for.
    mutating func handOutBatch(_ effects: inout Effects) {
        while true {
            guard durability.inFlight == nil else {
                if !isDirty {
                    // Everything they speak of is in the batch that is being written.
                    durability.holdForBatchInFlight()
                }
                return
            }
            guard !isDirty else { break }
            if durability.held.isEmpty { return }
            let ready = durability.held
            durability.held = []
            release(ready, &effects)
        }
        let entries = log.unsaved
        let mark = PersistMark(hardStateTerm: term, last: log.last)
        let state = hardState
        effects.persist = PersistBatch(
            mark: mark,
            hardState: state,
            base: durability.base,
            entries: entries
        )
        durability.base = nil
        durability.isBaseNeeded = false
        durability.ticksInFlight = 0
        durability.inFlight = Durability.InFlight(
            mark: mark,
            hardState: state,
            held: durability.held
        )
        durability.held = []
        log.markHandedOut()
    }

    /// Whether something must be stored before the next promise. A newer commit index alone is no
    /// reason: it is a hint, and travels with the next batch.
    private var isDirty: Bool {
        let handedOut = durability.handedOut
        return term != handedOut.term || vote != handedOut.vote || log.handedOut < log.last.index
            || durability.isBaseNeeded || isMute != handedOut.isMute
    }

    /// The disk has been busy with one batch for too long. Its other groups' batches may be all
    /// that it is busy with; they wait for the same disk.
    var isDiskStalled: Bool {
        durability.inFlight != nil && durability.ticksInFlight >= configuration.diskStallTicks
    }

    mutating func persisted(_ mark: PersistMark, _ effects: inout Effects) {
        guard let batch = durability.inFlight else {
            preconditionFailure("persisted without a batch in flight")
        }
        precondition(batch.mark == mark, "persisted another batch than the one in flight")
        durability.stored = batch.hardState
        durability.inFlight = nil
        log.markDurable()
        recordOwnDurableLog()
        release(batch.held, &effects)
        sendTimeoutNowIfCaughtUp(&effects)
    }

    private mutating func release(_ messages: [Message], _ effects: inout Effects) {
        for message in messages {
            if message.to != id {
                effects.send.append(message)
            } else if message.term == term, case .voteResponse(let vote) = message.body {
                // A candidate's own vote, now durable.
                countVote(vote, from: id, &effects)
            }
        }
    }
}
