// The keys that a node has now. Everything that seals or opens asks here, so that a rotation, which
// puts another ring in, counts for the next object and for every thread.
//
// In: a ring, at the start and at each reload, and whether new objects are sealed at all. Out: the
// contexts of objects. It must never give out a key.

import Synchronization

/// A ring that can be replaced. Usable from any thread.
package final class SealingKeys: Sendable {
    private let state: Mutex<KeyRing?>
    /// Whether new objects are sealed. Where they are not, old ones still can be opened.
    private let seals: Bool

    /// `ring` may be nil only where nothing is to be sealed: then nothing sealed can be opened.
    package init(_ ring: KeyRing?, seals: Bool) {
        precondition(ring != nil || !seals, "nothing is sealed without a key")
        state = Mutex(ring)
        self.seals = seals
    }

    /// Nothing is sealed, and nothing sealed can be opened.
    package static var none: SealingKeys { SealingKeys(nil, seals: false) }

    /// The key that new objects are sealed with; nil where they are stored in clear.
    package var current: KeyID? { seals ? ring?.active : nil }

    package var ring: KeyRing? { state.withLock { $0 } }

    package func has(_ key: KeyID) -> Bool { ring?.contains(key) == true }

    /// From now on these keys count.
    package func replace(with ring: KeyRing) {
        state.withLock { $0 = ring }
    }

    /// The context of an object that is made now, with the head to store before it; nil where new
    /// objects are stored in clear.
    package func begin(purpose: String) -> (head: SealedHead, context: SealingContext)? {
        guard seals, let ring else { return nil }
        return Sealer.begin(ring, purpose: purpose)
    }

    /// The context of the object that `head` stands before.
    package func resume(
        _ head: SealedHead,
        purpose: String
    ) throws(SealError) -> SealingContext {
        guard let ring else { throw .missingKey(head.key) }
        return try Sealer.resume(head, ring, purpose: purpose)
    }
}
