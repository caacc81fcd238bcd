// All records of a group: for each record number a byte string and, in the timer wheel, a deadline.
//
// It keeps together what must agree: payloads, deadlines, the free numbers, the running digest, and
// the bytes in use. What the bytes mean is told by their first one (`RecordKind`) and known to the
// layouts. Numbers are given out again last-freed first; a number's history is part of the
// replicated state, because snapshots list records by number.

/// What a record is: the first byte of its payload.
enum RecordKind: UInt8, Sendable {
    /// A plain value of the Redis face.
    case value = 1
    /// A session that has not been ended; its deadline may have passed.
    case session = 2
    /// What is left of an ended session.
    case tombstone = 3
}

struct RecordTable: Sendable {
    /// Empty for a free number; a record's bytes are never empty.
    private(set) var payloads = PagedArray<[UInt8]>()
    /// Free numbers, the next one to use last.
    private(set) var free = PagedArray<RecordID>()
    private(set) var wheel = TimerWheel()
    /// The sum of all records' `DigestFunction.contribution`.
    private(set) var digestSum: UInt64 = 0
    /// The sum of all payloads' lengths.
    private(set) var payloadBytes = 0

    /// Record numbers in use and free.
    var slots: Int { payloads.count }
    /// Records in use.
    var count: Int { payloads.count - free.count }
    var isFull: Bool { free.count == 0 && payloads.count >= Limits.recordSlots }

    @inline(__always)
    func payload(_ id: RecordID) -> [UInt8] { payloads[Int(id)] }

    @inline(__always)
    func deadline(_ id: RecordID) -> MachineTime? { wheel.deadline(of: id) }

    @inline(__always)
    func kind(_ id: RecordID) -> RecordKind {
        guard let byte = payloads[Int(id)].first, let kind = RecordKind(rawValue: byte) else {
            preconditionFailure("a record number in use has no record")
        }
        return kind
    }

    /// Stores a new record; the table must not be full.
    mutating func insert(_ payload: [UInt8], deadline: MachineTime?) -> RecordID {
        precondition(!isFull)
        precondition(!payload.isEmpty)
        let id: RecordID
        if free.count > 0 {
            id = free.removeLast()
            payloads[Int(id)] = payload
        } else {
            id = RecordID(payloads.count)
            payloads.append(payload)
            wheel.addSlot()
        }
        if let deadline { wheel.schedule(id, at: deadline) }
        digestSum &+= DigestFunction.contribution(payload, deadline: deadline)
        payloadBytes += payload.count
        return id
    }

    /// Exchanges a record's bytes and deadline.
    mutating func replace(_ id: RecordID, with payload: [UInt8], deadline: MachineTime?) {
        precondition(!payload.isEmpty)
        digestSum &-= contribution(of: id)
        payloadBytes += payload.count - payloads[Int(id)].count
        payloads[Int(id)] = payload
        setTimer(id, deadline)
        digestSum &+= DigestFunction.contribution(payload, deadline: deadline)
    }

    mutating func setDeadline(_ id: RecordID, _ deadline: MachineTime?) {
        digestSum &-= contribution(of: id)
        setTimer(id, deadline)
        digestSum &+= contribution(of: id)
    }

    /// Overwrites eight bytes of a record and sets its deadline, for the touch.
    mutating func setWord(_ word: UInt64, at offset: Int, of id: RecordID, deadline: MachineTime) {
        digestSum &-= contribution(of: id)
        payloads[Int(id)].setWord(word, at: offset)
        setTimer(id, deadline)
        digestSum &+= contribution(of: id)
    }

    /// Frees a record's number.
    mutating func remove(_ id: RecordID) {
        digestSum &-= contribution(of: id)
        payloadBytes -= payloads[Int(id)].count
        payloads[Int(id)] = []
        wheel.cancel(id)
        free.append(id)
    }

    /// See `TimerWheel.due`.
    mutating func due(at now: MachineTime, budget: inout Int) -> RecordID? {
        wheel.due(at: now, budget: &budget)
    }

    @inline(__always)
    private mutating func setTimer(_ id: RecordID, _ deadline: MachineTime?) {
        if let deadline {
            wheel.schedule(id, at: deadline)
        } else {
            wheel.cancel(id)
        }
    }

    @inline(__always)
    private func contribution(of id: RecordID) -> UInt64 {
        DigestFunction.contribution(payloads[Int(id)], deadline: wheel.deadline(of: id))
    }
}

extension RecordTable {
    /// Adds the next number from a snapshot; nil for a free one.
    mutating func restore(_ record: (payload: [UInt8], deadline: MachineTime?)?) {
        payloads.append(record?.payload ?? [])
        wheel.restoreSlot(deadline: record?.deadline)
        guard let record else { return }
        digestSum &+= DigestFunction.contribution(record.payload, deadline: record.deadline)
        payloadBytes += record.payload.count
    }

    /// Adds the next entry of a snapshot's stack of free numbers.
    mutating func restoreFree(_ id: RecordID) { free.append(id) }

    /// Lets a decoder put the wheel's lists back.
    mutating func withWheel<Failure: Error>(
        _ body: (inout TimerWheel) throws(Failure) -> Void
    ) throws(Failure) {
        try body(&wheel)
    }
}
