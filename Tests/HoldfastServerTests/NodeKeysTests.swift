// The keys of a node are read again: what counts afterwards, and which ring is refused.

import Foundation
import Sealing
import Testing

@testable import HoldfastServer

@Suite("The keys of a node")
struct NodeKeysTests {
    private let path = NSTemporaryDirectory() + "holdfast-node-keys-\(UUID().uuidString)"
    private let words = RecordedLog()

    /// A node with the keys in the file.
    private func node(_ ring: KeyRing) throws -> NodeKeys {
        try KeyFile.write(ring, to: path)
        return try NodeKeys.read(AtRest(source: .file(path), seals: true))
    }

    private func reload(_ keys: NodeKeys, _ ring: KeyRing) throws -> Bool {
        try KeyFile.write(ring, to: path)
        return keys.reload(words.logger)
    }

    private func remove() { unlink(path) }

    @Test("a key that rows, snapshots or the present need is not let go of, and any other is")
    func needed() throws {
        defer { remove() }
        let old = KeyRing(active: .now)
        let both = try old.addingKey(created: .now)
        let rotated = try both.activating(both.newest)
        let alone = try rotated.removing(old.active)
        let keys = try node(old)
        #expect(keys.keys.current == old.active)
        #expect(keys.inUse == nil)
        #expect(try !reload(keys, alone), "the active key is needed, whatever was noted")
        #expect(try reload(keys, both))
        #expect(keys.keys.current == old.active)
        #expect(try reload(keys, rotated))
        #expect(keys.keys.current == both.newest)
        #expect(try !reload(keys, alone), "nobody knows yet whether the old one is needed")
        keys.note(journal: [both.newest])
        #expect(try !reload(keys, alone), "nor of the snapshots")
        keys.note(snapshots: [old.active, both.newest, nil])
        #expect(try !reload(keys, alone))
        keys.note(journal: [old.active])
        keys.note(snapshots: nil)
        #expect(keys.inUse == nil)
        keys.note(snapshots: [both.newest])
        #expect(try !reload(keys, alone))
        #expect(keys.inUse == [old.active, both.newest])
        keys.note(journal: [both.newest])
        #expect(try reload(keys, alone))
        #expect(try !reload(keys, alone), "they are as before")
        #expect(keys.keys.ring?.ids.count == 1)
    }

    @Test("a key that was active until now may be in what is being stored at this moment")
    func outgoing() throws {
        defer { remove() }
        let old = KeyRing(active: .now)
        let rotated = try old.addingKey(created: .now)
        let alone = try rotated.activating(rotated.newest).removing(old.active)
        let keys = try node(old)
        // Nothing was stored yet, as far as anybody has said.
        keys.note(journal: [])
        keys.note(snapshots: [])
        #expect(try reload(keys, rotated.activating(rotated.newest)))
        #expect(keys.inUse == [old.active])
        #expect(try !reload(keys, alone))
        keys.note(journal: [rotated.newest])
        #expect(try !reload(keys, alone), "the other thread has not looked again")
        keys.note(snapshots: [])
        #expect(try reload(keys, alone))
    }

    @Test("what cannot be read changes nothing, and where there are no keys nothing is read")
    func unreadable() throws {
        defer { remove() }
        let ring = KeyRing(active: .now)
        let keys = try node(ring)
        try "nonsense".write(toFile: path, atomically: false, encoding: .utf8)
        #expect(!keys.reload(words.logger))
        remove()
        #expect(!keys.reload(words.logger))
        #expect(keys.keys.current == ring.active)
        let off = try NodeKeys.read(AtRest(source: nil, seals: false))
        #expect(!off.reload(words.logger))
        #expect(off.keys.current == nil)
    }

    @Test("with encryption off the keys still open what was sealed, and nothing new is")
    func off() throws {
        defer { remove() }
        let ring = KeyRing(active: .now)
        try KeyFile.write(ring, to: path)
        let keys = try NodeKeys.read(AtRest(source: .file(path), seals: false))
        #expect(keys.keys.current == nil)
        #expect(keys.keys.begin(purpose: "a test") == nil)
        let (head, _) = Sealer.begin(ring, purpose: "a test")
        _ = try keys.keys.resume(head, purpose: "a test")
    }
}
