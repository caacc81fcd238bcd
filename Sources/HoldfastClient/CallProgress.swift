// One call's way through its attempts: each reply or failure goes in with the time, and out comes
// what to do next. It does no I/O and reads no clock. It must never let a call end as `notDone`
// once any attempt of it may have taken effect, and never repeat a `once` call after such a one.

import HoldfastWire
import NIOCore

struct CallProgress {
    /// What to do after an attempt.
    enum Action: Equatable {
        case finish(RESPValue)
        case fail(HoldfastError)
        case retry(Retry)
    }

    /// The next attempt.
    struct Retry: Equatable {
        /// Where to go; nil: to whom the map names.
        var target: NodeAddress?
        /// Where not to go, unless there is nowhere else.
        var avoided: NodeAddress?
        var pause: TimeAmount
        /// Whether what happened suggests that the map is old.
        var isMapDoubtful: Bool
    }

    private let effect: CallEffect
    private let deadline: NIODeadline
    /// Whether an earlier attempt may have taken effect, or may yet.
    private var mayBeDone = false
    /// Redirections since the last pause.
    private var redirections = 0
    /// Attempts that ended in a failure.
    private var failures = 0

    init(effect: CallEffect, deadline: NIODeadline) {
        self.effect = effect
        self.deadline = deadline
    }

    var outcome: HoldfastError.Outcome { mayBeDone && effect != .read ? .unknown : .notDone }

    // MARK: Events

    /// A server answered. `jitter` is random, 0 to 1,023.
    mutating func answered(
        _ reply: RESPValue,
        by address: NodeAddress,
        now: NIODeadline,
        jitter: Int
    ) -> Action {
        guard case .error(let text) = reply else { return .finish(reply) }
        switch ServerError(text, answeredBy: address) {
        case .moved(_, let leader):
            return redirected(to: leader, by: address, text: text, now: now, jitter: jitter)
        case .notDone:
            return retry(avoiding: address, text, now: now, jitter: jitter)
        case .overloaded:
            return retry(avoiding: nil, text, now: now, jitter: jitter, atLeast: .overloaded)
        case .unknown:
            return unknown(avoiding: address, text, now: now, jitter: jitter)
        case .refused(let refusal, let message):
            return .fail(
                HoldfastError(.refused, outcome: outcome, message: message, refusal: refusal)
            )
        }
    }

    /// An attempt ended without a reply. `jitter` is random, 0 to 1,023.
    mutating func failed(
        _ failure: AttemptFailure,
        at address: NodeAddress,
        now: NIODeadline,
        jitter: Int
    ) -> Action {
        switch failure {
        case .notSent(let reason):
            return retry(avoiding: address, "\(address): \(reason)", now: now, jitter: jitter)
        case .lost(let reason):
            return unknown(avoiding: address, "\(address): \(reason)", now: now, jitter: jitter)
        case .expired(let sent):
            if sent { mayBeDone = true }
            return .fail(deadlineExceeded("no reply from \(address)"))
        case .cancelled(let sent):
            if sent { mayBeDone = true }
            return .fail(cancelled())
        }
    }

    func deadlineExceeded(_ last: String) -> HoldfastError {
        HoldfastError(.deadlineExceeded, outcome: outcome, message: "the deadline passed: \(last)")
    }

    func cancelled() -> HoldfastError {
        HoldfastError(.cancelled, outcome: outcome, message: "the calling task was cancelled")
    }

    func shutDown() -> HoldfastError {
        HoldfastError(.shutdown, outcome: outcome, message: "the client is shut down")
    }

    // MARK: Decisions

    private mutating func redirected(
        to leader: NodeAddress,
        by address: NodeAddress,
        text: String,
        now: NIODeadline,
        jitter: Int
    ) -> Action {
        redirections += 1
        guard redirections <= Limits.redirectionsMax, leader != address else {
            return retry(avoiding: nil, text, now: now, jitter: jitter)
        }
        guard now < deadline else { return .fail(deadlineExceeded(text)) }
        return .retry(Retry(target: leader, avoided: nil, pause: .zero, isMapDoubtful: true))
    }

    private mutating func unknown(
        avoiding address: NodeAddress,
        _ reason: String,
        now: NIODeadline,
        jitter: Int
    ) -> Action {
        mayBeDone = true
        guard effect != .once else {
            return .fail(HoldfastError(.outcomeUnknown, outcome: .unknown, message: reason))
        }
        return retry(avoiding: address, reason, now: now, jitter: jitter)
    }

    private mutating func retry(
        avoiding address: NodeAddress?,
        _ reason: String,
        now: NIODeadline,
        jitter: Int,
        atLeast floor: TimeAmount = .zero
    ) -> Action {
        let pause = max(Backoff.pause(after: failures, jitter: jitter), floor)
        failures += 1
        redirections = 0
        guard now + pause < deadline else { return .fail(deadlineExceeded(reason)) }
        return .retry(
            Retry(target: nil, avoided: address, pause: pause, isMapDoubtful: true)
        )
    }
}

/// The pauses between attempts: none after the first failure, then doubling, each cut by up to a
/// half at random so that callers who failed together do not come back together.
enum Backoff {
    static func pause(after failures: Int, jitter: Int) -> TimeAmount {
        guard failures > 0 else { return .zero }
        let first = TimeAmount(Limits.backoffFirst).nanoseconds
        let most = TimeAmount(Limits.backoffMax).nanoseconds
        let full = min(first << Int64(min(failures - 1, 16)), most)
        return .nanoseconds(full - full / 2 * Int64(jitter) / 1_024)
    }
}

extension TimeAmount {
    fileprivate static var overloaded: TimeAmount { TimeAmount(Limits.backoffOverloaded) }
}
