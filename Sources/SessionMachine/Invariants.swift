// What must hold between any two commands, on one page. Tests call it after every
// step; it walks everything, so nothing else should.

extension SessionMachine {
    /// Sentences about what is wrong; empty when all is well.
    package func checkInvariants() -> [String] {
        var broken: [String] = []
        checkLayouts(&broken)
        // The other checks read through the layouts: a record that has none would trap them.
        guard broken.isEmpty else { return broken }
        checkRecords(&broken)
        checkIndexes(&broken)
        checkSubjects(&broken)
        broken.append(contentsOf: records.wheel.checkInvariants())
        if records.wheel.current > time { broken.append("the wheel is ahead of machine time") }
        return broken
    }

    /// The digest from scratch, for comparison with the running one.
    package func recomputedDigestSum() -> UInt64 {
        var sum: UInt64 = 0
        for id in usedRecords {
            let deadline = records.deadline(id)
            sum &+= DigestFunction.contribution(records.payload(id), deadline: deadline)
        }
        return sum
    }

    private var usedRecords: [RecordID] {
        (0..<records.slots).map { RecordID($0) }.filter { !records.payload($0).isEmpty }
    }

    /// Every record's bytes are what their kind says.
    private func checkLayouts(_ broken: inout [String]) {
        for id in usedRecords {
            let payload = records.payload(id)
            switch RecordKind(rawValue: payload[0]) {
            case .value:
                if !ValueLayout.isWellFormed(payload) { broken.append("value \(id) malformed") }
            case .session:
                let isIntact = SessionLayout.isWellFormedSession(payload)
                if !isIntact { broken.append("session \(id) malformed") }
            case .tombstone:
                let isIntact = SessionLayout.isWellFormedTombstone(payload)
                if !isIntact { broken.append("tombstone \(id) malformed") }
            case nil: broken.append("record \(id) is of no kind")
            }
        }
    }

    /// No two ids of the group have one sequence number, and a session keeps to its bound.
    private func checkSequences(_ broken: inout [String]) {
        var seen: Set<UInt64> = []
        for id in usedRecords {
            let payload = records.payload(id)
            let sequence: UInt64
            switch records.kind(id) {
            case .value: continue
            case .session:
                let view = SessionView(payload: payload)
                sequence = view.sequence
                if view.bytes > Limits.sessionBytes { broken.append("session \(id) is too large") }
            case .tombstone:
                guard let link = TombstoneView(payload: payload).link else { continue }
                sequence = link.ownSequence
                if link.sequence >= nextSequence { broken.append("link \(id) into the future") }
            }
            if !seen.insert(sequence).inserted { broken.append("sequence \(sequence) twice") }
            if sequence >= nextSequence { broken.append("sequence \(sequence) of the future") }
        }
    }

    /// Deadlines, free numbers, sums.
    private func checkRecords(_ broken: inout [String]) {
        var bytes = 0
        for id in usedRecords {
            let payload = records.payload(id)
            bytes += payload.count
            switch records.kind(id) {
            case .value: break
            case .session:
                let deadline = SessionView(payload: payload).deadline
                if records.deadline(id) != deadline { broken.append("session \(id): deadline") }
            case .tombstone:
                if records.deadline(id) == nil { broken.append("tombstone \(id) is for ever") }
            }
        }
        checkSequences(&broken)
        if bytes != records.payloadBytes { broken.append("payload bytes do not add up") }
        if recomputedDigestSum() != records.digestSum { broken.append("digest is not the sum") }
        if usedRecords.count != records.count { broken.append("free numbers do not add up") }
        for position in 0..<records.free.count {
            let id = records.free[position]
            if !records.payload(id).isEmpty { broken.append("free number \(id) is in use") }
            if records.deadline(id) != nil { broken.append("free number \(id) has a timer") }
        }
    }

    /// Every record is in the right bucket of the right index, once; the indexes hold nothing else.
    private func checkIndexes(_ broken: inout [String]) {
        var kinds = [0, 0, 0]
        for id in usedRecords {
            let payload = records.payload(id)
            let kind = records.kind(id)
            kinds[Int(kind.rawValue) - 1] += 1
            let found: RecordID?
            switch kind {
            case .value:
                let key = Key(ValueLayout.key(of: payload))
                found = value(key, hash: hash(key.bytes))
            case .session, .tombstone:
                let handle = SessionLayout.handle(of: payload)
                found = session(handle, hash: hash(handle))
            }
            if found != id { broken.append("record \(id) is not what its name finds") }
        }
        if kinds[0] != values.count { broken.append("the value index has other entries") }
        if kinds[1] + kinds[2] != sessions.count {
            broken.append("the session index has other entries")
        }
        if kinds[2] != tombstones { broken.append("tombstones are miscounted") }
        for index in [values, sessions] {
            broken.append(contentsOf: index.checkInvariants())
        }
    }

    /// The lists hold exactly the sessions, under their subject, in order of creation.
    private func checkSubjects(_ broken: inout [String]) {
        var listed = 0
        for list in subjects.allLists {
            listed += list.count
            // A tombstone has no subject to read, and a free number nothing at all.
            let session = RecordKind.session.rawValue
            guard list.allSatisfy({ records.payload($0).first == session }) else {
                broken.append("a subject list holds an ended session")
                continue
            }
            let views = list.map { SessionView(payload: records.payload($0)) }
            guard let first = views.first else {
                broken.append("an empty subject list")
                continue
            }
            if !views.allSatisfy({ $0.subject == first.subject }) {
                broken.append("a subject list holds another's session")
            }
            let sequences = views.map(\.sequence)
            if zip(sequences, sequences.dropFirst()).contains(where: { $0 >= $1 }) {
                broken.append("a subject list is out of order")
            }
        }
        if listed != sessions.count - tombstones { broken.append("a session is in no list") }
    }
}

extension HashIndex {
    /// Sentences about what is wrong; empty when all is well.
    func checkInvariants() -> [String] {
        var broken: [String] = []
        var sum = 0
        for number in 0..<bucketCount {
            for entry in bucket(number) {
                sum += 1
                if bucketNumber(of: entry.hash) != number { broken.append("a wrong bucket") }
            }
        }
        if sum != count { broken.append("the index is miscounted") }
        return broken
    }
}

extension TimerWheel {
    /// Sentences about what is wrong; empty when all is well.
    package func checkInvariants() -> [String] {
        var broken: [String] = []
        var linked = 0
        for slot in 0..<Self.slotCount {
            let bit = occupied[slot / Self.slotsPerLevel] >> UInt64(slot % Self.slotsPerLevel) & 1
            if (bit == 1) != (heads[slot] != Self.none) { broken.append("slot \(slot): bitmap") }
            var previous = Self.slotMark + UInt32(slot)
            var timer = first(inSlot: slot)
            while let here = timer, linked <= slots {
                linked += 1
                let node = nodes[Int(here)]
                if node.previous != previous { broken.append("timer \(here): back link") }
                if let deadline = deadline(of: here), !belongs(deadline, inSlot: slot) {
                    broken.append("timer \(here) in slot \(slot)")
                }
                previous = here
                timer = self.timer(after: here)
            }
        }
        let scheduled = (0..<slots).count { deadline(of: UInt32($0)) != nil }
        if linked != count { broken.append("\(linked) timers linked, \(count) counted") }
        if scheduled != count { broken.append("\(scheduled) deadlines, \(count) counted") }
        return broken
    }
}
