// Which sessions does a subject have? For each subject with a live session the numbers of those
// sessions, in the order in which their ids were given out. The subject's bytes are not stored
// again: they are read from the first of the sessions. A list goes when its last session goes, so
// nothing can leak.
//
// Wholly derived from the records: a snapshot does not contain it, and its rebuild orders sessions
// by their sequence numbers.

struct SubjectIndex: Sendable {
    private var index = HashIndex()
    private var lists = PagedArray<[RecordID]>()
    private var free = PagedArray<RecordID>()

    /// Subjects with at least one session.
    var count: Int { index.count }

    /// The subject's sessions in the order of their ids, those past their deadline and not yet
    /// swept included.
    func sessions(
        of subject: ArraySlice<UInt8>,
        hash: UInt32,
        in records: RecordTable
    ) -> [RecordID] {
        guard let list = list(of: subject, hash: hash, in: records) else { return [] }
        return lists[Int(list)]
    }

    /// Adds the newest session of `subject`.
    mutating func append(
        _ session: RecordID,
        subject: ArraySlice<UInt8>,
        hash: UInt32,
        in records: RecordTable
    ) {
        if let list = list(of: subject, hash: hash, in: records) {
            lists[Int(list)].append(session)
        } else if free.count > 0 {
            let list = free.removeLast()
            lists[Int(list)] = [session]
            index.insert(list, hash: hash)
        } else {
            lists.append([session])
            index.insert(RecordID(lists.count - 1), hash: hash)
        }
    }

    /// Removes a session, whose record must still be there.
    mutating func remove(
        _ session: RecordID,
        subject: ArraySlice<UInt8>,
        hash: UInt32,
        in records: RecordTable
    ) {
        guard let list = list(of: subject, hash: hash, in: records),
            let position = lists[Int(list)].firstIndex(of: session)
        else { preconditionFailure("a session is missing from its subject's list") }
        lists[Int(list)].remove(at: position)
        guard lists[Int(list)].isEmpty else { return }
        lists[Int(list)] = []
        index.remove(list, hash: hash)
        free.append(list)
    }

    private func list(
        of subject: ArraySlice<UInt8>,
        hash: UInt32,
        in records: RecordTable
    ) -> RecordID? {
        for entry in index.candidates(for: hash) where entry.hash == hash {
            guard let first = lists[Int(entry.record)].first else {
                preconditionFailure("a subject without sessions")
            }
            let stored = SessionView(payload: records.payload(first)).subject
            if stored.span.bytes.isEqual(to: subject.span.bytes) { return entry.record }
        }
        return nil
    }
}

extension SubjectIndex {
    /// All lists, for checks: in no meaningful order.
    var allLists: [[RecordID]] {
        (0..<index.bucketCount).flatMap { index.bucket($0).map { lists[Int($0.record)] } }
    }
}
