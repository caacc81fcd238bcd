import Bytes
import PeerWire
import RaftCore
import Testing

private func disk(_ bits: UInt64) -> Incarnation? { Incarnation(rawValue: bits) }

private let own = hello(1, incarnation: disk(0x1111))

/// Knows nodes 2, 3 and 300.
private func known() -> KnownPeers {
    var peers = KnownPeers(own: own)
    for (node, bits) in [(300, 0x3333), (2, 0x2222), (3, 0xaaaa)] as [(UInt64, UInt64)] {
        #expect(peers.admit(hello(node, incarnation: disk(bits))) == .new)
    }
    return peers
}

@Suite("Known peers")
struct KnownPeersTests {
    @Test("a peer is new once, and known from then on")
    func newAndKnown() {
        var peers = KnownPeers(own: own)
        #expect(peers[NodeID(2)] == nil)
        #expect(peers.admit(hello(2, incarnation: disk(7))) == .new)
        #expect(peers.admit(hello(2, incarnation: disk(7))) == .known)
        #expect(peers.admit(hello(3, incarnation: disk(7))) == .new)
        #expect(peers[NodeID(2)] == disk(7))
        #expect(peers.count == 2)
    }

    @Test("what a copy has admitted is not known to the original until it is put in its place")
    func copies() {
        let peers = KnownPeers(own: own)
        var next = peers
        #expect(next.admit(hello(2)) == .new)
        var again = peers
        #expect(again.admit(hello(2)) == .new)
        #expect(next == again)
    }

    @Test("a node that comes back with another disk is refused, again and again")
    func otherDisk() throws {
        var peers = known()
        let before = peers
        let was = try #require(disk(0xaaaa))
        let now = try #require(disk(0xbbbb))
        let refusal = Admission.Refusal.otherIncarnation(NodeID(3), was: was, now: now)
        for _ in 0..<3 {
            #expect(peers.admit(hello(3, incarnation: now)) == .refused(refusal))
        }
        #expect(peers == before, "a refusal changes nothing")
        #expect(peers.admit(hello(3, incarnation: was)) == .known)
        #expect(peers.admit(hello(4, incarnation: now)) == .new, "a new id is the way back")
    }

    @Test("an old release is let in as long as no incarnation is recorded")
    func oldRelease() throws {
        var peers = KnownPeers(own: own)
        let old = hello(2, version: .v1, incarnation: nil)
        #expect(peers.admit(old) == .known)
        #expect(peers.count == 0, "there is nothing to remember")
        #expect(peers.admit(hello(2, incarnation: disk(7))) == .new, "it was upgraded")
        let was = try #require(disk(7))
        let refusal = Admission.Refusal.silentIncarnation(NodeID(2), was: was)
        #expect(peers.admit(old) == .refused(refusal))
    }

