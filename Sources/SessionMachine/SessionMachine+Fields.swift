// SET, UNSET and TAKE on a session's fields. They need a live session and its secret, and make
// none: a request that comes late, after the session's end, is told so and leaves nothing behind.

extension SessionMachine {
    mutating func apply(_ set: SetFields) -> Outcome {
        onLiveSession(set.handle, set.digest) { $0.set($1, set) }
    }

    private mutating func set(_ record: RecordID, _ set: SetFields) -> Outcome {
        let view = SessionView(payload: records.payload(record))
        if let answer = view.answer(to: set.request) {
            guard case .version(let version) = answer else { return .refused(.requestReused) }
            return .version(version)
        }
        if let wanted = set.ifVersion, wanted != view.version { return .conflict(view.version) }
        var fields = view.fields
        for field in set.fields {
            if let place = fields.firstIndex(where: { $0.name == field.name }) {
                fields[place].value = field.value
            } else {
                fields.append(field)
            }
        }
        let version = view.version + 1
        var change = FieldChange(fields: fields, version: version)
        change.remember(.version(version), to: set.request, after: view.requests)
        return store(change, in: record, view) ?? .version(version)
    }

    mutating func apply(_ unset: UnsetFields) -> Outcome {
        onLiveSession(unset.handle, unset.digest) { $0.unset($1, unset) }
    }

    private mutating func unset(_ record: RecordID, _ unset: UnsetFields) -> Outcome {
        let view = SessionView(payload: records.payload(record))
        if let answer = view.answer(to: unset.request) {
            guard case .removed(let count) = answer else { return .refused(.requestReused) }
            return .integer(count)
        }
        let before = view.fields
        let fields = before.filter { !unset.names.contains($0.name) }
        let removed = before.count - fields.count
        var change = FieldChange(fields: fields, version: view.version + (removed > 0 ? 1 : 0))
        change.remember(.removed(removed), to: unset.request, after: view.requests)
        return store(change, in: record, view) ?? .integer(removed)
    }

    mutating func apply(_ take: TakeField) -> Outcome {
        onLiveSession(take.handle, take.digest) { $0.take($1, take) }
    }

    private mutating func take(_ record: RecordID, _ take: TakeField) -> Outcome {
        let view = SessionView(payload: records.payload(record))
        if let answer = view.answer(to: take.request) {
            guard case .taken(let value) = answer else { return .refused(.requestReused) }
            return .value(value)
        }
        var fields = view.fields
        let place = fields.firstIndex { $0.name == take.name }
        let value = place.map { fields.remove(at: $0).value }
        var change = FieldChange(fields: fields, version: view.version + (value == nil ? 0 : 1))
        change.remember(.taken(value), to: take.request, after: view.requests)
        return store(change, in: record, view) ?? .value(value)
    }

    /// Nil where it was stored.
    private mutating func store(
        _ change: FieldChange,
        in record: RecordID,
        _ view: SessionView
    ) -> Outcome? {
        var change = change
        // Fields come before the memory of what others have taken.
        let room = Limits.sessionBytes - view.labelBytes - change.fieldBytes
        while change.rememberedBytes > room, change.requests.count > change.ownRequests {
            change.requests.removeFirst()
        }
        guard change.fields.count <= Limits.fields, change.rememberedBytes <= room else {
            return .refused(.tooLarge)
        }
        let payload = SessionLayout.payload(of: view, with: change)
        records.replace(record, with: payload, deadline: view.deadline)
        return nil
    }
}

/// What a session's fields become.
struct FieldChange {
    var fields: [SessionField]
    var version: UInt64
    /// Oldest first.
    var requests: [RememberedRequest] = []
    /// How many of them, the newest, are of this very change: one where it has an id.
    private(set) var ownRequests = 0

    init(fields: [SessionField], version: UInt64) {
        self.fields = fields
        self.version = version
    }

    /// What they are.
    init(_ session: SessionView) {
        fields = session.fields
        version = session.version
        requests = session.requests
    }

    /// The answer to this change, after the others that are remembered.
    mutating func remember(
        _ answer: RememberedRequest.Answer,
        to request: RequestID?,
        after others: [RememberedRequest]
    ) {
        requests = others
        guard let request else { return }
        requests.append(RememberedRequest(id: request, answer: answer))
        requests = requests.suffix(Limits.requestsRemembered)
        ownRequests = 1
    }

    var fieldBytes: Int { fields.reduce(0) { $0 + $1.name.count + $1.value.count } }

    var rememberedBytes: Int { requests.reduce(0) { $0 + $1.valueBytes } }
}

extension SessionView {
    /// The answer to `request` where it was carried out before and is remembered.
    func answer(to request: RequestID?) -> RememberedRequest.Answer? {
        guard let request else { return nil }
        return requests.first { $0.id == request }?.answer
    }
}
