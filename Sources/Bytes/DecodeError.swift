// Why bytes from a socket or a disk could not be read. Decoding never traps: every reader of
// foreign bytes in this project throws this type, and the owner of the socket or file decides what
// follows (close the connection, refuse to vote, stop the node).

/// The reason that foreign bytes are not what they claim to be.
package enum DecodeError: Error, Hashable, Sendable {
    /// The input ended before the value did.
    case truncated
    /// A varint longer than ten bytes, or one whose value does not fit 64 bits.
    case varintOverflow
    /// A length or count above what its reader allows.
    case tooLarge(Int)
    /// A tag, version or enumeration value that this build does not know.
    case unknownTag(UInt8)
    /// The value was read whole, and bytes were left over.
    case trailingBytes(Int)
    /// A checksum does not match its bytes.
    case checksumMismatch
    /// A value that is well formed and not allowed here.
    case invalid(String)
}
