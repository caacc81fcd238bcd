// How a run's options are drawn from its seed.

import RaftCore
import Replica

extension Options {
    /// The options of a seed.
    package init(seed: UInt64) {
        var stream = Stream(seed: seed, .options)
        self.seed = seed
        nodes = [1, 2, 3, 4, 5, 6, 7][stream.weighted([2, 3, 45, 8, 28, 4, 10])]
        tick = stream.between(20...50) * Time.millisecond
        electionTicks = stream.between(7...12)
        heartbeatTicks = stream.between(1...3)
        let timeout = tick * UInt64(electionTicks)
        promise = timeout * stream.between(500...1_000) / 1_000
        let drift = stream.pick([1, 5, 20, 100, 250] as [UInt64])
        reads = stream.chance(permille: 650) ? .lease(driftPermille: drift) : .quorum
        exceedsDrift = reads != .quorum && stream.chance(permille: 60)
        preferred =
            stream.chance(permille: 300) ? NodeID(stream.between(1...UInt64(nodes))) : nil
        diskStallTicks = stream.chance(permille: 600) ? stream.between(10...60) : .max
        mixesCodecs = stream.chance(permille: 120)
        limits = Self.limits(&stream)
        tuning = Self.tuning(&stream, tick: tick)
        network = Self.network(&stream, timeout: timeout)
        disk = Self.disk(&stream, timeout: timeout)
        clocks = Self.clocks(&stream, drift: reads == .quorum ? 250 : drift, exceedsDrift)
        if reads != .quorum, stream.chance(permille: 350) {
            // It leads more often than its clock would let it.
            preferred = NodeID(stream.between(1...UInt64(nodes)))
            clocks.slowest = preferred
            clocks.changesSpeed = false
        }
        stalls = Self.stalls(&stream, timeout: timeout)
        faults = Self.faults(&stream)
        clients = Self.clients(&stream)
        aimed = AimedOptions(&stream)
        corruptsMachines = stream.chance(permille: 500)
        if stream.chance(permille: 200) {
            // The clock alone keeps followers from voting, after their ticks would let them.
            promise = timeout * stream.between(1_000...2_000) / 1_000
        }
        if stream.chance(permille: 120) { clients.makeImpatient(&stream) }
        // In a slow rhythm the group recovers from each fault, in a fast one from none.
        faults.hasten(by: stream.pick([1, 1, 1, 3, 8]))
        if mixesCodecs {
            // The older format has no words for either (PeerWire, `Encoding.inexpressible`).
            faults.membership = nil
            faults.wipe = nil
            faults.damage = nil
            tuning.snapshotEntries = .max
            tuning.snapshotBytes = .max
        }
        joinersKnowOthers = stream.chance(permille: 700)
    }

    private static func limits(_ stream: inout Stream) -> RaftCore.Limits {
        var limits = RaftCore.Limits()
        if stream.chance(permille: 500) {
            limits.appendBytesMax = Int(stream.magnitude(64...65_536))
            limits.appendEntriesMax = Int(stream.magnitude(1...128))
        }
        if stream.chance(permille: 500) {
            limits.inflightMessagesMax = Int(stream.magnitude(1...64))
            limits.inflightBytesMax = Int(stream.magnitude(64...65_536))
        }
        if stream.chance(permille: 150) {
            limits.uncommittedBytesMax = Int(stream.magnitude(2_048...32_768))
        }
        if stream.chance(permille: 150) { limits.waitingReadsMax = stream.between(1...8) }
        limits.snapshotChunkBytesMax = Int(stream.magnitude(512...65_536))
        limits.snapshotBytesPerTickMax =
            limits.snapshotChunkBytesMax * Int(stream.magnitude(1...32))
        limits.snapshotStreamsMax = stream.between(1...3)
        limits.trailingEntries = stream.chance(permille: 300) ? 0 : Int(stream.magnitude(1...200))
        if stream.chance(permille: 300) {
            limits.trailingBytesMax = Int(stream.magnitude(64...16_384))
        }
        limits.promotionLagMax = Int(stream.magnitude(1...64))
        return limits
    }

