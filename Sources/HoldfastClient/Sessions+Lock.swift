// Locks on sessions. Waiting is done here and not on the connection, which others use, too: the
// call asks again under the number that keeps its place in line.

extension Sessions {
    /// Between two questions of one that waits for a lock: far less than the time for which the
    /// server keeps its place in line.
    private static let lockPauseMin = Duration.milliseconds(10)
    private static let lockPauseMax = Duration.milliseconds(250)

    /// Takes a session's lock.
    ///
    /// - Parameters:
    ///   - token: The session's token.
    ///   - lease: How long it is held at most, up to ten minutes, rounded up to milliseconds.
    ///   - patience: How long to wait while others hold it; those who wait have it in turn.
    ///   - deadline: For each question.
    /// - Returns: The lock; `held` when it was another's all that time.
    /// - Throws: ``HoldfastError``. When its outcome is unknown the lock may be held until its
    ///   lease is over.
    public func lock(
        _ token: SessionToken,
        lease: Duration,
        waiting patience: Duration = .zero,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> LockOutcome {
        let milliseconds = lease / .milliseconds(1)
        guard milliseconds > 0, milliseconds <= 600_000 else {
            throw .invalid("a lease is above zero and at most ten minutes")
        }
        let words = Words(
            "SESSION",
            "LOCK",
            token.rawValue,
            String(Int64(milliseconds.rounded(.up))),
            "REQ",
            Self.requestID()
        )
        let end = ContinuousClock.now.advanced(by: patience)
        var pause = Self.lockPauseMin
        while true {
            guard let fence = try await number(words, token, "SESSION LOCK", deadline) else {
                return .notValid
            }
            if fence > 0 { return .locked(SessionLock(token: token, fence: fence)) }
            guard ContinuousClock.now < end else { return .held }
            do {
                // Nobody tells that a lock is free: its place in line is kept by asking again.
                try await Task.sleep(for: min(pause, ContinuousClock.now.duration(to: end)))
            } catch {
                throw HoldfastError(
                    .cancelled,
                    outcome: .notDone,
                    message: "cancelled while another held the lock"
                )
            }
            pause = min(pause * 2, Self.lockPauseMax)
        }
    }

    /// Gives a lock back.
    ///
    /// - Parameters:
    ///   - lock: The lock.
    ///   - deadline: For the whole call.
    /// - Returns: Whether the attempt that was answered gave it back. False when its lease was
    ///   over, or an earlier attempt of the same call did it.
    /// - Throws: ``HoldfastError``.
    @discardableResult
    public func unlock(
        _ lock: SessionLock,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> Bool {
        let words = Words("SESSION", "UNLOCK", lock.token.rawValue, String(lock.fence))
        return try await number(words, lock.token, "SESSION UNLOCK", deadline) ?? 0 > 0
    }

    /// Runs `body` under a session's lock, and gives it back whatever comes of it.
    ///
    /// A lock is a lease. A `body` that takes longer may find another holder at work: give the
    /// fencing number along with what it writes, and let what it writes to refuse smaller ones.
    ///
    /// - Parameters:
    ///   - token: The session's token.
    ///   - lease: How long it is held at most, up to ten minutes.
    ///   - patience: How long to wait while others hold it.
    ///   - body: What to do; it is given the fencing number.
    /// - Returns: What `body` returned; nil when the lock was another's for all of `patience`, or
    ///   the session is not valid: then `body` was not run.
    /// - Throws: ``HoldfastError``, or what `body` throws.
    public func withLock<Result>(
        _ token: SessionToken,
        lease: Duration,
        waiting patience: Duration = .zero,
        _ body: (_ fence: Int64) async throws -> Result
    ) async throws -> Result? {
        guard case .locked(let lock) = try await lock(token, lease: lease, waiting: patience)
        else { return nil }
        let result: Result
        do {
            result = try await body(lock.fence)
        } catch {
            // What went wrong in it matters more than a lock that ends by itself.
            _ = try? await unlock(lock)
            throw error
        }
        try await unlock(lock)
        return result
    }
}

/// What came of asking for a lock.
public enum LockOutcome: Equatable, Sendable {
    /// It is the caller's.
    case locked(SessionLock)
    /// It is another's.
    case held
    /// The session is not valid.
    case notValid
}

/// A lock that was taken.
public struct SessionLock: Equatable, Sendable {
    let token: SessionToken
    /// Larger than that of every earlier lock of the session.
    public let fence: Int64
}
