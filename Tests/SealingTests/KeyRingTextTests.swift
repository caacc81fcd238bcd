// The ring as text: what is written is read back, and nothing else is.

import TestKit
import Testing

@testable import Sealing

@Suite("A ring's text")
struct KeyRingTextTests {
    @Test("is read back as the ring that it was written from")
    func roundTrips() throws {
        for count in UInt64(1)...64 {
            var ring = try testRing(count)
            ring = try ring.activating(entry(1 + count / 2).id)
            let again = try KeyRing(decoding: ring.encoded)
            #expect(again == ring)
            #expect(again.ids == ring.ids)
        }
        let random = KeyRing(active: .now)
        #expect(try KeyRing(decoding: random.encoded) == random)
    }

    @Test("is what the operator was told")
    func form() throws {
        let ring = try testRing(2)
        let digits = Hex.digits(keyBytes(1))
        let expected = [
            "holdfast keys 1", "active \(entry(1).id)",
            "key \(entry(1).id) 2026-11-27T22:40:01Z \(String(decoding: digits, as: UTF8.self))",
        ]
        #expect(lines(ring).prefix(3) == expected[...])
        #expect(text(lines(ring)) == ring.encoded)
    }

    @Test("is refused where any one byte was changed, is missing or was put in")
    func oneByte() throws {
        let written = try testRing(2).encoded
        var count = 0
        for place in written.indices {
            for bit in 0..<8 {
                var changed = written
                changed[place] ^= 1 << UInt8(bit)
                #expect(isRefused(changed), "bit \(bit) of byte \(place)")
                count += 1
            }
            for byte in Array("\n\r \t\0a0:".utf8) where byte != written[place] {
                var changed = written
                changed[place] = byte
                #expect(isRefused(changed), "byte \(place) is \(byte)")
                changed = written
                changed.insert(byte, at: place)
                #expect(isRefused(changed), "\(byte) before byte \(place)")
                count += 2
            }
            var shorter = written
            shorter.remove(at: place)
            #expect(isRefused(shorter), "without byte \(place)")
            count += 1
        }
        #expect(count >= 20 * written.count)
    }

    @Test("is refused at every length but its own")
    func truncated() throws {
        let written = try testRing().encoded
        for count in written.indices {
            #expect(isRefused(Array(written[..<count])), "\(count) bytes")
            #expect(isRefused(Array(written[count...].dropFirst())), "without \(count) bytes")
        }
        #expect(isRefused(written + [UInt8(ascii: "\n")]))
        #expect(isRefused(written + written))
        #expect(written.count >= 300)
    }

    @Test("is refused with lines that are wrong in themselves, whatever the checksum says")
    func wrongLines() throws {
        let good = lines(try testRing(2))
        let (title, active, first, second) = (good[0], good[1], good[2], good[3])
        let (firstID, strangerID) = (entry(1).id, entry(9).id)
        let swapped = first.replacing(firstID.description, with: entry(2).id.description)
        let spaced = first.replacing(" ", with: "  ")
        let cases: [([String], KeyRingError)] = [
            ([], .notKeys),
            (["holdfast log", active, first, second], .notKeys),
            (["holdfast keys x", active, first, second], .notKeys),
            (["holdfast keys 2", active, first, second], .unknownFormat(2)),
            ([title], .line(2)),
            ([title, first, second], .line(2)),
            ([title, "active x", first, second], .line(2)),
            ([title, active], .activeMissing(firstID)),
            ([title, "active \(strangerID)", first, second], .activeMissing(strangerID)),
            ([title, active, first, second, first], .repeatedKey(firstID, line: 5)),
            ([title, active, swapped, second], .otherKey(line: 3)),
            ([title, active + " ", first, second], .changed),
            ([title, active, "", first, second], .changed),
            ([title, active, spaced, second], .changed),
        ]
        for (lines, error) in cases {
            #expect(throws: error) { _ = try KeyRing(decoding: text(lines)) }
        }
        #expect(cases.count >= 14)
        #expect(throws: KeyRingError.cut) {
            _ = try KeyRing(decoding: Array((good.joined(separator: "\n") + "\n").utf8))
        }
    }

    @Test("has no line that is no key among its keys, and says which it is")
    func wrongKeys() throws {
        let good = lines(try testRing(2))
        let key = good[2]
        let wrong = [
            "key", "crc32c 00000000", String(key.dropLast()), String(key.dropLast(2)), key + "0",
            key + "00", key + " more", key.uppercased(), key.replacing("T", with: " "),
            key.replacing("2026-11-27", with: "2026-02-30"), key.replacing("key ", with: "keys "),
            key.replacing("key ", with: "key x"), String(decoding: [0xff, 0xfe], as: UTF8.self),
        ]
        for line in wrong {
            #expect(throws: KeyRingError.line(5), "\(line)") {
                _ = try KeyRing(decoding: text(good + [line]))
            }
        }
        #expect(wrong.count >= 13)
    }

    @Test("is bounded")
    func bounds() throws {
        var more = lines(try testRing(64))
        more += lines(KeyRing(entry(65))).suffix(1)
        #expect(throws: KeyRingError.tooManyKeys) { _ = try KeyRing(decoding: text(more)) }
        let long = [UInt8](repeating: UInt8(ascii: "\n"), count: 16 * 1024 + 1)
        #expect(throws: KeyRingError.tooLong) { _ = try KeyRing(decoding: long) }
        #expect(throws: KeyRingError.notKeys) { _ = try KeyRing(decoding: Array(long.dropFirst())) }
    }

    @Test("never traps, whatever the bytes are")
    func noise() throws {
        var random = SeededRandom(23)
        let good = lines(try testRing())
        var count = 0
        for _ in 0..<500 {
            let length = random.below(400)
            let noise = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(isRefused(noise))
            // Lines of a ring in any number and order; only the ring itself is one.
            let lineCount = random.below(7)
            var picked = (0..<lineCount).map { _ in good[random.below(good.count)] }
            if random.chance(50) { picked.append(String(decoding: noise, as: UTF8.self)) }
            let bytes = text(picked)
            if let ring = try? KeyRing(decoding: bytes) {
                #expect(ring.encoded == bytes)
            } else {
                count += 1
            }
        }
        #expect(count >= 400)
    }

    @Test("that is refused is told by its line, never by its key")
    func silence() throws {
        let written = try testRing(2).encoded
        var errors: Set<KeyRingError> = []
        var count = 0
        for place in written.indices {
            for byte in Array("0f \n".utf8) where byte != written[place] {
                var changed = written
                changed[place] = byte
                do {
                    _ = try KeyRing(decoding: changed)
                } catch {
                    errors.insert(error)
                    count += 1
                }
            }
        }
        #expect(count >= 3 * written.count)
        #expect(errors.count >= 6)
        let said = errors.flatMap { texts(of: $0) }
        #expect(leaks(of: keyBytes(1), in: said).isEmpty)
        #expect(leaks(of: keyBytes(2), in: said).isEmpty)
    }

    private func isRefused(_ bytes: [UInt8]) -> Bool {
        do {
            _ = try KeyRing(decoding: bytes)
            return false
        } catch {
            return true
        }
    }
}