    private static func tuning(_ stream: inout Stream, tick: UInt64) -> Tuning {
        let parking = Int(stream.between(1_000...4_000) * Time.millisecond / tick)
        let pending = Int(stream.between(1_500...5_000) * Time.millisecond / tick)
        var tuning = Tuning(parkingTicks: parking, pendingTicks: pending)
        if stream.chance(permille: 850) {
            tuning.snapshotEntries = Int(stream.magnitude(8...256))
        }
        if stream.chance(permille: 200) {
            tuning.snapshotBytes = Int(stream.magnitude(4_096...65_536))
        }
        if stream.chance(permille: 800) {
            tuning.fingerprintEntries = Int(stream.magnitude(2...64))
        }
        if stream.chance(permille: 300) {
            tuning.appliedPerTurnMax = Int(stream.magnitude(1...64))
            tuning.applyLagMax = Int(stream.magnitude(16...256))
        }
        return tuning
    }

    private static func network(_ stream: inout Stream, timeout: UInt64) -> NetworkOptions {
        let fastest = stream.magnitude(30 * Time.microsecond...3 * Time.millisecond)
        let slowest = fastest + stream.magnitude(10 * Time.microsecond...timeout / 16)
        let isLossy = stream.chance(permille: 650)
        return NetworkOptions(
            latency: fastest...slowest,
            tailOneIn: stream.chance(permille: 500) ? stream.magnitude(20...2_000) : 0,
            tail: stream.magnitude(10 * Time.millisecond...timeout * 2),
            dropPermille: isLossy ? stream.magnitude(1...150) : 0,
            repeatPermille: isLossy ? stream.magnitude(1...100) : 0,
            corruptPermille: stream.chance(permille: 300) ? stream.magnitude(1...10) : 0,
            isOrdered: stream.chance(permille: 300),
            clogLossPermille: stream.pick([0, 0, 300, 1_000])
        )
    }

    private static func disk(_ stream: inout Stream, timeout: UInt64) -> DiskOptions {
        let fastest = stream.magnitude(50 * Time.microsecond...4 * Time.millisecond)
        return DiskOptions(
            sync: fastest...(fastest * stream.between(1...8)),
            slowOneIn: stream.chance(permille: 500) ? stream.magnitude(20...1_000) : 0,
            slow: stream.magnitude(10 * Time.millisecond...timeout * 2),
            errorOneIn: stream.chance(permille: 300) ? stream.magnitude(300...3_000) : 0,
            snapshot: Time.millisecond...stream.magnitude(2 * Time.millisecond...Time.second)
        )
    }

    private static func clocks(
        _ stream: inout Stream,
        drift: UInt64,
        _ exceedsDrift: Bool
    ) -> ClockOptions {
        let bound = Int64(drift) * 1_000
        let beyond = min(bound * 3 + 50_000, 900_000)
        return ClockOptions(
            fastnessMax: exceedsDrift ? beyond : stream.chance(permille: 850) ? bound : 0,
            changesSpeed: stream.chance(permille: 300),
            slowest: nil,
            wallOffsetMax: stream.pick([0, 5, 50, 300]) * Time.millisecond,
            jumpMax: stream.pick([50, 400, 2_000, 3_600_000]) * Time.millisecond,
            rebootsClock: stream.chance(permille: 300),
            tickDelayMax: stream.magnitude(10 * Time.microsecond...20 * Time.millisecond)
        )
    }

    private static func stalls(_ stream: inout Stream, timeout: UInt64) -> StallOptions {
        let isOn = stream.chance(permille: 500)
        return StallOptions(
            oneIn: isOn ? stream.magnitude(300...20_000) : 0,
            readOneIn: stream.chance(permille: 500) ? stream.magnitude(10...500) : 0,
            length: Time.millisecond...stream.magnitude(timeout / 2...timeout * 6)
        )
    }

