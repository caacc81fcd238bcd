import HoldfastWire
import NIOCore
import Testing

@testable import HoldfastClient

private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
private let one = NodeAddress(host: "one", port: 1)
private let two = NodeAddress(host: "two", port: 2)

private func progress(_ effect: CallEffect) -> CallProgress {
    CallProgress(effect: effect, deadline: start + .seconds(10))
}

extension CallProgress {
    fileprivate mutating func error(_ text: String, at now: NIODeadline = start) -> Action {
        answered(.error(text), by: one, now: now, jitter: 0)
    }

    fileprivate mutating func lost(at now: NIODeadline = start) -> Action {
        failed(.lost("gone"), at: one, now: now, jitter: 0)
    }
}

extension CallProgress.Action {
    fileprivate var retry: CallProgress.Retry? {
        if case .retry(let retry) = self { retry } else { nil }
    }

    fileprivate var error: HoldfastError? {
        if case .fail(let error) = self { error } else { nil }
    }
}

@Suite struct CallProgressTests {
    @Test func `A reply finishes`() {
        var progress = progress(.once)
        let action = progress.answered(.null, by: one, now: start, jitter: 0)
        #expect(action == .finish(.null))
    }

    @Test func `A redirection is followed at once`() {
        var progress = progress(.once)
        let retry = progress.error("MOVED 7 two:2").retry
        #expect(retry?.target == two)
        #expect(retry?.pause == .zero)
        #expect(retry?.isMapDoubtful == true)
    }

    @Test func `Redirections in a row are bounded`() {
        var progress = progress(.once)
        for _ in 0..<Limits.redirectionsMax {
            #expect(progress.error("MOVED 7 two:2").retry?.target == two)
        }
        #expect(progress.error("MOVED 7 two:2").retry?.target == nil)
    }

    @Test func `A redirection to the same node is no redirection`() {
        var progress = progress(.once)
        #expect(progress.error("MOVED 7 one:1").retry?.target == nil)
        #expect(progress.error("MOVED 7 one:1").retry?.pause == .milliseconds(10))
    }

    @Test func `Redirections end with the deadline`() {
        var progress = progress(.once)
        let error = progress.error("MOVED 7 two:2", at: start + .seconds(10)).error
        #expect(error?.code == .deadlineExceeded)
        #expect(error?.outcome == .notDone)
    }

    @Test(arguments: ["UNAVAILABLE no leader", "TRYAGAIN later", "OVERLOADED", "CLUSTERDOWN x"])
    func `What was not done is tried again, whatever it does`(text: String) {
        for effect in [CallEffect.read, .idempotent, .once] {
            var progress = progress(effect)
            #expect(progress.error(text).retry != nil)
            let error = progress.error(text, at: start + .seconds(10)).error
            #expect(error?.code == .deadlineExceeded)
            #expect(error?.outcome == .notDone)
        }
    }

    @Test(arguments: [
        ("CONFLICT the id is taken", HoldfastError.Refusal.conflict), ("LIMIT no more", .limit),
        ("OOM full", .full), ("NOPERM no", .notPermitted), ("ERR syntax error", .error),
        ("WRONGTYPE x", HoldfastError.Refusal(rawValue: "WRONGTYPE")),
    ])
    func `A refusal ends the call`(text: String, refusal: HoldfastError.Refusal) {
        var progress = progress(.idempotent)
        let error = progress.error(text).error
        #expect(error?.code == .refused)
        #expect(error?.refusal == refusal)
        #expect(error?.outcome == .notDone)
        #expect(error.map { text.hasSuffix($0.message) } == true)
    }

    @Test func `A lost call is repeated when that is safe`() {
        var read = progress(.read)
        var idempotent = progress(.idempotent)
        var once = progress(.once)
        #expect(read.lost().retry?.avoided == one)
        #expect(idempotent.lost().retry?.avoided == one)
        #expect(once.lost().error?.code == .outcomeUnknown)
        #expect(once.outcome == .unknown)
    }

    @Test func `The server's unknown outcome is one too`() {
        var once = progress(.once)
        let text = "UNAVAILABLE the leader changed; the outcome is unknown"
        #expect(once.error(text).error?.code == .outcomeUnknown)
        var idempotent = progress(.idempotent)
        #expect(idempotent.error(text).retry != nil)
    }

    @Test func `Once unknown, an outcome stays unknown`() {
        var progress = progress(.idempotent)
        _ = progress.lost()
        _ = progress.error("TRYAGAIN")
        #expect(progress.error("OOM full").error?.outcome == .unknown)
        let error = progress.error("TRYAGAIN", at: start + .seconds(10)).error
        #expect(error?.code == .deadlineExceeded)
        #expect(error?.outcome == .unknown)
    }

    @Test func `A read never has an unknown outcome`() {
        var progress = progress(.read)
        _ = progress.lost()
        #expect(progress.lost(at: start + .seconds(10)).error?.outcome == .notDone)
    }

    @Test(arguments: [true, false])
    func `Deadline and cancellation say whether it was sent`(sent: Bool) {
        var expired = progress(.once)
        var cancelled = progress(.once)
        let late = expired.failed(.expired(sent: sent), at: one, now: start, jitter: 0).error
        let gone = cancelled.failed(.cancelled(sent: sent), at: one, now: start, jitter: 0).error
        #expect(late?.code == .deadlineExceeded)
        #expect(gone?.code == .cancelled)
        #expect(late?.outcome == (sent ? .unknown : .notDone))
        #expect(gone?.outcome == (sent ? .unknown : .notDone))
    }

    @Test func `Pauses grow from nothing to their bound, less at most a half`() {
        #expect(Backoff.pause(after: 0, jitter: 1_023) == .zero)
        for failures in 1..<100 {
            let most = Backoff.pause(after: failures, jitter: 0)
            let least = Backoff.pause(after: failures, jitter: 1_023)
            #expect(most <= TimeAmount(Limits.backoffMax))
            #expect(most >= Backoff.pause(after: failures - 1, jitter: 0))
            #expect(least.nanoseconds * 2 >= most.nanoseconds)
        }
        #expect(Backoff.pause(after: 99, jitter: 0) == TimeAmount(Limits.backoffMax))
    }

    @Test func `An overloaded server is given time at once`() {
        var progress = progress(.read)
        #expect(progress.error("OVERLOADED").retry?.pause == .milliseconds(50))
    }
}
