// Bytes from a socket become messages with any numbers in them. None may trap, none may be promised
// anything that the rules do not give, and the group must go on.

import RaftCore
import TestKit
import Testing

@Suite("Messages with hostile numbers")
struct HostileMessageTests {
    private static let numbers: [UInt64] = [0, 1, 2, 3, 5, UInt64(Int64.max), .max - 1, .max]

    @Test("a term at the end of its range is not adopted")
    func endOfTerms() {
        for term in [UInt64(Int64.max) + 1, .max] {
            var cluster = Cluster(size: 3)
            cluster.step(NodeID(1), .received(heartbeat(from: 2, to: 1, term: term)))
            #expect(cluster[1].term == .zero)
            cluster.elect()
            #expect(cluster.failure == nil)
        }
    }

    @Test("who is nobody, or speaks to another, or to itself, is not heard")
    func strangers() {
        var cluster = Cluster(size: 3)
        let wrong: [(from: UInt64, to: UInt64)] = [(0, 1), (1, 1), (3, 2)]
        for (from, to) in wrong {
            cluster.step(NodeID(1), .received(heartbeat(from: from, to: to, term: 5)))
        }
        #expect(cluster[1].term == .zero)
        #expect(cluster.network.isEmpty)
    }

    @Test("entries that do not follow one another are not taken")
    func disorderedEntries() {
        let cases: [[Entry]] = [
            [command(1, 2)],  // a gap after `previous`
            [command(1, 1), command(1, 3)],  // a gap inside
            [command(1, 1), command(1, 1)],  // a repeat
            [command(2, 1), command(1, 2)],  // a falling term
            [command(4, 1)],  // a term above the leader's
        ]
        for entries in cases {
            var cluster = Cluster(size: 3)
            let request = append(from: 2, to: 1, term: 3, after: .origin, entries)
            cluster.step(NodeID(1), .received(request))
            #expect(cluster[1].log.count == 0)
            #expect(cluster.failure == nil)
        }
    }

    @Test("replacing a committed entry stops the node instead")
    func committedEntry() {
        var cluster = Cluster(size: 3)
        let entry = append(from: 2, to: 1, term: 1, after: .origin, [command(1, 1)], commit: 1)
        cluster.step(NodeID(1), .received(entry))
        #expect(cluster[1].commit == LogIndex(1))
        let other = append(from: 3, to: 1, term: 2, after: .origin, [command(2, 1)])
        cluster.step(NodeID(1), .received(other))
        #expect(cluster.failure?.contains("committedEntryReplaced") == true)
    }

    @Test("a second leader of one term stops the node")
    func secondLeader() {
        var cluster = Cluster(size: 3)
        cluster.step(NodeID(1), .received(heartbeat(from: 2, to: 1, term: 1)))
        cluster.step(NodeID(1), .received(heartbeat(from: 3, to: 1, term: 1)))
        #expect(cluster.failure?.contains("secondLeader") == true)
    }

    /// Any mix of numbers in any message, to a node in any role. A broken promise between nodes is
    /// to be expected from such a peer; a trap is not, and neither is a state of its own that the
    /// node's invariants forbid.
    @Test("no message traps, whatever it holds")
    func anyNumbers() {
        var taken = 0
        var roles: Set<Role> = []
        for seed in 1...300 as ClosedRange<UInt64> {
            var random = SeededRandom(seed)
            var cluster = Cluster(size: 3, seed: seed)
            switch seed % 4 {
            case 0: cluster.campaign(NodeID(1))
            case 1: cluster.campaign(NodeID(2))
            case 2: cluster.becomeCandidate(NodeID(1))
            default: break
            }
            roles.insert(cluster[1].role)
            for _ in 0..<60 {
                var node = cluster.members[0].node
                let message = Self.anyMessage(of: node.term.rawValue, &random)
                var effects = Effects()
                node.step(.received(message), into: &effects)
                node.step(.tick, into: &effects)
                node.flush(into: &effects)
                taken += 1
                let broken = node.brokenInvariant()
                #expect(broken == nil, "seed \(seed): \(message)")
                // Go on from there, as long as the node itself sees no reason to stop.
                if effects.violation == nil, effects.persist == nil {
                    cluster.members[0].node = node
                }
            }
        }
        #expect(taken == 18_000)
        #expect(roles.count >= 3)
    }

    private static func anyMessage(of term: UInt64, _ random: inout SeededRandom) -> Message {
        func number() -> UInt64 { numbers[Int(random.next() % UInt64(numbers.count))] }
        func place() -> LogPosition { position(number(), number()) }
        let granted = random.chance(50)
        let body: Message.Body =
            switch random.next() % 10 {
            case 0: .preVoteRequest(PreVoteRequest(proposedTerm: Term(number()), last: place()))
            case 1:
                .preVoteResponse(PreVoteResponse(proposedTerm: Term(number()), granted: granted))
            case 2: .voteRequest(VoteRequest(last: place(), isTransfer: granted))
            case 3: .voteResponse(VoteResponse(granted: granted))
            case 4:
                .appendRequest(
                    AppendRequest(
                        previous: place(),
                        entries: (0..<random.next() % 3).map { _ in command(number(), number()) },
                        commit: LogIndex(number())
                    )
                )
            case 5: .appendResponse(.accepted(match: LogIndex(number())))
            case 6: .appendResponse(.rejected(previous: LogIndex(number()), hint: place()))
            case 7:
                .heartbeat(
                    Heartbeat(commit: LogIndex(number()), round: ReadRound(rawValue: number()))
                )
            case 8: .heartbeatResponse(HeartbeatResponse(round: ReadRound(rawValue: number())))
            default: granted ? .timeoutNow : .appendResponse(.stale)
            }
        // Mostly of the node's own term, where most can happen.
        let sent = random.chance(70) ? term : number()
        return message(from: 2 + random.next() % 2, to: 1, term: sent, body)
    }
}