    private static func faults(_ stream: inout Stream) -> FaultOptions {
        var faults = FaultOptions()
        func fault(_ permille: UInt64, every seconds: ClosedRange<UInt64>) -> Fault? {
            let mean = stream.between(seconds) * Time.second
            let short = stream.magnitude(Time.millisecond...Time.second)
            let long = short + stream.magnitude(Time.millisecond...6 * Time.second)
            guard stream.chance(permille: permille) else { return nil }
            return Fault(interval: mean / 8...mean * 2, length: short...long)
        }
        faults.crash = fault(700, every: 2...12)
        faults.powerLoss = fault(200, every: 8...25)
        faults.pause = fault(500, every: 2...12)
        faults.cut = fault(650, every: 2...12)
        faults.clog = fault(450, every: 2...12)
        faults.swizzle = fault(200, every: 5...15)
        faults.slowDisk = fault(350, every: 3...12)
        faults.hungDisk = fault(300, every: 4...15)
        faults.fullDisk = fault(150, every: 6...20)
        faults.damage = fault(250, every: 6...30)
        faults.wipe = fault(200, every: 8...30)
        faults.membership = fault(550, every: 1...8)
        faults.transfer = fault(500, every: 1...10)
        faults.clock = fault(350, every: 3...15)
        faults.scarceDisk = fault(200, every: 4...15)
        return faults
    }

    private static func clients(_ stream: inout Stream) -> ClientOptions {
        let think = stream.magnitude(40 * Time.millisecond...300 * Time.millisecond)
        let idle = stream.magnitude(400 * Time.millisecond...2 * Time.second)
        let life = stream.magnitude(Time.second...6 * Time.second)
        let keyLife = stream.magnitude(100 * Time.millisecond...2 * Time.second)
        var weights: [Int] = []
        for kind in Workload.Kind.allCases {
            let isOff = stream.chance(permille: 120)
            let weight = stream.between(2...20)
            weights.append(isOff && !kind.isEssential ? 0 : weight)
        }
        return ClientOptions(
            count: stream.between(4...8),
            think: think / 4...think * 2,
            timeout: (300 * Time.millisecond)...stream.between(1...4) * Time.second,
            latency: (50 * Time.microsecond)...stream.magnitude(
                Time.millisecond...20 * Time.millisecond
            ),
            lossPermille: stream.chance(permille: 400) ? stream.magnitude(1...40) : 0,
            strayPermille: stream.magnitude(10...400),
            triesMax: stream.between(1...5),
            keys: stream.between(2...12),
            subjects: stream.between(2...8),
            valueBytesMax: Int(stream.magnitude(8...2_048)),
            idle: idle...idle * stream.between(1...6),
            life: life...life * stream.between(1...6),
            keyLife: keyLife...keyLife * stream.between(1...6),
            weights: weights,
            capPermille: stream.pick([0, 200, 700])
        )
    }
}

extension FaultOptions {
    mutating func hasten(by factor: UInt64) {
        let all: [WritableKeyPath<FaultOptions, Fault?>] = [
            \.crash, \.pause, \.cut, \.clog, \.transfer, \.membership,
        ]
        for path in all {
            guard let fault = self[keyPath: path] else { continue }
            self[keyPath: path] = Fault(
                interval: fault.interval.lowerBound / factor...fault.interval.upperBound / factor,
                length: fault.length.lowerBound / factor...fault.length.upperBound / factor
            )
        }
    }
}

extension ClientOptions {
    /// They fill the log of a leader that nobody follows any more.
    mutating func makeImpatient(_ stream: inout Stream) {
        count = stream.between(8...16)
        timeout = 60 * Time.millisecond...300 * Time.millisecond
        triesMax = stream.between(3...8)
    }
}
