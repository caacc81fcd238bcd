// Reads on their way: all that one turn gathers share one barrier of the core, and are served when
// a quorum, or its lease, has confirmed the leader and the machine has applied what was committed
// when they were asked.

import RaftCore
import SessionMachine

/// The reads of a leader.
struct ReadBarriers: Sendable {
    enum Use: Sendable {
        case read
        case validate(SessionProof)
    }

    struct Waiting: Sendable {
        var token: RequestToken
        var use: Use
        /// The tick at which the request came.
        var since: Int

        var request: Request {
            switch use {
            case .read: .read
            case .validate(let proof): .validate(proof)
            }
        }
    }

    private struct Round: Sendable {
        var token: ReadToken
        var reads: [Waiting]
        /// Set once the barrier holds.
        var barrier: Readable?
    }

    private var gathered: [Waiting] = []
    /// Oldest first. A barrier may hold before an older one, which waits for a quorum, where a
    /// lease stands for it.
    private var rounds: [Round] = []
    private var lastToken: UInt64 = 0

    var hasGathered: Bool { !gathered.isEmpty }

    mutating func gather(_ waiting: Waiting) { gathered.append(waiting) }

    /// Everybody, in the order in which they came: this node does not lead any more, or its machine
    /// is exchanged.
    mutating func takeAll() -> [Waiting] {
        defer {
            rounds.removeAll()
            gathered.removeAll()
        }
        return rounds.flatMap(\.reads) + gathered
    }

    /// The token to ask the core a barrier for, where anything was gathered.
    mutating func startRound() -> ReadToken? {
        guard !gathered.isEmpty else { return nil }
        lastToken += 1
        let token = ReadToken(rawValue: lastToken)
        rounds.append(Round(token: token, reads: gathered))
        gathered.removeAll()
        return token
    }

    mutating func confirmed(_ barrier: Readable) {
        guard let place = rounds.firstIndex(where: { $0.token == barrier.token }) else { return }
        rounds[place].barrier = barrier
    }

    mutating func failed(_ token: ReadToken) -> [Waiting] {
        guard let place = rounds.firstIndex(where: { $0.token == token }) else { return [] }
        return rounds.remove(at: place).reads
    }

    /// Takes out the reads that came before tick `start`: a leader whose disk or whose followers'
    /// disks stand still is still a leader, and its barriers need not ever hold.
    mutating func expire(before start: Int) -> [RequestToken] {
        var expired: [RequestToken] = []
        for place in rounds.indices where rounds[place].reads.contains(where: { $0.since < start })
        {
            expired += rounds[place].reads.filter { $0.since < start }.map(\.token)
            rounds[place].reads.removeAll { $0.since < start }
        }
        rounds.removeAll(where: \.reads.isEmpty)
        return expired
    }

    /// The reads of the oldest barrier that holds and whose index is applied, and how long its word
    /// is good.
    mutating func takeServable(applied: LogIndex) -> (reads: [Waiting], validUntil: Instant?)? {
        for (place, round) in rounds.enumerated() {
            guard let barrier = round.barrier, barrier.index <= applied else { continue }
            rounds.remove(at: place)
            return (round.reads, barrier.validUntil)
        }
        return nil
    }
}
