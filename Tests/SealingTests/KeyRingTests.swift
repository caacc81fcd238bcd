// The ring in memory: which changes it takes, and in which order it tells its keys.

import TestKit
import Testing

@testable import Sealing

@Suite("A key ring")
struct KeyRingTests {
    @Test("begins with one key, which is active and new each time")
    func new() {
        let ring = KeyRing(active: moment(17))
        #expect(ring.ids == [KeyRing.Listed(id: ring.active, created: moment(17))])
        #expect(ring.newest == ring.active)
        #expect(KeyRing(active: moment(17)) != ring)
    }

    @Test("takes a key that is not active, and makes it active when it is told to")
    func rotation() throws {
        let first = KeyRing(active: moment(1))
        let second = try first.addingKey(created: moment(2))
        #expect(second.active == first.active)
        #expect(second.ids.map(\.id) == [first.active, second.newest])
        #expect(second.ids.map(\.created) == [moment(1), moment(2)])
        let third = try second.activating(second.newest)
        #expect(third.active == second.newest)
        #expect(third.ids == second.ids)
        let fourth = try third.removing(first.active)
        #expect(fourth.ids.map(\.id) == [third.active])
        #expect(!fourth.contains(first.active))
    }

    @Test("keeps its active key, and knows only the keys that it has")
    func refusals() throws {
        let ring = try testRing()
        let stranger = entry(9).id
        #expect(throws: KeyRingError.isActive(ring.active)) { _ = try ring.removing(ring.active) }
        #expect(throws: KeyRingError.unknownKey(stranger)) { _ = try ring.removing(stranger) }
        #expect(throws: KeyRingError.unknownKey(stranger)) { _ = try ring.activating(stranger) }
        #expect(throws: KeyRingError.alreadyThere(entry(2).id)) { _ = try ring.adding(entry(2)) }
        #expect(ring.secret(stranger) == nil)
        #expect(ring.secret(entry(2).id) == entry(2).secret)
    }

    @Test("has room for 64 keys and no more")
    func full() throws {
        let ring = try testRing(64)
        #expect(ring.ids.count == 64)
        #expect(throws: KeyRingError.full) { _ = try ring.addingKey(created: moment(0)) }
        #expect(try KeyRing(decoding: ring.encoded) == ring)
    }

    @Test("names a key by its hash")
    func ids() throws {
        // python3: hashlib.sha256(b"holdfast key id" + bytes(range(32))).hexdigest()[:16]
        let secret = try #require(SecretKey(bytes: Array(0..<32)))
        #expect(secret.id.description == "dd23a04b3c30a370")
        #expect(KeyID("dd23a04b3c30a370") == secret.id)
        #expect(KeyID(rawValue: 1).description == "0000000000000001")
    }

    @Test("reads an id only as it is written")
    func idText() {
        let refused = [
            "", "0", "000000000000000", "00000000000000000", "+00000000000000a", "-00000000000000a",
            "DD23A04B3C30A370", "dd23a04b3c30a37g", " d23a04b3c30a370", "dd23a04b3c30a37\u{661}",
        ]
        for text in refused { #expect(KeyID(text) == nil, "\(text) was taken") }
    }

    @Test("is a key only of 32 bytes")
    func keySizes() {
        for count in 0...64 {
            let key = SecretKey(bytes: [UInt8](repeating: 7, count: count))
            #expect((key != nil) == (count == 32))
        }
    }
}

@Suite("A creation time")
struct CreationTimeTests {
    @Test("is written as UTC to the second")
    func known() {
        // python3: datetime.fromtimestamp(n, timezone.utc)
        let known: [(Int64, String)] = [
            (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"), (1_795_819_200, "2026-11-27T22:40:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ]
        for (seconds, text) in known {
            #expect(moment(seconds).description == text)
            #expect(CreationTime(text) == moment(seconds))
        }
        #expect(CreationTime(unixSeconds: -1) == nil)
        #expect(CreationTime(unixSeconds: 253_402_300_800) == nil)
        #expect(CreationTime(unixSeconds: .min) == nil)
        #expect(CreationTime(unixSeconds: .max) == nil)
    }

    @Test("is read back from what it is written as")
    func roundTrips() {
        var random = SeededRandom(11)
        for _ in 0..<2000 {
            let drawn = moment(Int64(random.next() % 253_402_300_800))
            #expect(CreationTime(drawn.description) == drawn)
        }
    }

    @Test("is read in that one form only, and no number traps")
    func refused() {
        let texts = [
            "", "2026-11-27", "2026-11-27T22:40:00", "2026-11-27T22:40:00z", "2026-11-27 22:40:00Z",
            "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
            "2026-11-27T24:00:00Z", "2026-11-27T22:60:00Z", "2026-11-27T22:40:60Z",
            "2026/11/27T22:40:00Z", "+026-11-27T22:40:00Z", "1969-12-31T23:59:59Z",
            "99999-1-27T22:40:00Z", "2147483647", "9-9-9-9-9-2147483647", "0-0-0-0-0-000000000Z",
            "--------------------", "20261127T224000.000Z", "2026-11-27T22:40:0\u{661}",
        ]
        for text in texts { #expect(CreationTime(text) == nil, "\(text) was taken") }
        #expect(texts.count >= 20)
    }
}
