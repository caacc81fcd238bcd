// What is sealed is opened again under the same head, number and neighbours, and under no other.

import Bytes
import TestKit
import Testing

@testable import Sealing

@Suite("Sealing")
struct SealerTests {
    private let plaintext = Array("a session of somebody".utf8)
    private let beside = Array("row 17 of group 3".utf8)

    @Test("gives back what was sealed, of every length")
    func roundTrips() throws {
        let ring = try testRing()
        let (head, context) = Sealer.begin(ring, purpose: "a test")
        let reader = try Sealer.resume(head, ring, purpose: "a test")
        var random = SeededRandom(5)
        var number: UInt64 = 0
        for count in Array(0...70) + [4095, 4096, 4097, 100_000] {
            let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            for associated in [[], bytes, beside] {
                let box = context.seal(bytes[...], number: number, associated: associated[...])
                #expect(box.count == count + SealingContext.tagByteCount)
                let opened = try reader.open(box[...], number: number, associated: associated[...])
                #expect(opened == bytes)
                number += 1
            }
        }
        #expect(number >= 225)
    }

    @Test("works on slices from the middle of other bytes, and at the ends of the numbers")
    func slices() throws {
        let (_, context) = Sealer.begin(try testRing(), purpose: "a test")
        let around = [UInt8](repeating: 9, count: 5)
        for number in [0, 1, 255, 256, UInt64.max - 1, .max] {
            let wide = around + plaintext + around
            let inner = wide[5..<5 + plaintext.count]
            let box = context.seal(inner, number: number, associated: beside[2...])
            #expect(box == context.seal(plaintext[...], number: number, associated: beside[2...]))
            let stored = around + box + around
            let opened = try context.open(
                stored[5..<5 + box.count],
                number: number,
                associated: (around + beside)[7...]
            )
            #expect(opened == plaintext)
        }
    }

