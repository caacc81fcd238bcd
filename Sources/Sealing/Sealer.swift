// Sealing what is at rest: AES-256-GCM under a key that is derived for one object.
//
// In: a ring of master keys, a purpose, plaintext, a number, and what shall be vouched for beside
// the plaintext. Out: the ciphertext with a tag of 16 bytes behind it, and back.
//
//     master key, salt, purpose --HKDF-SHA256--> key of the object
//     0 0 0 0, number (8 bytes, big-endian)      nonce of one box in it
//
// The rule that everything rests on: a context is used for one object (a row, a snapshot's file, a
// backup), whose salt is drawn at random when the object is made, and no number is used twice in
// it. Two boxes of one key and one nonce give away both plaintexts and the power to forge.
// Therefore a nonce must never be made of a term and an index, or of anything else that an image of
// a disk brings back when it is restored: the same term and index are then written a second time,
// with something else in them. Nor may an object be gone on with after a restart by `resume`: that
// is for reading. The purpose keeps objects of different kinds apart under one master key; change
// it with the meaning of what is sealed.
//
// What is opened is given out whole and only where it is authentic. Lengths are not hidden.

import Crypto

/// Makes contexts for new objects, and finds those of objects that are there.
package enum Sealer {
    /// The context of an object that is made now, under the active key, with the head to store
    /// before it.
    package static func begin(
        _ ring: KeyRing,
        purpose: String
    ) -> (head: SealedHead, context: SealingContext) {
        var random = SystemRandomNumberGenerator()
        return begin(ring, purpose: purpose, using: &random)
    }

    /// The same with a salt from `random`, which must not repeat itself outside of a test.
    package static func begin(
        _ ring: KeyRing,
        purpose: String,
        using random: inout some RandomNumberGenerator
    ) -> (head: SealedHead, context: SealingContext) {
        let head = SealedHead(key: ring.active, salt: salt(from: &random))
        let context = SealingContext(ring.activeSecret, salt: head.salt, purpose: purpose)
        return (head, context)
    }

    /// The context of the object that `head` stands before, to open its boxes.
    package static func resume(
        _ head: SealedHead,
        _ ring: KeyRing,
        purpose: String
    ) throws(SealError) -> SealingContext {
        guard let master = ring.secret(head.key) else { throw .missingKey(head.key) }
        return SealingContext(master, salt: head.salt, purpose: purpose)
    }

    private static func salt(from random: inout some RandomNumberGenerator) -> [UInt8] {
        var salt: [UInt8] = []
        salt.reserveCapacity(SealedHead.saltByteCount)
        while salt.count < SealedHead.saltByteCount {
            // Four words fill it, each with its lowest byte first.
            let word = random.next()
            for place in 0..<8 {
                salt.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * place)))
            }
        }
        return salt
    }
}

/// The key of one object. See the rule at the top of this file.
package struct SealingContext: Sendable {
    /// What a box has more than its plaintext.
    package static let tagByteCount = 16

    private let secret: SecretKey

    init(_ master: SecretKey, salt: [UInt8], purpose: String) {
        self.init(derived: master.derived(salt: salt, info: Array(purpose.utf8)))
    }

    /// With the object's own key.
    init(derived secret: SecretKey) {
        self.secret = secret
    }

    /// The ciphertext of `plaintext`, with the tag behind it, which vouches for `associated` and
    /// `number` too. `number` must be new in this context.
    package func seal(
        _ plaintext: ArraySlice<UInt8>,
        number: UInt64,
        associated: ArraySlice<UInt8>
    ) -> [UInt8] {
        precondition(plaintext.count <= Limits.plaintextBytesMax)
        do {
            let sealed = try AES.GCM.seal(
                plaintext,
                using: secret.key,
                nonce: Self.nonce(number),
                authenticating: associated
            )
            var box: [UInt8] = []
            box.reserveCapacity(plaintext.count + Self.tagByteCount)
            box.append(contentsOf: sealed.ciphertext)
            box.append(contentsOf: sealed.tag)
            return box
        } catch {
            // It refuses keys of other sizes, and plaintexts that are too long: see above.
            preconditionFailure("a key of 32 bytes seals: \(error)")
        }
    }

    /// The plaintext of a box that was sealed in this context with this number and with this beside
    /// it.
    package func open(
        _ box: ArraySlice<UInt8>,
        number: UInt64,
        associated: ArraySlice<UInt8>
    ) throws(SealError) -> [UInt8] {
        guard box.count >= Self.tagByteCount else { throw .notAuthentic }
        do {
            let sealed = try AES.GCM.SealedBox(
                nonce: Self.nonce(number),
                ciphertext: box.dropLast(Self.tagByteCount),
                tag: box.suffix(Self.tagByteCount)
            )
            return Array(try AES.GCM.open(sealed, using: secret.key, authenticating: associated))
        } catch {
            // Sizes are right: what is left is a tag that does not fit.
            throw .notAuthentic
        }
    }

    private static func nonce(_ number: UInt64) -> AES.GCM.Nonce {
        var bytes = [UInt8](repeating: 0, count: 12)
        for place in 0..<8 {
            bytes[4 + place] = UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * place))
        }
        do {
            return try AES.GCM.Nonce(data: bytes)
        } catch {
            preconditionFailure("12 bytes are a nonce: \(error)")
        }
    }
}

extension SealingContext: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "a sealing context" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
