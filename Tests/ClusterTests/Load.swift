// Clients that log in, use their sessions and log out, and remember what they were told. What was
// acknowledged is a promise; `check` holds the cluster to all of them.

import HoldfastClient
import Synchronization

/// What the cluster acknowledged, and what it was asked.
struct Ledger: Sendable {
    var live: [SessionToken] = []
    var revoked: [SessionToken] = []
    /// Sessions of one second, and when they were made.
    var short: [(token: SessionToken, madeAt: ContinuousClock.Instant)] = []
    var values: [String: [UInt8]] = [:]
    var created = 0
    var validated = 0
    var revocations = 0
    var written = 0
    /// Calls that ended with an error: allowed under faults, and not counted for anything.
    var failed = 0
    /// Broken promises, as text.
    var broken: [String] = []
}

final class Load: Sendable {
    let client: HoldfastClient
    private let ledger = Mutex(Ledger())
    private let isStopping = Atomic(false)

    init(client: HoldfastClient) { self.client = client }

    var snapshot: Ledger { ledger.withLock { $0 } }

    func stop() { isStopping.store(true, ordering: .relaxed) }

    /// One user after another, until `stop`.
    func run(worker: Int) async {
        var round = 0
        while !isStopping.load(ordering: .relaxed) {
            round += 1
            do {
                try await visit("user-\(worker)-\(round % 50)", worker, round)
            } catch {
                // What became of the call that failed is not known; nothing is claimed of it.
                ledger.withLock { $0.failed += 1 }
            }
        }
    }

    private func visit(
        _ subject: String,
        _ worker: Int,
        _ round: Int
    ) async throws(HoldfastError) {
        let session = try await client.sessions.create(for: subject)
        ledger.withLock { $0.created += 1 }
        for _ in 0..<2 {
            let validation = try await client.sessions.validate(session.token)
            expect(validation, .valid, of: session.token)
        }
        if round.isMultiple(of: 3) {
            _ = try await client.sessions.revoke(session.token, reason: "logout")
            ledger.withLock {
                $0.revocations += 1
                $0.revoked.append(session.token)
            }
            expect(try await client.sessions.validate(session.token), .revoked, of: session.token)
        } else {
            ledger.withLock { $0.live.append(session.token) }
        }
        if round.isMultiple(of: 10) { try await shortSession(subject) }
        try await write("value-\(worker)-\(round % 20)", Array("\(worker):\(round)".utf8))
    }

    private func shortSession(_ subject: String) async throws(HoldfastError) {
        var options = SessionOptions()
        options.lifetime = .seconds(1)
        let session = try await client.sessions.create(for: subject, options)
        ledger.withLock { $0.short.append((session.token, .now)) }
    }

    private func write(_ key: String, _ value: [UInt8]) async throws(HoldfastError) {
        // Until it is acknowledged either value may be there, so the old one is forgotten first.
        ledger.withLock { $0.values[key] = nil }
        try await client.set(key, value)
        ledger.withLock {
            $0.values[key] = value
            $0.written += 1
        }
    }

    enum Wanted { case valid, revoked, over }

    func expect(_ validation: Validation, _ wanted: Wanted, of token: SessionToken) {
        let isKept =
            switch (validation, wanted) {
            case (.valid, .valid), (.revoked, .revoked): true
            case (.valid, .over): false
            case (_, .over): true
            default: false
            }
        ledger.withLock {
            $0.validated += 1
            if !isKept { $0.broken.append("\(token.handle) should be \(wanted): \(validation)") }
        }
    }

    /// Asks for everything that was acknowledged.
    func check() async throws -> Ledger {
        let told = snapshot
        for token in told.live {
            expect(try await client.sessions.validate(token), .valid, of: token)
        }
        for token in told.revoked {
            expect(try await client.sessions.validate(token), .revoked, of: token)
        }
        // An absolute lifetime has no granularity: a second after its second it is over.
        for (token, madeAt) in told.short where ContinuousClock.now - madeAt > .seconds(2) {
            expect(try await client.sessions.validate(token), .over, of: token)
        }
        for (key, value) in told.values {
            let found = try await client.get(key)
            if found != value {
                ledger.withLock { $0.broken.append("\(key) is \(String(describing: found))") }
            }
        }
        return snapshot
    }
}
