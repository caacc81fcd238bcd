// What one Raft entry carries: the format version, the leader's time stamp, and the commands of
// one turn.
//
//     version u8 = 1 | time varint (ms) | count varint | command ... command
//
// Encoded once for log, disk and wire. Decoding is a cursor over the entry's own bytes: commands
// come out one by one, and no array of them is ever built.

package import Bytes

/// Encodes entries, and reads them one command at a time.
package struct EntryPayload: Sendable {
    /// The leader's clock when it proposed the entry. Machine time may already be later.
    package let time: MachineTime
    /// How many commands the entry has, 0...`Limits.commandsPerEntry`.
    package let count: Int
    private var rest: ByteReader
    private var read = 0

    static let formatVersion: UInt8 = 1

    /// Reads the entry's head. The commands stay bytes until `next()`.
    package init(decoding bytes: ArraySlice<UInt8>) throws(DecodeError) {
        var reader = ByteReader(bytes)
        let version = try reader.readUInt8()
        guard version == EntryPayload.formatVersion else { throw .unknownTag(version) }
        time = try reader.readTime()
        count = try reader.readCount(limit: Limits.commandsPerEntry)
        guard count <= reader.remaining else { throw .truncated }
        rest = reader
    }

    /// The next command, or nil after the last one. Left-over bytes after the last one are an
    /// error.
    package mutating func next() throws(DecodeError) -> Command? {
        guard read < count else {
            try rest.expectEnd()
            return nil
        }
        read += 1
        return try Command(from: &rest)
    }

    /// The bytes of an entry. At most `Limits.commandsPerEntry` commands: more are a programmer's
    /// error.
    package static func encode(time: MachineTime, _ commands: some Collection<Command>) -> [UInt8] {
        precondition(commands.count <= Limits.commandsPerEntry)
        var writer = ByteWriter(capacity: 16 + commands.count * 64)
        writer.write(formatVersion)
        writer.writeVarint(time.millisecondsSince1970)
        writer.writeCount(commands.count)
        for command in commands { command.encode(into: &writer) }
        return writer.bytes
    }

    /// The bytes of an entry whose commands were encoded one after the other before.
    package static func encode(
        time: MachineTime,
        count: Int,
        encodedCommands: ArraySlice<UInt8>
    ) -> [UInt8] {
        precondition(count >= 0)
        precondition(count <= Limits.commandsPerEntry)
        var writer = ByteWriter(capacity: 16 + encodedCommands.count)
        writer.write(formatVersion)
        writer.writeVarint(time.millisecondsSince1970)
        writer.writeCount(count)
        writer.write(encodedCommands)
        return writer.bytes
    }
}
