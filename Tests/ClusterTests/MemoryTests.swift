// A cluster whose memory is full: nobody is logged out for that, and whoever wants to go can.

import Foundation
import HoldfastClient
import Testing

@Suite("A memory that fills up", .serialized)
struct MemoryTests {
    private static let settings = ["limits: {max-memory: 1MiB}"]

    @Test("logins are refused; requests, renewals and logouts go on, and nothing is evicted")
    func full() async throws {
        try await TestCluster.withClient(settings: Self.settings) { cluster, client in
            let sessions = client.sessions
            var options = SessionOptions()
            options.fields = ["cart": [UInt8](repeating: 7, count: 16 * 1024)]
            var made: [SessionToken] = []
            var refusal: HoldfastError?
            while refusal == nil, made.count < 1_000 {
                do throws(HoldfastError) {
                    let user = "user-\(made.count % 10)"
                    made.append(try await sessions.create(for: user, options).token)
                } catch {
                    refusal = error
                }
            }
            #expect(refusal?.refusal == .full)
            #expect(refusal?.message.contains("limits.max-memory") == true)
            #expect(made.count >= 60)
            // A megabyte of fields, and what comes between two looks.
            #expect(made.count <= 300)
            for token in made {
                guard case .valid = try await sessions.validate(token) else {
                    Issue.record("a session is gone")
                    return
                }
            }
            guard case .renewed = try await sessions.renew(made[0], lifetime: .seconds(99)) else {
                Issue.record("no renewal")
                return
            }
            await #expect(throws: HoldfastError.self) {
                _ = try await sessions.set(["a": [1]], in: made[0])
            }
            for token in made.dropFirst() { #expect(try await sessions.revoke(token)) }
            try await cluster.wait { (try? await sessions.create(for: "late")) != nil }
            guard case .valid = try await sessions.validate(made[0]) else {
                Issue.record("the one that stayed is gone")
                return
            }
        }
    }
}
