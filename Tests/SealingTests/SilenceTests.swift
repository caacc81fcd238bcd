// Nothing in this module says anything of a key: not when it is printed, debugged, dumped,
// mirrored, or part of something that is.

import Testing

@testable import Sealing

@Suite("Silence")
struct SilenceTests {
    @Test("is kept by rings, keys, contexts, heads and errors")
    func values() throws {
        let ring = try testRing()
        let (head, context) = Sealer.begin(ring, purpose: "rows")
        let derived = ring.activeSecret.derived(salt: head.salt, info: Array("rows".utf8))
        var said = texts(of: ring) + texts(of: ring.entries) + texts(of: ring.ids)
        said += texts(of: ring.activeSecret) + texts(of: ring.entries[0])
        said += texts(of: ["ring": ring]) + texts(of: context)
        said += texts(of: head) + texts(of: (head, context))
        said += texts(of: derived) + texts(of: Holder(ring: ring, context: context))
        for id in ring.ids.map(\.id) {
            said += texts(of: SealError.missingKey(id)) + texts(of: KeyRingError.isActive(id))
        }
        for number in UInt64(1)...3 {
            #expect(leaks(of: keyBytes(number), in: said).isEmpty)
        }
        let derivedBytes = try #require(Hex.bytes(derived.digits[...]))
        #expect(leaks(of: derivedBytes, in: said).isEmpty)
        #expect(said.count >= 80)
    }

    @Test("does not reach to what may be told")
    func ids() throws {
        let ring = try testRing()
        for id in ring.ids.map(\.id.description) {
            #expect("\(ring)".contains(id))
            #expect(String(reflecting: ring).contains(id))
        }
        #expect("\(ring)".contains("\(ring.active) (active)"))
    }

    /// Else the tests above would pass for a search that finds nothing.
    @Test("would be seen to be broken")
    func detection() {
        let key = keyBytes(1)
        let digits = String(decoding: Hex.digits(key), as: UTF8.self)
        #expect(leaks(of: key, in: texts(of: key)).count >= 4)
        #expect(leaks(of: key, in: ["… \(digits.suffix(8)) …"]).count == 1)
        #expect(leaks(of: key, in: [digits.uppercased()]).count == 1)
        #expect(leaks(of: key, in: ["… \(digits.suffix(7)) …"]).isEmpty)
        #expect(!leaks(of: key, in: texts(of: Holder(ring: key, context: 1))).isEmpty)
    }

    private struct Holder<Ring, Context> {
        var ring: Ring
        var context: Context
    }
}
