// What happened in a run, as numbers: a simulator that finds nothing must show that it had
// something to look at.

/// A kind of event that is counted.
package enum Counter: Int, CaseIterable, Sendable {
    case events, turns, messages, frames, dropped, repeated, corrupted, refused, inexpressible
    case answeredBack, unreachable
    case elections, leaders, transfers, stepDowns
    case starts, crashes, powerLosses, pauses, stalls, cuts, clogs
    case syncs, lostBatches, tornWrites, slowSyncs, hungSyncs, ioErrors, diskFull
    case flippedBits, misdirectedWrites, oldImages, damageNoticed, salvages, voicesRegained
    case wipedDisks, oldIdsRefused
    case snapshotsCut, snapshotsStored, snapshotsLost, snapshotsSent, snapshotsInstalled
    case snapshotsDamaged, chunks
    case changesBegun, changesRefused, membershipsApplied, jointPhases, learnersPromoted
    case clockJumps, clockChanges
    case aimed, rests, corruptMachines, divergences
    case entries, commands, expiries, sessionsExpired, evictions
    case operations, attempts, answered, redirects, noLeader, overloaded, noRoom, unknown
    case created, validated, renewed, revoked, rotated, fieldWrites
    case keyWrites, keyReads, retriedCreates
    case leaseReads, quorumReads, lapsedLeases
    case histories, undecided
    case violationsAvoided
}

/// Numbers by kind.
package struct Counts: Equatable, Sendable {
    private var values = Array(repeating: UInt64(0), count: Counter.allCases.count)
    package init() {}

    package subscript(counter: Counter) -> UInt64 {
        get { values[counter.rawValue] }
        set { values[counter.rawValue] = newValue }
    }

    package mutating func add(_ other: Counts) {
        for place in values.indices { values[place] &+= other.values[place] }
    }

    /// One line: each kind that happened, with its number.
    package var line: String {
        Counter.allCases.filter { self[$0] > 0 }
            .map { "\($0) \(self[$0])" }
            .joined(separator: ", ")
    }

    /// The members of a JSON object, without its braces.
    package var json: String {
        Counter.allCases.map { "\"\($0)\":\(self[$0])" }.joined(separator: ",")
    }
}