    @Test("notices every bit that is turned, wherever it is")
    func everyBit() throws {
        let ring = try testRing()
        let (head, context) = Sealer.begin(ring, purpose: "a test")
        let number: UInt64 = 0x0102_0304_0506_0708
        let box = context.seal(plaintext[...], number: number, associated: beside[...])
        var count = 0
        for changed in turned(box) {
            #expect(!opens(changed, number, beside, with: context))
            count += 1
        }
        for changed in turned(beside) {
            #expect(!opens(box, number, changed, with: context))
            count += 1
        }
        for bit in 0..<64 {
            #expect(!opens(box, number ^ (1 << UInt64(bit)), beside, with: context))
            count += 1
        }
        for salt in turned(head.salt) {
            let other = SealedHead(key: head.key, salt: salt)
            let reader = try Sealer.resume(other, ring, purpose: "a test")
            #expect(!opens(box, number, beside, with: reader))
            count += 1
        }
        for bit in 0..<64 {
            let id = KeyID(rawValue: head.key.rawValue ^ (1 << UInt64(bit)))
            #expect(throws: SealError.missingKey(id)) {
                _ = try Sealer.resume(SealedHead(key: id, salt: head.salt), ring, purpose: "a test")
            }
            count += 1
        }
        #expect(count >= 8 * (box.count + beside.count + 8 + 32 + 8))
        #expect(opens(box, number, beside, with: context))
    }

    @Test("notices what is missing and what was put to it")
    func lengths() throws {
        let (_, context) = Sealer.begin(try testRing(), purpose: "a test")
        let box = context.seal(plaintext[...], number: 1, associated: beside[...])
        for count in box.indices {
            #expect(!opens(Array(box[..<count]), 1, beside, with: context))
            #expect(!opens(Array(box[(count + 1)...]), 1, beside, with: context))
        }
        #expect(!opens(box + [0], 1, beside, with: context))
        #expect(!opens([0] + box, 1, beside, with: context))
        #expect(!opens(box, 1, [], with: context))
        #expect(!opens(box, 1, beside + [0], with: context))
        // The border between what is sealed and what stands beside it is vouched for too.
        #expect(!opens(Array(box.dropFirst()), 1, beside + [box[0]], with: context))
    }

    @Test("keeps keys and purposes apart")
    func apart() throws {
        let ring = try testRing()
        let (head, context) = Sealer.begin(ring, purpose: "rows")
        let box = context.seal(plaintext[...], number: 1, associated: beside[...])
        for purpose in ["snapshots", "row", "rows ", "Rows", ""] {
            let reader = try Sealer.resume(head, ring, purpose: purpose)
            #expect(!opens(box, 1, beside, with: reader))
        }
        for id in [entry(2).id, entry(3).id] {
            let other = SealedHead(key: id, salt: head.salt)
            let reader = try Sealer.resume(other, ring, purpose: "rows")
            #expect(!opens(box, 1, beside, with: reader))
        }
    }

    @Test("goes on through a rotation, and asks by name for a key that is gone")
    func rotation() throws {
        let ring = try testRing(2)
        let (head, context) = Sealer.begin(ring, purpose: "rows")
        let box = context.seal(plaintext[...], number: 1, associated: [])
        let rotated = try ring.activating(entry(2).id)
        let reader = try Sealer.resume(head, rotated, purpose: "rows")
        #expect(opens(box, 1, [], with: reader))
        #expect(Sealer.begin(rotated, purpose: "rows").head.key == entry(2).id)
        let without = try rotated.removing(head.key)
        #expect(throws: SealError.missingKey(head.key)) {
            _ = try Sealer.resume(head, without, purpose: "rows")
        }
        let said = "\(SealError.missingKey(head.key))"
        #expect(said.contains("\(head.key)"))
        #expect(said.contains("`holdfast keys list FILE`"))
    }

    @Test("never seals the same bytes into the same box twice")
    func differs() throws {
        let ring = try testRing()
        var boxes: Set<[UInt8]> = []
        for _ in 0..<200 {
            let (head, context) = Sealer.begin(ring, purpose: "rows")
            boxes.insert(head.salt)
            boxes.insert(context.seal(plaintext[...], number: 0, associated: []))
            boxes.insert(context.seal(plaintext[...], number: 1, associated: []))
        }
        #expect(boxes.count == 600)
    }

    @Test("takes its salt from the generator that it is given")
    func salts() throws {
        let ring = try testRing()
        var random = SeededRandom(99)
        var expected: [UInt8] = []
        for _ in 0..<4 {
            let word = random.next()
            expected += (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
        }
        var first = SeededRandom(99)
        var second = SeededRandom(99)
        let one = Sealer.begin(ring, purpose: "rows", using: &first)
        let two = Sealer.begin(ring, purpose: "rows", using: &second)
        #expect(one.head == two.head)
        #expect(one.head.salt == expected)
        let box = one.context.seal(plaintext[...], number: 3, associated: [])
        #expect(box == two.context.seal(plaintext[...], number: 3, associated: []))
        // It was drawn from, and no more than was needed.
        let (drawn, wanted) = (first.next(), random.next())
        #expect(drawn == wanted)
        let third = Sealer.begin(ring, purpose: "rows", using: &first)
        #expect(third.head.salt != expected)
    }

    private func opens(
        _ box: [UInt8],
        _ number: UInt64,
        _ associated: [UInt8],
        with context: SealingContext
    ) -> Bool {
        do {
            let bytes = try context.open(box[...], number: number, associated: associated[...])
            return bytes == plaintext
        } catch {
            #expect(error == .notAuthentic)
            return false
        }
    }
}

@Suite("A sealed head")
struct SealedHeadTests {
    @Test("is 40 bytes: the id as a little-endian word, and the salt")
    func layout() throws {
        let salt = (0..<32).map { UInt8($0 + 100) }
        let head = SealedHead(key: KeyID(rawValue: 0x0102_0304_0506_0708), salt: salt)
        #expect(head.encoded == [8, 7, 6, 5, 4, 3, 2, 1] + salt)
        #expect(head.encoded.count == SealedHead.byteCount)
        var reader = ByteReader(head.encoded + [7])
        let read = try SealedHead(from: &reader)
        #expect(read == head)
        #expect(reader.remaining == 1)
    }

    @Test("is refused when it is cut")
    func cut() {
        let head = SealedHead(key: KeyID(rawValue: 1), salt: [UInt8](repeating: 2, count: 32))
        for count in 0..<SealedHead.byteCount {
            #expect(throws: DecodeError.truncated) {
                var reader = ByteReader(head.encoded[..<count])
                _ = try SealedHead(from: &reader)
            }
        }
    }
}

/// The bytes once for each of their bits, with that bit turned.
private func turned(_ bytes: [UInt8]) -> [[UInt8]] {
    bytes.indices.flatMap { place in
        (0..<8).map { bit in
            var changed = bytes
            changed[place] ^= 1 << UInt8(bit)
            return changed
        }
    }
}
