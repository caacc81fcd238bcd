// The cryptography of session ids: SHA-256 of secrets, ids from the system's secure random source
// (getrandom on Linux), and the sealing of a successor's secret under a key that follows from the
// old one (HKDF, RFC 5869; AES-256-GCM). Its context is both handles, so that what was sealed for
// one rotation opens for no other.
//
//     version 1 (= 1) | nonce 12 | the secret's characters 46 | tag 16

import Commands
import Crypto
import HoldfastWire
import SessionMachine

struct SystemSecrets: SessionSecrets {
    private var random = SystemRandomNumberGenerator()

    func digest(ofSecret bytes: [UInt8]) -> SecretDigest {
        SHA256.hash(data: bytes).withUnsafeBytes { hash in
            // A SHA-256 digest has 32 bytes: four words, read as little-endian on every machine.
            func word(_ place: Int) -> UInt64 {
                UInt64(littleEndian: hash.loadUnaligned(fromByteOffset: place, as: UInt64.self))
            }
            return SecretDigest(word(0), word(8), word(16), word(24))
        }
    }

    mutating func mintRequest() -> RequestID {
        let number = UInt64.random(in: 1...UInt64(Int64.max), using: &random)
        guard let request = RequestID(rawValue: number) else { preconditionFailure("above 0") }
        return request
    }

    mutating func seal(_ new: SessionID, for old: SessionID) -> [UInt8] {
        let context = Self.context(of: new.handle, for: old.handle)
        do {
            let key = Self.key(of: old)
            let box = try AES.GCM.seal(new.secret, using: key, authenticating: context)
            // Nonce, text and tag together: there for nonces of 96 bits, such as it drew itself.
            guard let combined = box.combined else { preconditionFailure("a nonce of 96 bits") }
            return [Self.sealVersion] + combined
        } catch {
            preconditionFailure("a key of 256 bits seals 46 bytes: \(error)")
        }
    }

    func open(_ sealed: [UInt8], of handle: SessionHandle, for old: SessionID) -> SessionID? {
        let context = Self.context(of: handle, for: old.handle)
        guard sealed.first == Self.sealVersion,
            let box = try? AES.GCM.SealedBox(combined: sealed.dropFirst()),
            let secret = try? AES.GCM.open(box, using: Self.key(of: old), authenticating: context)
        else { return nil }
        return SessionID(parsing: handle.ascii + [UInt8(ascii: ".")] + Array(secret))
    }

    private static let sealVersion: UInt8 = 1

    private static func key(of old: SessionID) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: old.secret),
            info: Array("holdfast successor".utf8),
            outputByteCount: 32
        )
    }

    private static func context(of new: SessionHandle, for old: SessionHandle) -> [UInt8] {
        old.ascii + new.ascii
    }

    mutating func mint(slot: UInt16) -> SessionID {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(SessionID.randomByteCount)
        while bytes.count < SessionID.randomByteCount {
            bytes.append(UInt8.random(in: 0...255, using: &random))
        }
        return SessionID.mint(randomBytes: bytes, slot: slot)
    }
}
