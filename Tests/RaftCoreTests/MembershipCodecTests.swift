// The bytes of a membership: what is written is read, and what is read was written or is refused.

import RaftCore
import TestKit
import Testing

@Suite("The bytes of a membership")
struct MembershipCodecTests {
    private static let roles: [MemberRole] = [.learner, .joining, .voter, .incoming, .outgoing]

    private static func samples() -> [Membership] {
        var random = SeededRandom(11)
        var samples = [
            Membership.none, Membership(members: [], highestID: NodeID(.max)),
            Membership(voters: [NodeID(1), NodeID(2), NodeID(3)]), Membership("1 2 -3 +4 ~5 ^6/2"),
        ]
        for _ in 0..<60 {
            var id: UInt64 = 0
            let members = (0..<random.below(Limits.membersMax + 1)).map { _ in
                id += 1 + random.next() % 1_000
                return RaftCore.Member(
                    id: NodeID(id),
                    role: roles[random.below(5)],
                    replaces: random.chance(30) ? NodeID(1 + random.next() % 9) : nil,
                    contact: (0..<random.below(20)).map { UInt8(truncatingIfNeeded: $0 * 7) }
                )
            }
            samples.append(Membership(members: members, highestID: NodeID(id + random.next() % 5)))
        }
        return samples
    }

    /// Every membership that the decoder gives must be one that the rest of the core may use.
    private static func isValid(_ membership: Membership) -> Bool {
        let ids = membership.members.map(\.id)
        return zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 } && ids.allSatisfy { $0 > NodeID(0) }
            && (ids.last ?? NodeID(0)) <= membership.highestID && ids.count <= Limits.membersMax
            && membership.members.allSatisfy { $0.contact.count <= Limits.contactBytesMax }
            && membership.members.allSatisfy { $0.replaces != NodeID(0) }
    }

    @Test("a membership comes back as it was, and is as long as it says")
    func roundTrip() {
        var members = 0
        for sample in Self.samples() {
            #expect(Membership(encoded: sample.encoded[...]) == sample)
            #expect(sample.encoded.count == sample.encodedBytes)
            members += sample.members.count
        }
        #expect(members > 200)
    }

    @Test("the bytes are the ones that the format says")
    func layout() {
        let member = RaftCore.Member(
            id: NodeID(0x0102),
            role: .joining,
            replaces: NodeID(3),
            contact: [0xaa, 0xbb]
        )
        let membership = Membership(members: [member], highestID: NodeID(0x0405))
        let expected: [UInt8] = [
            1, 0x05, 0x04, 0, 0, 0, 0, 0, 0, 1,  // version, highest id, count
            0x02, 0x01, 0, 0, 0, 0, 0, 0, 2, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0xaa, 0xbb,
        ]
        #expect(membership.encoded == expected)
    }

    @Test("bytes are read wherever in a buffer they stand")
    func slices() {
        let membership = Membership("1 2 -3 +4")
        let buffer: [UInt8] = [9, 9, 9] + membership.encoded + [9]
        #expect(Membership(encoded: buffer[3..<buffer.count - 1]) == membership)
    }

    @Test("every truncation, and every byte too many, is refused")
    func truncations() {
        var cuts = 0
        for sample in Self.samples() {
            let bytes = sample.encoded
            for length in 0..<bytes.count {
                cuts += 1
                let cut = Membership(encoded: bytes[..<length])
                if cut != nil { Issue.record("\(sample.words) cut to \(length)") }
            }
            #expect(Membership(encoded: (bytes + [0])[...]) == nil)
        }
        #expect(cuts > 5_000)
    }

    @Test("every flipped bit is refused or gives a membership that is valid, and another one")
    func flips() {
        var refused = 0
        var taken = 0
        for sample in Self.samples().prefix(9) {
            let bytes = sample.encoded
            for place in bytes.indices {
                for bit in 0..<8 {
                    var flipped = bytes
                    flipped[place] ^= 1 << UInt8(bit)
                    guard let membership = Membership(encoded: flipped[...]) else {
                        refused += 1
                        continue
                    }
                    taken += 1
                    // One form for each membership: what differs in bytes differs in meaning.
                    if !Self.isValid(membership) || membership.encoded != flipped {
                        Issue.record("\(sample.words), byte \(place), bit \(bit)")
                    }
                }
            }
        }
        #expect(refused > 2_000)
        #expect(taken > 2_000)
    }

    @Test("random bytes with a true beginning trap nobody")
    func noise() {
        var random = SeededRandom(3)
        var taken = 0
        for _ in 0..<20_000 {
            var bytes: [UInt8] = [
                1, 255, 255, 255, 255, 255, 255, 255, 255, UInt8(random.below(4)),
            ]
            bytes += (0..<random.below(64)).map { place in
                // Mostly zero, as the high bytes of small numbers are.
                random.chance(place % 19 == 8 ? 0 : 80) ? 0 : UInt8(random.below(6))
            }
            guard let membership = Membership(encoded: bytes[...]) else { continue }
            taken += 1
            if !Self.isValid(membership) { Issue.record("\(bytes)") }
        }
        #expect(taken > 50)
    }

    @Test("counts and lengths past the limits are refused, whatever follows them")
    func hostileCounts() {
        let header: [UInt8] = [1, 9, 0, 0, 0, 0, 0, 0, 0]
        for count in [UInt8(Limits.membersMax + 1), 128, 255] {
            let bytes = header + [count] + [UInt8](repeating: 1, count: 19 * Int(count))
            #expect(Membership(encoded: bytes[...]) == nil)
        }
        let start: [UInt8] = header + [1, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0]
        for length in [Limits.contactBytesMax + 1, 0xffff] {
            let size: [UInt8] = [
                UInt8(truncatingIfNeeded: length), UInt8(truncatingIfNeeded: length >> 8),
            ]
            let bytes = start + size + [UInt8](repeating: 0, count: length)
            #expect(Membership(encoded: bytes[...]) == nil)
        }
        let most: [UInt8] = start + [0, 2] + [UInt8](repeating: 0, count: 512)
        #expect(Membership(encoded: most[...])?.members.first?.contact.count == 512)
    }

    @Test("an unknown version, role, order or highest id is refused")
    func refusals() {
        let good = Membership("1 2").encoded
        var other = good
        other[0] = 2
        #expect(Membership(encoded: other[...]) == nil)
        for role in [0, 6, 255] as [UInt8] {
            other = good
            other[18] = role
            #expect(Membership(encoded: other[...]) == nil)
        }
        for id in [0, 2, 3] as [UInt8] {
            other = good
            other[10] = id
            #expect(Membership(encoded: other[...]) == nil)
        }
        other = good
        other[1] = 1
        #expect(Membership(encoded: other[...]) == nil)
    }
}
