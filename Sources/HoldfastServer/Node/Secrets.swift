// The cryptography of session ids: SHA-256 of secrets, and ids from the system's secure random
// source (getrandom on Linux).

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

    mutating func mint(slot: UInt16) -> SessionID {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(SessionID.randomByteCount)
        while bytes.count < SessionID.randomByteCount {
            bytes.append(UInt8.random(in: 0...255, using: &random))
        }
        return SessionID.mint(randomBytes: bytes, slot: slot)
    }
}
