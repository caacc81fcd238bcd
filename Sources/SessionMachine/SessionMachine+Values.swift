// The writes of the Redis face, as Redis 7.0 does them. A deadline that has already passed deletes.

extension SessionMachine {
    mutating func apply(_ set: SetValue) -> Outcome {
        guard set.key.bytes.count <= Limits.keyBytes, set.value.count <= Limits.valueBytes else {
            return .refused(.tooLarge)
        }
        let hash = hash(set.key.bytes)
        let existing = settledValue(set.key, hash: hash)
        let answer = answer(to: set, existing: existing)
        switch set.condition {
        case .always: break
        case .ifAbsent: if existing != nil { return answer.unstored }
        case .ifPresent: if existing == nil { return answer.unstored }
        }
        let deadline = deadline(after: set.expiry, of: existing)
        if let deadline, deadline <= time {
            if let existing { removeValue(existing) }
        } else if let existing {
            let payload = ValueLayout.payload(key: set.key, value: set.value)
            records.replace(existing, with: payload, deadline: deadline)
        } else {
            guard !records.isFull else { return .refused(.full) }
            let payload = ValueLayout.payload(key: set.key, value: set.value)
            values.insert(records.insert(payload, deadline: deadline), hash: hash)
        }
        return answer.stored
    }

    mutating func getExpiring(_ key: Key, _ change: ExpiryChange) -> Outcome {
        guard let record = settledValue(key, hash: hash(key.bytes)) else { return .value(nil) }
        let value = ValueLayout.value(of: records.payload(record))
        guard change != .keep else { return .value(value) }
        setDeadline(record, deadline(after: change, of: record))
        return .value(value)
    }

    mutating func getDeleting(_ key: Key) -> Outcome {
        guard let record = settledValue(key, hash: hash(key.bytes)) else { return .value(nil) }
        let value = ValueLayout.value(of: records.payload(record))
        removeValue(record)
        return .value(value)
    }

    mutating func delete(_ keys: [Key]) -> Outcome {
        var removed = 0
        for key in keys {
            guard let record = settledValue(key, hash: hash(key.bytes)) else { continue }
            removeValue(record)
            removed += 1
        }
        return .integer(removed)
    }

    mutating func expire(
        _ key: Key,
        _ expiry: ExpiryTime,
        _ condition: ExpireCondition
    ) -> Outcome {
        guard let record = settledValue(key, hash: hash(key.bytes)) else { return .integer(0) }
        let deadline = expiry.resolved(at: time)
        guard condition.allows(deadline, replacing: records.deadline(record)) else {
            return .integer(0)
        }
        setDeadline(record, deadline)
        return .integer(1)
    }

    mutating func persist(_ key: Key) -> Outcome {
        guard let record = settledValue(key, hash: hash(key.bytes)),
            records.deadline(record) != nil
        else { return .integer(0) }
        records.setDeadline(record, nil)
        return .integer(1)
    }

    /// Removes a plain value, live or over.
    mutating func removeValue(_ record: RecordID) {
        let key = ValueLayout.key(of: records.payload(record))
        values.remove(record, hash: hash(key))
        records.remove(record)
    }

    /// The record of `key`, whatever its deadline.
    func value(_ key: Key, hash: UInt32) -> RecordID? {
        for entry in values.candidates(for: hash) where entry.hash == hash {
            if ValueLayout.hasKey(records.payload(entry.record), key) { return entry.record }
        }
        return nil
    }

    /// The live record of `key`; one that is over is removed first.
    private mutating func settledValue(_ key: Key, hash: UInt32) -> RecordID? {
        guard let record = value(key, hash: hash) else { return nil }
        guard isOver(record) else { return record }
        settle(record)
        return nil
    }

    /// Sets a live value's deadline; one that has passed deletes it.
    private mutating func setDeadline(_ record: RecordID, _ deadline: MachineTime?) {
        if let deadline, deadline <= time { return removeValue(record) }
        records.setDeadline(record, deadline)
    }

    private func deadline(after change: ExpiryChange, of record: RecordID?) -> MachineTime? {
        switch change {
        case .clear: nil
        case .keep: record.flatMap { records.deadline($0) }
        case .to(let expiry): expiry.resolved(at: time)
        }
    }

    /// What SET says when it stored and when it did not.
    private func answer(
        to set: SetValue,
        existing: RecordID?
    ) -> (stored: Outcome, unstored: Outcome) {
        switch set.reply {
        case .status: return (.ok, .notStored)
        case .oldValue:
            let old = existing.map { ValueLayout.value(of: records.payload($0)) }
            return (.value(old), .value(old))
        }
    }
}
