// A key, and the only thing in this module that holds one. Whatever prints, dumps or mirrors it, or
// something it is a part of, finds nothing: a key that stands in a log is lost.
//
// In: random bytes of the system, or 32 bytes of a ring. Out: the key's id, keys derived from it,
// and its digits for the ring's text. Its bytes are wiped when the last copy is gone, which
// swift-crypto does; the text that it was read from is not, which Swift cannot do.

import Crypto

struct SecretKey: Equatable, Sendable {
    static let byteCount = 32
    private static let idPrefix = Array("holdfast key id".utf8)

    let key: SymmetricKey

    /// A new key, from the system's secure random source.
    static func random() -> SecretKey { SecretKey(SymmetricKey(size: .bits256)) }

    init(_ key: SymmetricKey) { self.key = key }

    /// Nil unless there are 32 bytes.
    init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.init(SymmetricKey(data: bytes))
    }

    /// The first 8 bytes of SHA-256("holdfast key id" + key), the first one highest.
    var id: KeyID {
        var hash = SHA256()
        hash.update(data: Self.idPrefix)
        key.withUnsafeBytes { hash.update(bufferPointer: $0) }
        let word = hash.finalize().prefix(8).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        return KeyID(rawValue: word)
    }

    /// For the ring's text alone.
    var digits: [UInt8] { key.withUnsafeBytes { Hex.digits($0) } }

    /// A key of 32 bytes by HKDF-SHA256 (RFC 5869).
    func derived(salt: [UInt8], info: [UInt8]) -> SecretKey {
        SecretKey(
            HKDF<SHA256>.deriveKey(
                inputKeyMaterial: key,
                salt: salt,
                info: info,
                outputByteCount: Self.byteCount
            )
        )
    }
}

extension SecretKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    var description: String { "secret" }
    var debugDescription: String { description }
    /// Without this `dump`, and every text that is made by reflection, would look inside.
    var customMirror: Mirror { Mirror(self, children: [:]) }
}
