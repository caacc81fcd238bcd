import HoldfastWire
import Testing

@testable import HoldfastClient

@Suite struct SessionTokenTests {
    private let token = SessionToken(
        SessionID.mint(
            randomBytes: [UInt8](repeating: 5, count: SessionID.randomByteCount),
            slot: 9
        )
    )

    @Test func `A token reads back, and nothing else reads as one`() {
        #expect(SessionToken(rawValue: token.rawValue) == token)
        #expect(SessionToken(rawValue: token.rawValue + "a") == nil)
        #expect(SessionToken(rawValue: "") == nil)
        #expect(SessionHandle(rawValue: token.handle.rawValue) == token.handle)
        #expect(SessionHandle(rawValue: token.rawValue) == nil)
    }

    @Test func `No description or dump shows the secret`() {
        let secret = String(decoding: token.id.secret, as: UTF8.self)
        var dumped = ""
        dump(token, to: &dumped)
        let session = [token]
        dump(session, to: &dumped)
        for text in ["\(token)", String(reflecting: token), "\(session)", dumped] {
            #expect(!text.contains(secret))
            #expect(text.contains(token.handle.rawValue))
        }
    }

    @Test func `Times subtract without overflow`() {
        let late = Timestamp(millisecondsSince1970: .max)
        let early = Timestamp(millisecondsSince1970: -5)
        #expect(late.duration(since: early) == .milliseconds(Int64.max))
        #expect(early.duration(since: late) == .milliseconds(Int64.min))
        #expect(early < late)
    }
}
