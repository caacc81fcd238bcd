// What stands in the database for a row: the row itself, or the row sealed with a key of its own.
//
//     1 byte     3 (the first byte of a row in clear is its version, which is another one)
//     40 bytes   master key and salt (`SealedHead`)
//     4 bytes    CRC-32C of everything before: a bit that flips here must not look like a key that
//                is missing
//     ...        the row and its tag; vouched for with it: the number of the row
//
// The chain is inside and goes on from row to row whichever keys they are sealed with.

import Bytes
import Sealing

enum RowSeal {
    static let mark: UInt8 = 3
    private static let headBytes = 1 + SealedHead.byteCount + 4
    private static let purpose = "holdfast journal row 1"

    /// What a row is sealed with; nil where it is stored in clear.
    typealias Key = KeyID?

    static func seal(
        _ row: [UInt8],
        sequence: UInt64,
        _ keys: SealingKeys
    ) -> (blob: [UInt8], key: Key) {
        guard let (head, context) = keys.begin(purpose: purpose) else { return (row, nil) }
        let box = context.seal(row[...], number: 0, associated: place(sequence)[...])
        var blob = ByteWriter(capacity: headBytes + box.count)
        blob.write(mark)
        head.write(to: &blob)
        blob.write(CRC32C.checksum(blob.bytes))
        blob.write(box)
        return (blob.bytes, head.key)
    }

    /// The row of a blob. Throws `LogStoreError.missingKey`, or damage where it is not what was
    /// sealed under that number.
    static func open(
        _ blob: [UInt8],
        sequence: UInt64,
        _ keys: SealingKeys
    ) throws(LogStoreError) -> (row: [UInt8], key: Key) {
        guard blob.first == mark else { return (blob, nil) }
        let head: SealedHead
        do {
            var reader = try ByteReader(checked: blob.prefix(headBytes))
            _ = try reader.readUInt8()
            head = try SealedHead(from: &reader)
            try reader.expectEnd()
        } catch {
            throw .damage(.row(sequence: sequence, error))
        }
        do throws(SealError) {
            let context = try keys.resume(head, purpose: purpose)
            let row = try context.open(
                blob[headBytes...],
                number: 0,
                associated: place(sequence)[...]
            )
            return (row, head.key)
        } catch {
            switch error {
            case .missingKey(let key):
                throw .missingKey(key, of: "row \(sequence) of the log")
            case .notAuthentic:
                throw .damage(.row(sequence: sequence, .checksumMismatch))
            }
        }
    }

    private static func place(_ sequence: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.write(sequence)
        return writer.bytes
    }
}

/// Which keys the rows of the journal are sealed with.
struct KeyUse {
    /// The latest row of each. Nil: in clear.
    private var latest: [RowSeal.Key: UInt64] = [:]

    mutating func note(_ key: RowSeal.Key, row: UInt64) { latest[key] = row }

    /// Those of all rows that are not gone.
    var keys: Set<RowSeal.Key> { Set(latest.keys) }

    /// Rows before `first` are gone.
    mutating func forget(before first: UInt64) {
        latest = latest.filter { $0.value >= first }
    }
}
