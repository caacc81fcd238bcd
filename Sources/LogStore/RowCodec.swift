// One row of the journal: what one `store` made durable, for all groups together.
//
//     1 byte    format version
//     1 byte    flags: bit 0, the body is an LZ4 block
//     16 bytes  chain value of the row before
//     4 bytes   length of the body before compression
//     ...       body
//     4 bytes   CRC-32C of everything before
//
// The body, for each group:
//
//     u16       number
//     varints   term, vote (0: none), commit
//     1 byte    what becomes of the log that is there: 0 nothing, 1 trimmed, 2 begun anew; and 128
//               more where the node is mute
//     varints   for 1 and 2: term and index of the position after which the log begins now
//     varints   index of the first entry (0: none), number of entries
//     ...       entries: term, kind, payload
//
// A row that is going to be sealed is not compressed: its length would tell what the entries of two
// sessions have in common.
//
// A row is judged by its checksum, then by its chain, and only then are its contents read.

import Bytes
import RaftCore

/// One group's part of a row. To be done in the order of its fields.
struct RowPart: Hashable {
    var group: GroupID
    var hardState: HardState
    var rebase: Rebase?
    /// They replace the log from the first one's index on.
    var entries: [Entry]
}

/// How the beginning of a group's log moves. Decided when the row is written, since a reader may
/// find the rows before it gone and could not decide.
enum Rebase: Hashable {
    /// The log has the entry at that position: what precedes goes, and that one too.
    case trimmed(LogPosition)
    /// All of the log goes; it begins after that position, whatever was known of the group's log
    /// before. What the cleaner carries forward begins so.
    case anew(LogPosition)

    var base: LogPosition {
        switch self {
        case .trimmed(let position), .anew(let position): position
        }
    }
}

enum RowCodec {
    static let version: UInt8 = 2
    private static let compressed: UInt8 = 1
    private static let mute: UInt8 = 128
    /// Below this a body is left as it is: what LZ4 would save is less than a page.
    private static let compressFromBytes = 4_096

    enum Compression {
        case none
        case wholeRow
    }

    private enum EntryTag: UInt8 {
        case noop = 0
        case command = 1
        case membership = 2
    }

    private enum RebaseTag: UInt8 {
        case none = 0
        case trimmed = 1
        case anew = 2
    }

    // MARK: Writing

    static func encode(
        _ parts: ArraySlice<RowPart>,
        after chain: ChainValue,
        compressing compression: Compression
    ) -> [UInt8] {
        var body = ByteWriter(capacity: 1_024)
        body.writeCount(parts.count)
        for part in parts { write(part, into: &body) }
        var payload = body.bytes[...]
        var flags: UInt8 = 0
        if compression == .wholeRow, payload.count >= compressFromBytes,
            let smaller = LZ4Block.compress(payload), smaller.count < payload.count
        {
            payload = smaller[...]
            flags = compressed
        }
        var row = ByteWriter(capacity: payload.count + 32)
        row.write(version)
        row.write(flags)
        row.write(chain.high)
        row.write(chain.low)
        row.write(UInt32(body.count))
        row.write(payload)
        row.write(CRC32C.checksum(row.bytes))
        return row.bytes
    }

    private static func write(_ part: RowPart, into body: inout ByteWriter) {
        body.write(part.group.rawValue)
        body.writeVarint(part.hardState.term.rawValue)
        // Node ids start at 1, so 0 stands for no vote.
        body.writeVarint(part.hardState.vote?.rawValue ?? 0)
        body.writeVarint(part.hardState.commit.rawValue)
        write(part.rebase, isMute: part.hardState.isMute, into: &body)
        body.writeVarint(part.entries.first?.index.rawValue ?? 0)
        body.writeCount(part.entries.count)
        for entry in part.entries {
            body.writeVarint(entry.term.rawValue)
            switch entry.content {
            case .noop: body.write(EntryTag.noop.rawValue)
            case .command(let payload):
                body.write(EntryTag.command.rawValue)
                body.writeLengthPrefixed(payload)
            case .membership(let membership):
                body.write(EntryTag.membership.rawValue)
                body.writeLengthPrefixed(membership.encoded[...])
            }
        }
    }

    private static func write(
        _ rebase: Rebase?,
        isMute: Bool,
        into body: inout ByteWriter
    ) {
        let tag: RebaseTag =
            switch rebase {
            case nil: .none
            case .trimmed: .trimmed
            case .anew: .anew
            }
        body.write(tag.rawValue | (isMute ? mute : 0))
        guard let base = rebase?.base else { return }
        body.writeVarint(base.term.rawValue)
        body.writeVarint(base.index.rawValue)
    }

