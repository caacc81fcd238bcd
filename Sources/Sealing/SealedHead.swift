// What stands in the clear before something sealed: which master key, and the salt that its own key
// is derived with. 40 bytes: the key's id as a little-endian word, then the salt. Whoever changes
// it gets another key, or none, so it needs no protection of its own.

package import Bytes

/// The name of a master key, and the salt of one object.
package struct SealedHead: Hashable, Sendable {
    /// What a head takes when it is written.
    package static let byteCount = 8 + saltByteCount
    /// As long as the hash of the derivation: no two objects will ever draw the same.
    package static let saltByteCount = 32

    package let key: KeyID
    /// `saltByteCount` bytes.
    package let salt: [UInt8]

    package init(key: KeyID, salt: [UInt8]) {
        precondition(salt.count == Self.saltByteCount)
        self.key = key
        self.salt = salt
    }

    package init(from reader: inout ByteReader) throws(DecodeError) {
        key = KeyID(rawValue: try reader.readUInt64())
        salt = Array(try reader.readBytes(count: Self.saltByteCount))
    }

    package func write(to writer: inout ByteWriter) {
        writer.write(key.rawValue)
        writer.write(salt)
    }

    /// The head alone.
    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: Self.byteCount)
        write(to: &writer)
        return writer.bytes
    }
}
