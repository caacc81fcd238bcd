// Reads a snapshot in pieces of any size. The bytes come from a disk or a peer: every section has a
// checksum, and what is inside is checked again, so that no bytes can make a machine that would
// trap or disagree with itself later: records well formed and unique, each number either used or
// free, each deadline the one that the record implies, each timer in its one place, the digest as
// promised.

package import Bytes

/// Builds a machine from the sections of a snapshot.
package struct SnapshotDecoder: Sendable {
    /// Bytes that are not a whole section yet.
    private var buffer: [UInt8] = []
    private var stage = SnapshotSection.header
    private var machine: SessionMachine?
    private var slots = 0
    /// Sessions met so far, with the sequence numbers that order them.
    private var created: [(sequence: UInt64, record: RecordID)] = []
    /// The sequence numbers of the sessions that were rotated.
    private var rotated: [UInt64] = []
    private var isFree: [FreeMark] = []
    private var timerSlot = -1
    private var tail: UInt32?
    private var digest: StateDigest?

    private enum FreeMark { case used, unlisted, listed }

    package init() {}

    /// Takes the next piece of the snapshot, whole sections or not.
    package mutating func append(_ bytes: ArraySlice<UInt8>) throws(DecodeError) {
        buffer.append(contentsOf: bytes)
        var reader = ByteReader(buffer)
        var consumed = 0
        while reader.remaining >= SnapshotFormat.frameBytes {
            let byte = try reader.readUInt8()
            let length = Int(try reader.readUInt32())
            let checksum = try reader.readUInt32()
            guard let tag = SnapshotSection(rawValue: byte) else { throw .unknownTag(byte) }
            guard length <= Limits.foreignSectionBytes else { throw .tooLarge(length) }
            guard reader.remaining >= length else { break }
            let body = try reader.readBytes(count: length)
            let seed = CRC32C.checksum(CollectionOfOne(byte))
            guard CRC32C.checksum(body, seed: seed) == checksum else { throw .checksumMismatch }
            try read(tag, ByteReader(body))
            consumed += SnapshotFormat.frameBytes + length
        }
        buffer.removeFirst(consumed)
    }

    /// The machine, after the last piece.
    package consuming func finish() throws(DecodeError) -> SessionMachine {
        guard buffer.isEmpty else { throw .truncated }
        guard let digest, var machine else { throw .truncated }
        let timed = (0..<machine.records.slots).count { index in
            machine.records.deadline(RecordID(index)) != nil
        }
        guard timed == machine.records.wheel.count else { throw .invalid("a timer is missing") }
        guard !isFree.contains(.unlisted) else { throw .invalid("a free number is missing") }
        created.sort { $0.sequence < $1.sequence }
        for (index, session) in created.enumerated() {
            let isAscending = index == 0 || created[index - 1].sequence < session.sequence
            guard isAscending, session.sequence < machine.nextSequence else {
                throw .invalid("two sessions created at once")
            }
            machine.restoreSubject(of: session.record)
        }
        try checkRotated()
        guard machine.digest == digest else { throw .invalid("not the state that was written") }
        return machine
    }

    /// No two ids were given out at once. `created` is in order.
    private mutating func checkRotated() throws(DecodeError) {
        rotated.sort()
        var place = 0
        for (index, sequence) in rotated.enumerated() {
            while place < created.count, created[place].sequence < sequence { place += 1 }
            let isSession = place < created.count && created[place].sequence == sequence
            guard !isSession, index == 0 || rotated[index - 1] < sequence else {
                throw .invalid("two ids given out at once")
            }
        }
    }

    private mutating func read(
        _ tag: SnapshotSection,
        _ body: ByteReader
    ) throws(DecodeError) {
        guard digest == nil, tag >= stage else { throw .invalid("a section out of order") }
        guard (tag == .header) == (machine == nil) else { throw .invalid("not one header") }
        stage = tag
        var body = body
        switch tag {
        case .header: try readHeader(&body)
        case .records: while !body.isAtEnd { try readRecord(&body) }
        case .free: while !body.isAtEnd { try readFree(&body) }
        case .timers: while !body.isAtEnd { try readTimers(&body) }
        case .end:
            digest = StateDigest(rawValue: try body.readUInt64())
            try body.expectEnd()
        }
    }

    private mutating func readHeader(_ body: inout ByteReader) throws(DecodeError) {
        let version = try body.readUInt8()
        guard version == SnapshotFormat.version else { throw .unknownTag(version) }
        let low = try body.readUInt64()
        var machine = SessionMachine(seed: HashSeed(low: low, high: try body.readUInt64()))
        machine.time = try body.readTime()
        machine.nextSequence = try body.readVarint()
        // Sequence numbers count logins: half the range is out of reach of honest bytes.
        guard machine.nextSequence <= UInt64.max / 2 else { throw .invalid("no such sequence") }
        var words: [UInt64] = []
        for _ in 0..<Counters.wordCount { words.append(try body.readVarint()) }
        machine.counters = Counters(words: words)
        slots = try body.readCount(limit: Limits.recordSlots)
        let current = try body.readTime()
        guard current <= machine.time else { throw .invalid("a wheel ahead of its time") }
        let level = try body.readCount(limit: TimerWheel.levels - 1)
        try machine.records.withWheel { (wheel) throws(DecodeError) in
            try wheel.restorePosition(current: current, pendingLevel: level)
        }
        try body.expectEnd()
        self.machine = machine
    }

    private mutating func readRecord(_ body: inout ByteReader) throws(DecodeError) {
        guard isFree.count < slots else { throw .invalid("more records than announced") }
        let limit = ValueLayout.headerBytes + Limits.keyBytes + Limits.valueBytes
        let bytes = try body.readLengthPrefixed(limit: limit)
        guard !bytes.isEmpty else {
            machine?.records.restore(nil)
            isFree.append(.unlisted)
            return
        }
        let raw = try body.readVarint()
        guard raw <= MachineTime.latest.millisecondsSince1970 + 1 else {
            throw .invalid("a deadline after the end of time")
        }
        let deadline = raw == 0 ? nil : MachineTime(millisecondsSince1970: raw - 1)
        let record = RecordID(isFree.count)
        isFree.append(.used)
        let sequence = try machine?.restore(record, payload: Array(bytes), deadline: deadline)
        if let sequence { created.append((sequence, record)) }
        guard bytes.first == RecordKind.tombstone.rawValue,
            let payload = machine?.records.payload(record),
            let link = TombstoneView(payload: payload).link
        else { return }
        guard link.sequence < machine?.nextSequence ?? 0 else {
            throw .invalid("a link into the future")
        }
        rotated.append(link.ownSequence)
    }

    private mutating func readFree(_ body: inout ByteReader) throws(DecodeError) {
        guard isFree.count == slots else { throw .invalid("fewer records than announced") }
        let id = try body.readCount(limit: Limits.recordSlots)
        guard id < slots, isFree[id] == .unlisted else { throw .invalid("not a free number") }
        isFree[id] = .listed
        machine?.records.restoreFree(RecordID(id))
    }

    private mutating func readTimers(_ body: inout ByteReader) throws(DecodeError) {
        let slot = try body.readCount(limit: TimerWheel.slotCount - 1)
        guard slot >= timerSlot else { throw .invalid("the wheel's slots are out of order") }
        if slot != timerSlot { tail = nil }
        timerSlot = slot
        let count = try body.readCount(limit: Limits.recordSlots)
        for _ in 0..<count {
            let id = UInt32(try body.readCount(limit: Limits.recordSlots))
            let previous = tail
            try machine?.records.withWheel { (wheel) throws(DecodeError) in
                try wheel.restore(id, inSlot: slot, after: previous)
            }
            tail = id
        }
    }
}

