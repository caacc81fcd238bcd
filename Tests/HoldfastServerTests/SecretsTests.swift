// The sealing of a successor's secret: it opens for the old secret and for nothing else.

import HoldfastWire
import Testing

@testable import HoldfastServer

@Suite("Secrets of sessions")
struct SecretsTests {
    private var secrets = SystemSecrets()

    @Test("what is sealed for an old id opens with that id, and shows nothing of either")
    mutating func opens() throws {
        let old = secrets.mint(slot: 5)
        let new = secrets.mint(slot: 5)
        let sealed = secrets.seal(new, for: old)
        #expect(sealed.count == 75)
        #expect(secrets.open(sealed, of: new.handle, for: old) == new)
        let sealedText = String(decoding: sealed, as: UTF8.self)
        #expect(!sealedText.contains(String(decoding: new.secret.prefix(8), as: UTF8.self)))
        #expect(secrets.seal(new, for: old) != sealed, "each time under another nonce")
    }

    @Test("another secret, another handle or other bytes open nothing")
    mutating func refuses() {
        let old = secrets.mint(slot: 5)
        let new = secrets.mint(slot: 5)
        let other = secrets.mint(slot: 5)
        let sealed = secrets.seal(new, for: old)
        #expect(secrets.open(sealed, of: new.handle, for: other) == nil)
        #expect(secrets.open(sealed, of: other.handle, for: old) == nil)
        #expect(secrets.open([], of: new.handle, for: old) == nil)
        var refused = 0
        for place in sealed.indices {
            var changed = sealed
            changed[place] ^= 1
            if secrets.open(changed, of: new.handle, for: old) == nil { refused += 1 }
        }
        #expect(refused == sealed.count)
    }

    /// Made by another implementation of HKDF and AES-GCM, with the nonce 00 01 ... 0b. What is
    /// sealed stands in logs and snapshots: it must open after an upgrade.
    @Test("what was sealed before opens")
    func knownAnswer() throws {
        let old = try #require(
            SessionID(
                parsing: "AAAAAAAAAAAAAAAAAAADxr.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACnB"
                    .utf8
            )
        )
        let new = try #require(
            SessionID(
                parsing: "___________________DHS.___________________________________________AS4"
                    .utf8
            )
        )
        let hex = [
            "01000102030405060708090a0bc11143477620f093da1dfcf111e4cf2f5c1113",
            "22c05816927204b329b778f466f2e8125fb914a63be209e5f5019f36e8bdf4a6",
            "3a41d9bc035d4c257a5d5b",
        ].joined()
        var sealed: [UInt8] = []
        var rest = hex[...]
        while !rest.isEmpty {
            sealed.append(try #require(UInt8(rest.prefix(2), radix: 16)))
            rest = rest.dropFirst(2)
        }
        #expect(secrets.open(sealed, of: new.handle, for: old) == new)
    }
}