    @Test("strangers are refused, and not remembered")
    func strangers() {
        var peers = known()
        let before = peers
        #expect(peers.admit(hello(9, cluster: stranger)) == .refused(.otherCluster))
        #expect(
            peers.admit(hello(9, groupCount: 13)) == .refused(.otherGroupCount(peer: 13, own: 12))
        )
        #expect(peers.admit(own) == .refused(.ownID(NodeID(1))))
        #expect(peers.admit(hello(1, incarnation: nil)) == .refused(.ownID(NodeID(1))))
        #expect(peers == before)
    }

    @Test("peers are remembered up to a limit, and the known ones stay welcome beyond it")
    func limit() {
        var peers = KnownPeers(own: own)
        var admitted = 0
        for node in 2..<UInt64(Limits.knownPeersMax) + 2 where peers.admit(hello(node)) == .new {
            admitted += 1
        }
        #expect(admitted == Limits.knownPeersMax)
        #expect(peers.admit(hello(100_000)) == .refused(.tooManyPeers))
        #expect(peers.admit(hello(2)) == .known)
    }

    @Test("the bytes bring everything back, whatever order the peers came in")
    func roundTrip() throws {
        let peers = known()
        let read = try KnownPeers(encoded: peers.encoded[...], own: own)
        #expect(read == peers)
        var other = KnownPeers(own: own)
        for (node, bits) in [(3, 0xaaaa), (2, 0x2222), (300, 0x3333)] as [(UInt64, UInt64)] {
            _ = other.admit(hello(node, incarnation: disk(bits)))
        }
        #expect(other.encoded == peers.encoded)
        let empty = KnownPeers(own: own)
        #expect(try KnownPeers(encoded: empty.encoded[...], own: own) == empty)
    }

    @Test("bytes that are cut, lengthened or damaged anywhere are refused")
    func damage() {
        let bytes = known().encoded
        var refused = 0
        func expectRefusal(_ damaged: [UInt8]) {
            #expect(throws: DecodeError.self) {
                try KnownPeers(encoded: damaged[...], own: own)
            }
            refused += 1
        }
        for length in bytes.indices { expectRefusal(Array(bytes.prefix(length))) }
        for place in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[place] ^= 1 << UInt8(bit)
                expectRefusal(damaged)
            }
        }
        expectRefusal(bytes + [0])
        #expect(refused > 600)
    }

    @Test(
        "well-sealed bytes of another node, cluster or version, or with lies in them, are refused"
    )
    func lies() {
        func refusal(
            version: UInt8 = 1,
            cluster: ClusterID = cluster,
            node: UInt64 = 1,
            count: UInt32,
            _ words: [UInt64]
        ) -> DecodeError? {
            var writer = ByteWriter()
            writer.write(version)
            writer.write(cluster.high)
            writer.write(cluster.low)
            writer.write(node)
            writer.write(count)
            for word in words { writer.write(word) }
            writer.write(CRC32C.checksum(writer.bytes))
            do {
                _ = try KnownPeers(encoded: writer.bytes[...], own: own)
                return nil
            } catch { return error }
        }
        #expect(refusal(count: 2, [2, 7, 3, 7]) == nil)
        #expect(refusal(version: 2, count: 0, []) == .unknownTag(2))
        #expect(refusal(cluster: stranger, count: 0, []) == .invalid("of another cluster"))
        #expect(refusal(node: 2, count: 0, []) == .invalid("of another node"))
        #expect(refusal(count: 3, [2, 7, 3, 7]) == .truncated)
        #expect(refusal(count: 1, [2, 7, 3, 7]) == .trailingBytes(16))
        #expect(refusal(count: 2, [3, 7, 2, 7]) == .invalid("not a list of peers"))
        #expect(refusal(count: 2, [2, 7, 2, 7]) == .invalid("not a list of peers"))
        #expect(refusal(count: 1, [2, 0]) == .invalid("not a list of peers"))
        let many = UInt32(Limits.knownPeersMax) + 1
        #expect(refusal(count: many, []) == .tooLarge(Int(many)))
        #expect(refusal(count: .max, []) == .tooLarge(Int(UInt32.max)))
    }

    @Test("a refusal tells the operator what is wrong and what to do")
    func reasons() throws {
        let was = try #require(disk(0xaaaa))
        let now = try #require(disk(.max))
        let lost = Admission.Refusal.otherIncarnation(NodeID(3), was: was, now: now).reason
        #expect(lost.hasPrefix("node 3 came back with another disk: "))
        #expect(lost.contains("000000000000aaaa and is ffffffffffffffff"))
        #expect(lost.contains("in the place of 3: 'holdfast members replace'"))
        #expect(!lost.contains("\n"))
        let silent = Admission.Refusal.silentIncarnation(NodeID(3), was: was).reason
        #expect(silent.contains("older release"))
        #expect(Admission.Refusal.otherCluster.reason.contains("'cluster-id'"))
        let groups = Admission.Refusal.otherGroupCount(peer: 13, own: 12).reason
        #expect(groups.hasPrefix("it has 13 groups, this node 12"))
    }
}