extension SessionMachine {
    /// A machine from a whole snapshot.
    package init(snapshot bytes: [UInt8]) throws(DecodeError) {
        var decoder = SnapshotDecoder()
        try decoder.append(bytes[...])
        self = try decoder.finish()
    }

    /// Adds one record of a snapshot under the next number; the sequence number of a session.
    fileprivate mutating func restore(
        _ record: RecordID,
        payload: [UInt8],
        deadline: MachineTime?
    ) throws(DecodeError) -> UInt64? {
        guard let kind = RecordKind(rawValue: payload[0]) else { throw .unknownTag(payload[0]) }
        switch kind {
        case .value:
            guard ValueLayout.isWellFormed(payload) else { throw .invalid("not a value") }
            let key = Key(ValueLayout.key(of: payload))
            let hash = hash(key.bytes)
            guard value(key, hash: hash) == nil else { throw .invalid("a key twice") }
            records.restore((payload, deadline))
            values.insert(record, hash: hash)
            return nil
        case .session:
            guard SessionLayout.isWellFormedSession(payload) else {
                throw .invalid("not a session")
            }
            let view = SessionView(payload: payload)
            guard view.deadline == deadline else { throw .invalid("not its deadline") }
            // The whole record is more than what counts, and quickly looked at.
            guard payload.count <= Limits.sessionBytes || view.bytes <= Limits.sessionBytes else {
                throw .tooLarge(view.bytes)
            }
            try restoreHandle(of: record, payload, deadline)
            return view.sequence
        case .tombstone:
            guard SessionLayout.isWellFormedTombstone(payload), deadline != nil else {
                throw .invalid("not a tombstone")
            }
            try restoreHandle(of: record, payload, deadline)
            tombstones += 1
            return nil
        }
    }

    private mutating func restoreHandle(
        of record: RecordID,
        _ payload: [UInt8],
        _ deadline: MachineTime?
    ) throws(DecodeError) {
        let handle = SessionLayout.handle(of: payload)
        let hash = hash(handle)
        guard session(handle, hash: hash) == nil else { throw .invalid("a handle twice") }
        records.restore((payload, deadline))
        sessions.insert(record, hash: hash)
    }

    /// Adds a session to its subject's list; called in order of creation.
    fileprivate mutating func restoreSubject(of record: RecordID) {
        let subject = SessionView(payload: records.payload(record)).subject
        subjects.append(record, subject: subject, hash: hash(subject), in: records)
    }
}
