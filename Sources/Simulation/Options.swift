// What one run is like. All of it is drawn from the seed, in the manner of a swarm: each class of
// fault is absent from some runs, so that what it would mask shows, and each range is narrow in
// some and wide in others.

package import RaftCore
package import Replica

/// Everything about a run that its seed decides beforehand.
package struct Options: Sendable {
    package var seed: UInt64
    package var nodes: Int
    /// Nanoseconds.
    package var tick: UInt64
    package var electionTicks: Int
    package var heartbeatTicks: Int
    package var promise: UInt64
    package var reads: ReadRule
    /// Clocks run faster and slower than the lease allows: nothing is claimed of reads then.
    package var exceedsDrift: Bool
    package var preferred: NodeID?
    package var diskStallTicks: Int
    package var limits: RaftCore.Limits
    package var tuning: Tuning
    /// Some nodes write the older format. Members stay the same then, and no snapshots are cut.
    package var mixesCodecs: Bool
    /// The configuration of a node that is added later names those that were there before it.
    package var joinersKnowOthers: Bool
    package var network: NetworkOptions
    package var disk: DiskOptions
    package var clocks: ClockOptions
    package var stalls: StallOptions
    package var faults: FaultOptions
    package var clients: ClientOptions
    package var aimed: AimedOptions
    /// The machines of followers go bad when all else is healed.
    package var corruptsMachines: Bool
    /// A bug planted in the simulated driver or machine, to show that it is found.
    package var sabotage: Sabotage?
    /// The safety phase: at least so long, ...
    package var duration = 30 * Time.second
    /// ... and until so many operations of clients are over.
    package var operations = 300

    /// The shortest election timeout.
    package var electionTimeout: UInt64 { tick * UInt64(electionTicks) }

    /// Whether reads are linearizable in this run.
    package var claimsReads: Bool { !exceedsDrift || sabotage == .claimsBeyondDrift }
}

/// Bugs of a driver or of a machine below it. Each breaks a promise that the replica rests on.
package enum Sabotage: CaseIterable, Sendable {
    /// "Stored" is said before the disk has synced; a crash loses it.
    case answersBeforeSync
    /// The vote is not written with the rest of the hard state.
    case losesVote
    /// A snapshot is called stored before it is; a crash loses it, and the log is gone too.
    case snapshotNotSynced
    /// Clocks drift by more than the lease allows for, and reads are claimed all the same.
    case claimsBeyondDrift
    /// A read that waits for a quorum is answered at once.
    case readsAtOnce
    /// A wiped node comes back under its old id, and nobody refuses it.
    case admitsWipedDisk
    /// Bytes that were damaged on the disk are taken for what was written.
    case ignoresDamage
    /// Who is named neither by the log nor by the configuration is not answered.
    case answersNoStranger
}

package struct NetworkOptions: Sendable {
    var latency: ClosedRange<UInt64>
    /// One in so many frames takes `tail` more; 0: none.
    var tailOneIn: UInt64
    var tail: UInt64
    var dropPermille: UInt64
    var repeatPermille: UInt64
    var corruptPermille: UInt64
    /// A link hands its frames on in the order in which they were sent.
    var isOrdered: Bool
    /// Of the frames that wait in a clogged link.
    var clogLossPermille: UInt64
}

package struct DiskOptions: Sendable {
    var sync: ClosedRange<UInt64>
    /// One sync in so many takes `slow` more; 0: none.
    var slowOneIn: UInt64
    var slow: UInt64
    /// One sync in so many fails; 0: none.
    var errorOneIn: UInt64
    var snapshot: ClosedRange<UInt64>
}

package struct ClockOptions: Sendable {
    /// Millionths.
    var fastnessMax: Int64
    var changesSpeed: Bool
    /// The clock of this node is as slow as may be and those of all others are as fast: the worst
    /// for a lease, if that node leads.
    var slowest: NodeID?
    /// Nanoseconds.
    var wallOffsetMax: UInt64
    var jumpMax: UInt64
    var rebootsClock: Bool
    /// A tick is up to so much late.
    var tickDelayMax: UInt64
}

/// Pauses between any two steps of a turn.
package struct StallOptions: Sendable {
    /// One step in so many; 0: none.
    var oneIn: UInt64
    /// The same just before an answer to a read and around its lookup, where a lease is at stake.
    var readOneIn: UInt64
    var length: ClosedRange<UInt64>
}

/// How often a class of fault strikes, and for how long.
package struct Fault: Sendable {
    var interval: ClosedRange<UInt64>
    var length: ClosedRange<UInt64>
}

package struct FaultOptions: Sendable {
    var crash: Fault?
    var powerLoss: Fault?
    var pause: Fault?
    var cut: Fault?
    var clog: Fault?
    var swizzle: Fault?
    var slowDisk: Fault?
    var hungDisk: Fault?
    var fullDisk: Fault?
    var scarceDisk: Fault?
    var damage: Fault?
    var wipe: Fault?
    var membership: Fault?
    var transfer: Fault?
    var clock: Fault?
}

package struct ClientOptions: Sendable {
    var count: Int
    var think: ClosedRange<UInt64>
    var timeout: ClosedRange<UInt64>
    var latency: ClosedRange<UInt64>
    var lossPermille: UInt64
    /// Of a request going to any node instead of the one that led last.
    var strayPermille: UInt64
    var triesMax: Int
    var keys: Int
    var subjects: Int
    var valueBytesMax: Int
    var idle: ClosedRange<UInt64>
    var life: ClosedRange<UInt64>
    var keyLife: ClosedRange<UInt64>
    /// By kind of operation; see `Workload`.
    var weights: [Int]
    var capPermille: UInt64
}
