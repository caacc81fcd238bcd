// The drift bound of leases, exactly: a small world of two clocks with constant rates, in which
// every pair of rates around the bound is tried. True time goes in steps of one millisecond; in
// each a clock of rate 1,003 counts 1,003 of its own nanoseconds. So all numbers are whole, and
// "equal to the bound" is equal.

import RaftCore
import Testing

/// A leader, the follower whose promise its lease rests on, and a rival that asks for votes.
private struct LeaseWorld {
    private var cluster: Cluster
    private let leaderRate: UInt64
    private let followerRate: UInt64
    /// Where the clocks stand when the heartbeat leaves and, without delay, arrives.
    private static let leaderStart: UInt64 = 1_000_000_007
    private static let followerStart: UInt64 = 5_000_000_011

    init(promise: UInt64, drift: UInt64, leaderRate: UInt64, followerRate: UInt64) {
        self.leaderRate = leaderRate
        self.followerRate = followerRate
        cluster = Cluster(size: 3) {
            $0.promise = promise
            $0.reads = .lease(driftPermille: drift)
        }
        cluster.pass(nanoseconds: promise)
        cluster.campaign(NodeID(1))
        cluster.members[0].clock = Instant(Self.leaderStart)
        cluster.members[1].clock = Instant(Self.followerStart)
        // No lease is left: the read starts a round, which node 2 answers at once.
        cluster.step(NodeID(1), .read(ReadToken(rawValue: 1)))
        cluster.isolate(NodeID(3))
        cluster.settle()
    }

    /// The last moment of true time at which a read under the lease may be made.
    var lastRead: UInt64 {
        guard let end = cluster[1].leaseEnd, end.rawValue > Self.leaderStart else { return 0 }
        return (end.rawValue - Self.leaderStart - 1) / leaderRate
    }

    /// The first moment of true time at which the follower helps a rival: its vote for it is given,
    /// or it campaigns itself.
    var firstVote: UInt64 {
        var (low, high) = (UInt64(0), UInt64(1) << 24)
        while low < high {
            let middle = (low + high) / 2
            if helpsRival(at: middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    private func helpsRival(at time: UInt64) -> Bool {
        var node = cluster[2]
        var effects = Effects()
        node.setClock(Instant(Self.followerStart + time * followerRate))
        for _ in 0..<2 * node.configuration.electionTicks { node.step(.tick, into: &effects) }
        let campaigns = node.role != .follower
        let request = voteRequest(from: 3, to: 2, term: 2, last: position(1, 9))
        node.step(.received(request), into: &effects)
        // Both are freed at one moment.
        #expect(campaigns == (node.vote == NodeID(3)))
        return campaigns
    }
}

@Suite("The drift bound of leases, in a small world")
struct LeaseDriftTests {
    private static let drift: UInt64 = 100

    @Test(
        "no read under a lease is as late as a rival's first vote, for every rate inside the bound"
    )
    func inside() {
        var worlds = 0
        var closest = UInt64.max
        for promise in [1_100_000, 999_983, 12_345, 4_401] as [UInt64] {
            for leader in [900, 901, 999, 1_000, 1_099, 1_100] as [UInt64] {
                for follower in [900, 901, 999, 1_000, 1_099, 1_100] as [UInt64] {
                    let world = LeaseWorld(
                        promise: promise,
                        drift: Self.drift,
                        leaderRate: leader,
                        followerRate: follower
                    )
                    worlds += 1
                    #expect(
                        world.lastRead < world.firstVote,
                        "promise \(promise), rates \(leader) and \(follower)"
                    )
                    closest = min(closest, world.firstVote - min(world.lastRead, world.firstVote))
                }
            }
        }
        #expect(worlds == 144)
        #expect(closest == 1, "the bound is used to the last millisecond")
    }

    /// What the search above is worth: it sees the first pair of rates outside.
    @Test(
        "past the bound a read and a rival's vote do overlap",
        arguments: [(899, 1_100), (900, 1_101), (899, 1_101), (800, 1_200)] as [(UInt64, UInt64)]
    )
    func outside(leader: UInt64, follower: UInt64) {
        // Long enough for a permille of it to be many steps.
        let world = LeaseWorld(
            promise: 1_100_000_000,
            drift: Self.drift,
            leaderRate: leader,
            followerRate: follower
        )
        #expect(world.lastRead >= world.firstVote)
    }

    @Test("without drift a lease is as long as the promise")
    func noDrift() {
        let world = LeaseWorld(promise: 500_000, drift: 0, leaderRate: 1_000, followerRate: 1_000)
        #expect(world.firstVote == 500)
        #expect(world.lastRead == 499)
    }
}
