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
        #expect(sealed.count == 74)
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
}
