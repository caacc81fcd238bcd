// Session ids: one text for one id, and one slot for handle, id and subject.

import Testing

@testable import HoldfastWire

@Suite struct SessionIDTests {
    /// Worked out by a second implementation, in Python. They must never change: ids live for
    /// months in browsers.
    @Test(arguments: [
        (
            Array(0..<62), 12_739,
            "ABCDEFGHIJKLMNOPQRSAd_.TUVWXYZabcdefghijklmnopqrstuvwxyz0123456789DrU"
        ),
        (
            [UInt8](repeating: 0, count: 62), 0,
            "AAAAAAAAAAAAAAAAAAADxr.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACnB"
        ),
        (
            [UInt8](repeating: 255, count: 62), 16_383,
            "___________________DHS.___________________________________________AS4"
        ),
    ])
    func `known ids`(_ random: [UInt8], _ slot: UInt16, _ text: String) {
        let id = SessionID.mint(randomBytes: random, slot: slot)
        #expect(id.text == text)
        #expect(id.text.utf8.count == SessionID.byteCount)
        #expect(SessionID(parsing: text.utf8) == id)
        #expect(id.secret == Array(text.utf8.suffix(46)))
        #expect(SessionHandle(text: String(text.prefix(22))) == id.handle)
    }

    @Test func `the packing of a handle`() {
        let handle = SessionHandle("ABCDEFGHIJKLMNOPQRSAd_".utf8)
        #expect(handle == SessionHandle(high: 0x10_8310_5187_2092, low: 0x8b30_d38f_4114_b1c3))
        #expect(handle?.slot == 12_739)
    }

    @Test func `routing characters bring every text to every slot`() {
        #expect(!RoutingCharacters.table.contains(RoutingCharacters.unreached))
        for slot in 0..<UInt16(HashSlot.count) {
            let crc = slot &* 5
            let end = CRC16.update(crc, RoutingCharacters.bringing(crc, to: slot))
            #expect(HashSlot.slot(ofChecksum: end) == slot)
        }
    }

    @Test func `handle and id of every slot are in it, and are read back`() {
        var chance = Chance(seed: 16_384)
        for slot in 0..<UInt16(HashSlot.count) {
            let random = chance.bytes(SessionID.randomByteCount)
            let id = SessionID.mint(randomBytes: random, slot: slot)
            let text = Array(id.text.utf8)
            let isRight =
                id.handle.slot == slot && HashSlot.of(id.handle.ascii) == slot
                && HashSlot.of(text) == slot && SessionID(parsing: text) == id
                && SessionHandle(id.handle.ascii) == id.handle
                && SessionHandle(high: id.handle.high, low: id.handle.low).text == id.handle.text
            #expect(isRight, "slot \(slot)")
        }
    }

    @Test func `any two words are a handle that is read back`() {
        var chance = Chance(seed: 2)
        for _ in 0..<2_000 {
            let handle = SessionHandle(high: chance.next(), low: chance.next())
            #expect(SessionHandle(handle.ascii) == handle)
            #expect(HashSlot.of(handle.ascii) == handle.slot)
        }
    }

    @Test func `one wrong character is no id, or another one`() {
        var chance = Chance(seed: 5)
        var refused = 0
        var other = 0
        for slot in [UInt16(0), 8_191, 16_383] {
            let random = chance.bytes(SessionID.randomByteCount)
            let id = SessionID.mint(randomBytes: random, slot: slot)
            let text = Array(id.text.utf8)
            for place in text.indices {
                for byte in UInt8.min...UInt8.max where byte != text[place] {
                    var wrong = text
                    wrong[place] = byte
                    guard let read = SessionID(parsing: wrong) else {
                        refused += 1
                        continue
                    }
                    other += 1
                    #expect(read != id)
                    #expect(read.text == String(decoding: wrong, as: UTF8.self))
                }
            }
        }
        #expect(refused + other == 3 * 69 * 255)
        // A routing triple that fits by accident is rare.
        #expect(other < refused / 1_000)
    }

    @Test func `other lengths and other characters are no id`() {
        let id = SessionID.mint(randomBytes: Array(0..<62), slot: 1)
        let text = Array(id.text.utf8)
        for count in 0..<text.count { #expect(SessionID(parsing: text[..<count]) == nil) }
        #expect(SessionID(parsing: text + [65]) == nil)
        #expect(SessionID(parsing: [UInt8](repeating: 255, count: 69)) == nil)
        #expect(SessionID(parsing: []) == nil)
        #expect(SessionHandle([UInt8](repeating: 46, count: 22)) == nil)
        var chance = Chance(seed: 6)
        for _ in 0..<20_000 { #expect(SessionID(parsing: chance.bytes(chance.below(80))) == nil) }
    }

    @Test func `printing an id shows its handle and not its secret`() {
        struct Holder { var id: SessionID }

        let id = SessionID.mint(randomBytes: Array(0..<62), slot: 1)
        let secret = String(decoding: id.secret, as: UTF8.self)
        var dumped = ""
        dump(Holder(id: id), to: &dumped)
        for text in ["\(id)", String(reflecting: id), "\(Holder(id: id))", "\([id])", dumped] {
            #expect(text.contains(id.handle.text))
            #expect(!text.contains(secret))
            #expect(!text.contains("\(id.secret[0]), \(id.secret[1])"))
        }
        #expect(!dumped.contains("secret:"))
    }

    @Test func `ids differ by handle or by secret`() {
        var random = [UInt8](repeating: 9, count: SessionID.randomByteCount)
        let id = SessionID.mint(randomBytes: random, slot: 3)
        random[61] = 10
        let sibling = SessionID.mint(randomBytes: random, slot: 3)
        #expect(sibling.handle == id.handle && sibling != id)
        #expect(SessionID.mint(randomBytes: random, slot: 4) != sibling)
        #expect(SessionID(parsing: id.text.utf8) == id)
    }
}
