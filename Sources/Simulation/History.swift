// What the clients saw, by object: each plain key, and each subject with its sessions, is judged by
// itself (linearizability is local: Herlihy and Wing, 1990).

import Checkers

struct History {
    private var keys: [Int: [Operation<RegisterCall, RegisterReply>]] = [:]
    private var subjects: [Int: [SessionModel.Attempt]] = [:]

    /// An attempt that was answered.
    mutating func answered(
        _ work: Work,
        _ reply: WorkReply,
        client: Int,
        called: UInt64,
        at now: UInt64
    ) -> Bool {
        switch (work, reply) {
        case (.key(let key, let call, _), .key(let reply)):
            keys[key, default: []].append(
                Operation(process: client, called: called, returned: now, call: call, reply: reply)
            )
        case (.session(let subject, let call), .session(let reply)):
            subjects[subject, default: []].append(
                Operation(process: client, called: called, returned: now, call: call, reply: reply)
            )
        default: return false
        }
        return true
    }

    /// An attempt of which nobody knows what came.
    mutating func lost(_ work: Work, client: Int, called: UInt64) {
        guard !work.isRead else { return }
        switch work {
        case .key(let key, let call, _):
            let operation = Operation<RegisterCall, RegisterReply>(
                process: client,
                called: called,
                call: call
            )
            keys[key, default: []].append(operation)
        case .session(let subject, let call):
            let attempt = SessionModel.Attempt(process: client, called: called, call: call)
            subjects[subject, default: []].append(attempt)
        }
    }

    /// What is still open at the end.
    mutating func close(_ clients: [Client]) {
        for client in clients {
            guard let current = client.current, current.isOut else { continue }
            lost(current.work, client: client.number, called: current.called)
        }
    }

    /// One verdict for each object and judge, in a fixed order.
    func judge(clocks: ClockBounds, rules: SessionRules, claimsReads: Bool) -> [Verdict] {
        var verdicts: [Verdict] = []
        for key in keys.keys.sorted() {
            var history = keys[key] ?? []
            if !claimsReads { history.removeAll { $0.call == .get } }
            verdicts.append(named("key \(key)", RegisterModel(clocks: clocks).verdict(on: history)))
            if key >= Workload.firstFloorKey { verdicts.append(FloorOracle.judge(history)) }
        }
        for subject in subjects.keys.sorted() {
            var history = subjects[subject] ?? []
            if !claimsReads { history = history.compactMap(withoutReads) }
            let model = SessionModel(clocks: clocks, rules: rules)
            verdicts.append(named("subject \(subject)", model.verdict(on: history)))
            let oracle = SessionOracle(clocks: clocks, rules: rules)
            verdicts.append(named("subject \(subject)", oracle.judge(history)))
        }
        return verdicts
    }

    /// A use may have been logged, whatever it was told.
    private func withoutReads(_ attempt: SessionModel.Attempt) -> SessionModel.Attempt? {
        switch attempt.call {
        case .list, .validate(_, isUse: false): nil
        case .validate:
            SessionModel.Attempt(
                process: attempt.process,
                called: attempt.called,
                call: attempt.call
            )
        default: attempt
        }
    }

    private func named(_ name: String, _ verdict: Verdict) -> Verdict {
        if case .broken(let reason) = verdict { return .broken("\(name): \(reason)") }
        return verdict
    }
}
