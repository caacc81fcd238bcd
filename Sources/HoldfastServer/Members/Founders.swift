// The file `founders`: the members with which a node's groups began, as the node was told at its
// first start. No entry of a log says it, only the first snapshots do; so a node that has lost a
// group's snapshots could not tell who the members are where the log goes back to its beginning.
//
//     Membership.encoded, and its CRC-32C in 4 bytes
//
// It is written once. It must never be made anew where a group has a snapshot, or is mute.

import Bytes
import RaftCore

struct Founders {
    private let path: String

    init(directory: String) { path = directory + "/founders" }

    /// Reads the file; nil where there is none.
    func read() throws(StartError) -> Membership? {
        let bytes: [UInt8]?
        do {
            bytes = try DurableFile.read(path, bytesMax: Self.bytesMax)
        } catch {
            throw .reason(.disk("\(error)"))
        }
        guard let bytes else { return nil }
        guard let membership = Self.decode(bytes) else { throw unusable("unreadable") }
        return membership
    }

    /// Why a node does not start without it.
    func unusable(_ what: String) -> StartError {
        .reason(
            .damage(
                "\(path) is \(what), and a group needs it. Replace this node by one with a new id "
                    + "('holdfast members replace')."
            )
        )
    }

    func write(_ membership: Membership) throws(StartError) {
        var writer = ByteWriter(capacity: 256)
        writer.write(membership.encoded)
        writer.write(CRC32C.checksum(writer.bytes))
        do {
            try DurableFile.replace(path, with: writer.bytes)
        } catch {
            throw .reason(.disk("\(error)"))
        }
    }

    private static let bytesMax = 16 * 1024

    private static func decode(_ bytes: [UInt8]) -> Membership? {
        do throws(DecodeError) {
            var reader = try ByteReader(checked: bytes[...])
            return Membership(encoded: reader.readRest())
        } catch {
            return nil
        }
    }
}
