// What the judge of sessions has to know of the judged system: its times and bounds. They are given
// by whoever runs it, and never read from the code that is judged.

/// The rules of the judged system that the judge has to know. Nanoseconds.
package struct SessionRules: Hashable, Sendable {
    /// A use is logged if the last logged one is older than this part of the idle timeout, ...
    package var granularityDivisor: UInt64
    /// ... but at most this old.
    package var granularityMax: UInt64
    /// How long an expired session is told from one that never was.
    package var expiredGrace: UInt64
    /// How long a revoked one is, at least.
    package var tombstoneFloor: UInt64
    /// Answers that a session remembers.
    package var requestsRemembered = 16

    package init(
        granularityDivisor: UInt64,
        granularityMax: UInt64,
        expiredGrace: UInt64,
        tombstoneFloor: UInt64
    ) {
        self.granularityDivisor = granularityDivisor
        self.granularityMax = granularityMax
        self.expiredGrace = expiredGrace
        self.tombstoneFloor = tombstoneFloor
    }

    func granularity(_ idle: UInt64) -> UInt64 { min(idle / granularityDivisor, granularityMax) }

    /// How long after its last logged use a session ends; nil without an idle timeout.
    func idleEnd(_ idle: UInt64) -> UInt64? { idle == 0 ? nil : plus(idle, granularity(idle)) }
}
