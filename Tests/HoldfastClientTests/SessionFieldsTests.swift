import HoldfastWire
import Testing

@testable import HoldfastClient

@Suite(.timeLimit(.minutes(1))) struct SessionFieldsTests {
    private let token = sampleToken

    @Test func `Fields are read by name or all, and none of a session that is not valid`()
        async throws
    {
        try await withSessions { words in
            words.count == 3 ? .reply(.null) : .reply(map([("cart", bulk("3"))]))
        } _: { sessions, node in
            let named = try await sessions.fields(of: token, named: ["cart", "name"])
            let all = try await sessions.fields(of: token)
            #expect(named == ["cart": Array("3".utf8)])
            #expect(all == nil)
            let start = ["SESSION", "GET", token.rawValue]
            #expect(node.requests("SESSION") == [start + ["cart", "name"], start])
        }
    }

    @Test func `A write is repeated under the same number, and the next has another`()
        async throws
    {
        let isFirst = Locked(true)
        try await withSessions { words in
            if isFirst.take() { return .close }
            return words[1] == "TAKE" ? .reply(bulk("note")) : .reply(.integer(2))
        } _: { sessions, node in
            let version = try await sessions.set(["a": [1]], in: token, ifVersion: 1)
            let removed = try await sessions.unset(["a", "b"], in: token)
            let taken = try await sessions.take("flash", from: token)
            #expect(version == 2)
            #expect(removed == 2)
            #expect(taken == Array("note".utf8))
            let requests = node.requests("SESSION")
            try #require(requests.count == 4)
            #expect(requests[0] == requests[1])
            #expect(requests[0][1...4] == ["SET", token.rawValue, "IFVERSION", "1"])
            #expect(requests[0][5] == "REQ")
            #expect(requests[2][..<4] == ["SESSION", "UNSET", token.rawValue, "REQ"])
            #expect(requests[2][5...] == ["a", "b"])
            #expect(requests[3][..<4] == ["SESSION", "TAKE", token.rawValue, "REQ"])
            #expect(requests[3][5...] == ["flash"])
            let numbers = [requests[1][6], requests[2][4], requests[3][4]].compactMap { Int64($0) }
            #expect(Set(numbers).count == 3)
            #expect(numbers.min() ?? 0 > 0)
        }
    }

    @Test func `A write to a session that is not valid is an answer, and a conflict an error`()
        async throws
    {
        try await withSessions { words in
            words[4] == "9" ? .error("CONFLICT the session has version 3") : .reply(.null)
        } _: { sessions, _ in
            let version = try await sessions.set(["a": [1]], in: token)
            let removed = try await sessions.unset(["a"], in: token)
            let taken = try await sessions.take("a", from: token)
            #expect(version == nil)
            #expect(removed == nil)
            #expect(taken == nil)
            let error = await failure { () throws(HoldfastError) in
                _ = try await sessions.set(["a": [1]], in: token, ifVersion: 9)
            }
            #expect(error?.refusal == .conflict)
        }
    }

    @Test func `Calls that ask for nothing are never sent`() async throws {
        try await withSessions { _ in
            .silence
        } _: { sessions, node in
            let errors = [
                await failure { () throws(HoldfastError) in
                    _ = try await sessions.set([:], in: token)
                },
                await failure { () throws(HoldfastError) in
                    _ = try await sessions.set(["a": []], in: token, ifVersion: 0)
                },
                await failure { () throws(HoldfastError) in
                    _ = try await sessions.unset([], in: token)
                },
                await failure { () throws(HoldfastError) in
                    _ = try await sessions.fields(of: token, named: [])
                },
                await failure { () throws(HoldfastError) in
                    _ = try await sessions.rotate(token, assurance: 4)
                },
            ]
            let areInvalid = errors.allSatisfy { $0?.code == .invalidArgument }
            #expect(areInvalid)
            #expect(node.requests("SESSION").isEmpty)
        }
    }

    @Test func `A rotation mints a token of the same slot, and takes the one that is answered`()
        async throws
    {
        let other = SessionID.mint(
            randomBytes: [UInt8](repeating: 6, count: SessionID.randomByteCount),
            slot: 9
        )
        let answers = Locked<[RESPValue]>([
            map([("status", bulk("unknown"))]), map([("status", bulk("revoked"))]),
            map([("status", bulk("expired"))]),
            map([
                ("id", bulk(other.text)), ("handle", bulk(other.handle.text)),
                ("subject", bulk("u")), ("version", .integer(1)), ("created-at", .integer(1)),
                ("idle-expires-at", .null), ("expires-at", .integer(9)),
            ]),
        ])
        try await withSessions { _ in
            .reply(answers.withLock { $0.popLast() } ?? .null)
        } _: { sessions, node in
            let answer = try await sessions.rotate(
                token,
                grace: .milliseconds(1_500),
                assurance: 2
            )
            guard case .rotated(let session) = answer else {
                Issue.record("not rotated: \(answer)")
                return
            }
            #expect(session.token == SessionToken(other))
            #expect(session.state.expiresAt.millisecondsSince1970 == 9)
            for expected in [Rotation.expired, .revoked, .unknown] {
                let answer = try await sessions.rotate(token)
                #expect(answer == expected)
            }
            let words = try #require(node.requests("SESSION").first)
            #expect(words[..<4] == ["SESSION", "ROTATE", token.rawValue, "ID"])
            #expect(SessionToken(rawValue: words[4])?.id.handle.slot == 9)
            #expect(words[5...] == ["GRACE", "2", "AAL", "2"])
        }
    }
}