    // MARK: Reading

    /// How long a row is, or would be, as it stands in the database, without compression.
    static func expandedBytes(_ blob: [UInt8]) -> Int {
        guard blob.count >= 22, blob[0] == version else { return blob.count }
        let length = blob[18..<22].reversed().reduce(0) { $0 << 8 | Int($1) }
        return max(blob.count, min(length, Limits.rowBytesMax) + 26)
    }

    /// What a row says, and the chain value that it continues.
    static func decode(_ row: [UInt8]) throws(DecodeError) -> (chain: ChainValue, parts: [RowPart])
    {
        guard row.count >= 26 else { throw .truncated }
        var reader = try ByteReader(checked: row[...])
        let version = try reader.readUInt8()
        guard version == Self.version else { throw .unknownTag(version) }
        let flags = try reader.readUInt8()
        guard flags & ~compressed == 0 else { throw .unknownTag(flags) }
        let chain = ChainValue(high: try reader.readUInt64(), low: try reader.readUInt64())
        let bodyBytes = Int(try reader.readUInt32())
        guard bodyBytes <= Limits.rowBytesMax else { throw .tooLarge(bodyBytes) }
        var payload = reader.readRest()
        if flags & compressed != 0 {
            payload = try LZ4Block.decompress(
                payload,
                originalCount: bodyBytes,
                limit: Limits.rowBytesMax
            )[...]
        }
        guard payload.count == bodyBytes else { throw .invalid("length of a row's body") }
        return (chain, try parts(of: payload))
    }

    private static func parts(of body: ArraySlice<UInt8>) throws(DecodeError) -> [RowPart] {
        var reader = ByteReader(body)
        var parts: [RowPart] = []
        for _ in 0..<(try reader.readCount(limit: Limits.groupsMax)) {
            parts.append(try part(&reader))
        }
        try reader.expectEnd()
        return parts
    }

    private static func part(_ reader: inout ByteReader) throws(DecodeError) -> RowPart {
        let group = GroupID(try reader.readUInt16())
        var hardState = HardState()
        hardState.term = Term(try reader.readVarint())
        let vote = try reader.readVarint()
        hardState.vote = vote == 0 ? nil : NodeID(vote)
        hardState.commit = LogIndex(try reader.readVarint())
        let byte = try reader.readUInt8()
        hardState.isMute = byte & mute != 0
        let rebase = try rebase(byte & ~mute, &reader)
        let first = try index(&reader)
        let count = try reader.readCount(limit: Limits.rowEntriesMax)
        guard count == 0 || first >= 1 else { throw .invalid("index of a row's first entry") }
        var entries: [Entry] = []
        for place in 0..<UInt64(count) {
            let term = Term(try reader.readVarint())
            let content = try content(&reader)
            entries.append(Entry(term: term, index: LogIndex(first + place), content: content))
        }
        return RowPart(group: group, hardState: hardState, rebase: rebase, entries: entries)
    }

    private static func content(_ reader: inout ByteReader) throws(DecodeError) -> Entry.Content {
        guard let tag = EntryTag(rawValue: try reader.readUInt8()) else {
            throw .invalid("kind of an entry")
        }
        switch tag {
        case .noop: return .noop
        case .command:
            return .command(try reader.readLengthPrefixed(limit: Limits.entryBytesMax))
        case .membership:
            let bytes = try reader.readLengthPrefixed(limit: Limits.membershipBytesMax)
            guard let membership = Membership(encoded: bytes) else {
                throw .invalid("membership of an entry")
            }
            return .membership(membership)
        }
    }

    private static func rebase(
        _ byte: UInt8,
        _ reader: inout ByteReader
    ) throws(DecodeError) -> Rebase? {
        guard let tag = RebaseTag(rawValue: byte) else {
            throw .invalid("beginning of a log")
        }
        guard tag != .none else { return nil }
        let term = Term(try reader.readVarint())
        let base = LogPosition(term: term, index: LogIndex(try index(&reader)))
        return tag == .anew ? .anew(base) : .trimmed(base)
    }

    /// Far below where adding counts to it could overflow.
    private static func index(_ reader: inout ByteReader) throws(DecodeError) -> UInt64 {
        let index = try reader.readVarint()
        guard index <= UInt64(Int64.max) else { throw .invalid("index of an entry") }
        return index
    }
}
