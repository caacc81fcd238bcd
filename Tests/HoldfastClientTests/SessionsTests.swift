import HoldfastWire
import Testing

@testable import HoldfastClient

@Suite(.timeLimit(.minutes(1))) struct SessionsTests {
    private let token = sampleToken

    @Test func `Create says all that it was told, and mints an id of the subject's slot`()
        async throws
    {
        try await withSessions {
            .reply(created($0))
        } _: { sessions, node in
            var options = SessionOptions(idle: .milliseconds(1_500), lifetime: .seconds(60))
            options.policy = "web"
            options.ip = "10.0.0.9"
            options.agent = "curl"
            options.device = "laptop"
            options.assurance = 2
            options.methods = "pwd otp"
            options.cap = .evict(above: 5)
            options.fields = ["cart": Array("3".utf8)]
            let session = try await sessions.create(for: "user-17", options)
            #expect(session.state.subject == "user-17")
            #expect(session.state.handle == session.token.handle)
            #expect(session.state.createdAt == Timestamp(millisecondsSince1970: 1_000))
            #expect(session.state.idleExpiresAt == nil)
            #expect(session.token.id.handle.slot == HashSlot.of(Array("user-17".utf8)))
            let words = try #require(node.requests("SESSION").first)
            #expect(words[..<5] == ["SESSION", "CREATE", "user-17", "ID", session.token.rawValue])
            #expect(
                words[5...] == [
                    "IDLE", "2", "TTL", "60", "POLICY", "web", "IP", "10.0.0.9", "AGENT", "curl",
                    "DEVICE", "laptop", "AAL", "2", "AMR", "pwd otp", "MAX", "5", "EVICT",
                    "SET", "cart", "3",
                ]
            )
        }
    }

    @Test func `A create whose connection died is repeated with the same id`() async throws {
        let isFirst = Locked(true)
        try await withSessions {
            isFirst.take() ? .close : .reply(created($0))
        } _: { sessions, node in
            let session = try await sessions.create(for: "user-17")
            let requests = node.requests("SESSION")
            #expect(requests.count == 2)
            #expect(requests[0] == requests[1])
            #expect(requests[0][4] == session.token.rawValue)
        }
    }

    @Test func `Two creates have two ids`() async throws {
        try await withSessions {
            .reply(created($0))
        } _: { sessions, _ in
            let one = try await sessions.create(for: "a")
            let two = try await sessions.create(for: "a")
            #expect(one.token != two.token)
        }
    }

    @Test(arguments: [
        ("CONFLICT taken", HoldfastError.Refusal.conflict), ("LIMIT enough", .limit),
        ("OOM full", .full), ("ERR syntax error", .error),
    ])
    func `A create that is refused says why`(text: String, refusal: HoldfastError.Refusal)
        async throws
    {
        try await withSessions { _ in
            .error(text)
        } _: { sessions, node in
            let error = await failure { () throws(HoldfastError) in
                _ = try await sessions.create(for: "a")
            }
            #expect(error?.code == .refused)
            #expect(error?.refusal == refusal)
            #expect(error?.outcome == .notDone)
            #expect(node.requests("SESSION").count == 1)
        }
    }

    @Test func `Arguments out of range are never sent`() async throws {
        try await withSessions { _ in
            .silence
        } _: { sessions, node in
            var over = SessionOptions()
            over.assurance = 4
            var none = SessionOptions()
            none.cap = .reject(above: 0)
            let cases: [(String, SessionOptions)] = [
                ("", SessionOptions()), (String(repeating: "x", count: 1_025), SessionOptions()),
                ("a", over), ("a", none), ("a", SessionOptions(lifetime: .zero)),
                ("a", SessionOptions(idle: .seconds(-1))),
            ]
            for (subject, options) in cases {
                let error = await failure { () throws(HoldfastError) in
                    _ = try await sessions.create(for: subject, options)
                }
                #expect(error?.code == .invalidArgument)
            }
            let late = await failure { () throws(HoldfastError) in
                _ = try await sessions.sessions(of: "a", deadline: .zero)
            }
            #expect(late?.code == .invalidArgument)
            #expect(node.requests("SESSION").isEmpty)
        }
    }

    @Test func `A valid session comes with its fields`() async throws {
        let handle = token.handle
        let reply = map([
            ("status", bulk("valid")), ("subject", bulk("u")), ("handle", bulk(handle.rawValue)),
            ("version", .integer(3)), ("created-at", .integer(1)),
            ("idle-expires-at", .integer(2)), ("expires-at", .integer(3)), ("aal", .integer(2)),
            ("issued-at", .integer(1)),
            ("fields", map([("cart", bulk("3"))])), ("something-new", .boolean(true)),
        ])
        try await withSessions { _ in
            .reply(reply)
        } _: { sessions, node in
            let token = token
            let answer = try await sessions.validate(
                token,
                touch: false,
                fields: .named(["cart", "name"])
            )
            guard case .valid(let session) = answer else {
                Issue.record("not valid: \(answer)")
                return
            }
            #expect(session.state.subject == "u")
            #expect(session.state.idleExpiresAt == Timestamp(millisecondsSince1970: 2))
            #expect(session.assurance == 2)
            #expect(session.fields == ["cart": Array("3".utf8)])
            _ = try await sessions.validate(token, fields: .all)
            let start = ["SESSION", "VALIDATE", token.rawValue]
            #expect(
                node.requests("SESSION") == [
                    start + ["NOTOUCH", "GET", "cart", "name"], start + ["GETALL"],
                ]
            )
        }
    }

    @Test(arguments: [
        ("expired", Validation.expired), ("unknown", .unknown), ("mismatch", .mismatch),
    ])
    func `A session that is not valid is an answer`(status: String, expected: Validation)
        async throws
    {
        try await withSessions { _ in
            .reply(map([("status", bulk(status))]))
        } _: { sessions, _ in
            let answer = try await sessions.validate(token)
            #expect(answer == expected)
        }
    }

    @Test func `A revoked session says how it ended`() async throws {
        let reply = map([
            ("status", bulk("revoked")), ("revoked-at", .integer(7)), ("reason", bulk("logout")),
            ("by", bulk("")),
        ])
        try await withSessions { _ in
            .reply(reply)
        } _: { sessions, _ in
            let answer = try await sessions.validate(token)
            let at = Timestamp(millisecondsSince1970: 7)
            #expect(answer == .revoked(Revocation(at: at, reason: "logout", by: "")))
        }
    }

    @Test(arguments: [
        RESPValue.status("OK"), .null, map([]), map([("status", bulk("valid"))]),
        map([("status", bulk("odd"))]), .array([bulk("status")]),
    ])
    func `A reply that cannot be read is never taken for valid`(reply: RESPValue) async throws {
        try await withSessions { _ in
            .reply(reply)
        } _: { sessions, _ in
            let error = await failure { () throws(HoldfastError) in
                _ = try await sessions.validate(token)
            }
            #expect(error?.code == .protocolViolation)
        }
    }

    @Test func `Renewal goes on or says how it ended`() async throws {
        let answers = Locked<[RESPValue]>([
            map([("status", bulk("unknown"))]), map([("status", bulk("revoked"))]),
            map([("status", bulk("expired"))]),
            map([
                ("handle", bulk(token.handle.rawValue)), ("subject", bulk("u")),
                ("version", .integer(1)), ("created-at", .integer(1)),
                ("idle-expires-at", .null), ("expires-at", .integer(9)),
            ]),
        ])
        try await withSessions { _ in
            .reply(answers.withLock { $0.popLast() } ?? .null)
        } _: { sessions, node in
            let renewed = try await sessions.renew(token, idle: .zero, lifetime: .seconds(5))
            guard case .renewed(let state) = renewed else {
                Issue.record("not renewed: \(renewed)")
                return
            }
            #expect(state.expiresAt.millisecondsSince1970 == 9)
            for expected in [Renewal.expired, .revoked, .unknown] {
                let answer = try await sessions.renew(token)
                #expect(answer == expected)
            }
            #expect(
                node.requests("SESSION").first == [
                    "SESSION", "RENEW", token.rawValue, "IDLE", "0", "TTL", "5",
                ]
            )
        }
    }

    @Test func `Revocations say what they did`() async throws {
        let isFirst = Locked(true)
        try await withSessions { words in
            if words[1] == "REVOKEALL" { return .reply(.integer(4)) }
            return .reply(.integer(isFirst.take() ? 1 : 0))
        } _: { sessions, node in
            let first = try await sessions.revoke(token, reason: "logout", by: "user")
            let second = try await sessions.revoke(token.handle)
            let all = try await sessions.revokeAll(of: "u", except: token.handle, reason: "stolen")
            #expect(first)
            #expect(!second)
            #expect(all == 4)
            #expect(
                node.requests("SESSION") == [
                    ["SESSION", "REVOKE", token.rawValue, "REASON", "logout", "BY", "user"],
                    ["SESSION", "REVOKE", token.handle.rawValue],
                    [
                        "SESSION", "REVOKEALL", "u", "EXCEPT", token.handle.rawValue,
                        "REASON", "stolen",
                    ],
                ]
            )
        }
    }

    @Test func `A lost revocation is repeated`() async throws {
        let isFirst = Locked(true)
        try await withSessions { _ in
            isFirst.take() ? .close : .reply(.integer(0))
        } _: { sessions, node in
            let wasLive = try await sessions.revoke(token)
            #expect(!wasLive)
            #expect(node.requests("SESSION").count == 2)
        }
    }

    @Test func `Lists have everything but tokens`() async throws {
        let item = map([
            ("handle", bulk(token.handle.rawValue)), ("version", .integer(1)),
            ("created-at", .integer(1)), ("idle-expires-at", .null), ("expires-at", .integer(3)),
            ("last-used-at", .integer(2)), ("ip", bulk("10.0.0.9")), ("agent", bulk("curl")),
            ("device", bulk("")), ("aal", .integer(1)), ("issued-at", .integer(1)),
        ])
        try await withSessions { _ in
            .reply(.array([item, item]))
        } _: { sessions, _ in
            let list = try await sessions.sessions(of: "u")
            #expect(list.count == 2)
            #expect(list.first?.handle == token.handle)
            #expect(list.first?.ip == "10.0.0.9")
            #expect(list.first?.lastUsedAt == Timestamp(millisecondsSince1970: 2))
        }
    }
}
