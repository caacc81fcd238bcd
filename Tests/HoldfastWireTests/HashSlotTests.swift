// Slots: the published vectors, the rule of braces, and the ranges of the groups.

import NIOCore
import Testing

@testable import HoldfastWire

@Suite struct HashSlotTests {
    @Test(arguments: [
        ("123456789", 12_739), ("foo", 12_182), ("", 0), ("user1000", 3_443),
        ("{user1000}.following", 3_443),
    ])
    func `published vectors`(_ key: String, _ slot: UInt16) {
        #expect(HashSlot.of(key.utf8) == slot)
        #expect(HashSlot.of(ByteBuffer(string: key).readableBytesView) == slot)
        #expect(HashSlot.of(Array(key.utf8).reversed().reversed()) == slot)
    }

    @Test func `what is in the first braces decides`() {
        func slot(_ key: String) -> UInt16 { HashSlot.of(key.utf8) }
        func plain(_ key: String) -> UInt16 { CRC16.update(0, key.utf8) & 0x3fff }
        #expect(slot("{user1000}.following") == slot("{user1000}.followers"))
        #expect(slot("foo{}{bar}") == plain("foo{}{bar}"))
        #expect(slot("foo{{bar}}zap") == plain("{bar"))
        #expect(slot("foo{bar}{zap}") == plain("bar"))
        #expect(slot("foo{bar") == plain("foo{bar"))
        #expect(slot("foo}bar{") == plain("foo}bar{"))
        #expect(slot("}{a}") == plain("a"))
    }

    @Test func `every group has a range, the ranges follow one another, and slots know them`() {
        for groupCount in [1, 2, 3, 5, 7, 12, 16, 100, 1_000, 9_999, 16_383, 16_384] {
            var next = 0
            for group in 0..<groupCount {
                let range = HashSlot.range(ofGroup: group, groupCount: groupCount)
                #expect(Int(range.lowerBound) == next)
                next = Int(range.upperBound) + 1
                for slot in [range.lowerBound, range.upperBound] {
                    #expect(HashSlot.group(of: slot, groupCount: groupCount) == group)
                }
                let even = HashSlot.count / groupCount
                #expect(range.count == even || range.count == even + 1)
            }
            #expect(next == HashSlot.count)
        }
    }
}
