// Writes a snapshot section by section from a frozen copy of the machine, so that the caller can
// stream it to disk or to a peer at its own pace, in another thread if it likes, while the group
// goes on.

import Bytes

/// Produces the sections of one snapshot.
package struct SnapshotEncoder: Sendable {
    private let machine: SessionMachine
    private var stage = SnapshotSection.header
    /// The next record number, or the next entry of the free stack.
    private var position = 0
    /// The next slot of the wheel, and the timer in it that comes next (nil: its first).
    private var slot = 0
    private var timer: UInt32?
    private var isDone = false

    /// The copy costs nothing now; pages that the group writes later are copied then.
    package init(_ machine: SessionMachine) { self.machine = machine }

    /// The next framed section, or nil after the last. The snapshot is their concatenation.
    package mutating func next() -> [UInt8]? {
        guard !isDone else { return nil }
        let tag = stage
        var body = ByteWriter(capacity: Limits.snapshotSectionBytes + 1_024)
        switch tag {
        case .header: writeHeader(&body)
        case .records: writeRecords(&body)
        case .free: writeFree(&body)
        case .timers: writeTimers(&body)
        case .end:
            body.write(machine.digest.rawValue)
            isDone = true
        }
        return Self.framed(tag, body.bytes)
    }

    private mutating func writeHeader(_ body: inout ByteWriter) {
        body.write(SnapshotFormat.version)
        body.write(machine.seed.low)
        body.write(machine.seed.high)
        body.writeVarint(machine.time.millisecondsSince1970)
        body.writeVarint(machine.nextSequence)
        for counter in machine.counters.words { body.writeVarint(counter) }
        body.writeCount(machine.records.slots)
        body.writeVarint(machine.records.wheel.current.millisecondsSince1970)
        body.writeCount(machine.records.wheel.pendingLevel)
        stage = .records
    }

    private mutating func writeRecords(_ body: inout ByteWriter) {
        while position < machine.records.slots, body.count < Limits.snapshotSectionBytes {
            let id = RecordID(position)
            let payload = machine.records.payload(id)
            body.writeLengthPrefixed(payload[...])
            if !payload.isEmpty {
                let deadline = machine.records.deadline(id)
                body.writeVarint(deadline.map { $0.millisecondsSince1970 + 1 } ?? 0)
            }
            position += 1
        }
        guard position == machine.records.slots else { return }
        stage = .free
        position = 0
    }

    private mutating func writeFree(_ body: inout ByteWriter) {
        while position < machine.records.free.count, body.count < Limits.snapshotSectionBytes {
            body.writeVarint(UInt64(machine.records.free[position]))
            position += 1
        }
        guard position == machine.records.free.count else { return }
        stage = .timers
    }

    private mutating func writeTimers(_ body: inout ByteWriter) {
        let wheel = machine.records.wheel
        while slot < TimerWheel.slotCount, body.count < Limits.snapshotSectionBytes {
            let run = nextRun(in: wheel)
            guard !run.timers.isEmpty else { continue }
            body.writeCount(run.slot)
            body.writeCount(run.timers.count)
            for timer in run.timers { body.writeVarint(UInt64(timer)) }
        }
        if slot == TimerWheel.slotCount { stage = .end }
    }

    /// The next at most 4,096 timers of the current slot's list; moves on to the next slot at its
    /// end.
    private mutating func nextRun(in wheel: TimerWheel) -> (slot: Int, timers: [UInt32]) {
        let here = slot
        var timers: [UInt32] = []
        var following = timer ?? wheel.first(inSlot: slot)
        while let next = following, timers.count < 4_096 {
            timers.append(next)
            following = wheel.timer(after: next)
        }
        timer = following
        if following == nil { slot += 1 }
        return (here, timers)
    }

    private static func framed(_ tag: SnapshotSection, _ body: [UInt8]) -> [UInt8] {
        var frame = ByteWriter(capacity: SnapshotFormat.frameBytes + body.count)
        frame.write(tag.rawValue)
        frame.write(UInt32(body.count))
        let seed = CRC32C.checksum(CollectionOfOne(tag.rawValue))
        frame.write(CRC32C.checksum(body, seed: seed))
        frame.write(body)
        return frame.bytes
    }
}

extension SessionMachine {
    /// The whole snapshot in one array, for tests and small groups.
    package func encodedSnapshot() -> [UInt8] {
        var encoder = SnapshotEncoder(self)
        var bytes: [UInt8] = []
        while let section = encoder.next() { bytes.append(contentsOf: section) }
        return bytes
    }
}
