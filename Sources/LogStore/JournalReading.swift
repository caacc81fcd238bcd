// What everybody does who reads a journal, a start and `holdfast verify` alike: finds where it
// begins, reads the rows that count in order, and judges them by each other and by what is known to
// be durable.
//
// It must never take a journal for whole that ends before the durable row, or that holds another
// one in its place.

import RaftCore
import Sealing

struct JournalReading {
    private let journal: Journal
    private let keys: SealingKeys
    /// Up to which row the journal is known to be on the disk.
    private let durable: ChainMark
    /// The row before the first that counts.
    let start: ChainMark
    private var recovery: Recovery

    /// The latest row that was read.
    var last: ChainMark { recovery.last }

    /// Finds where the journal begins. Before that moved, the sidecar was synced: what it says,
    /// `durable`, cannot be older. `identity` is the directory's.
    init(
        _ journal: Journal,
        durable: ChainMark,
        identity: Identity,
        keys: SealingKeys
    ) throws {
        self.journal = journal
        self.keys = keys
        self.durable = durable
        let origin = ChainMark(startOf: identity)
        guard let start = try journal.start(), start.sequence > 0 || start == origin else {
            throw LogStoreError.damage(.start)
        }
        guard durable.sequence >= start.sequence else {
            let lost = Damage.sidecarBehind(durable: durable.sequence, start: start.sequence)
            throw LogStoreError.damage(lost)
        }
        guard durable.sequence > start.sequence || durable == start else {
            throw LogStoreError.damage(.otherHistory(sequence: start.sequence))
        }
        self.start = start
        recovery = Recovery(groupCount: identity.groupCount, start: start)
    }

    /// A row, as whoever reads the journal needs it.
    struct Found {
        var sequence: UInt64
        var parts: [RowPart]
        /// Bytes in the database.
        var bytes: Int
        var key: RowSeal.Key
    }

    /// Reads all rows, and hands out what each says. `progress` is told the rows read and their
    /// number, now and then.
    mutating func readRows(
        progress: ((_ rows: Int, _ of: Int) -> Void)?,
        _ take: (Found) -> Void
    ) throws {
        var count = 0
        try journal.forEachRow(after: start) { found, blob, total in
            guard let found else {
                throw LogStoreError.damage(.missingRow(sequence: recovery.last.sequence + 1))
            }
            let (row, key) = try RowSeal.open(blob, sequence: found, keys)
            let parts = try recovery.take(row, sequence: found)
            guard found != durable.sequence || recovery.last.chain == durable.chain else {
                throw LogStoreError.damage(.otherHistory(sequence: found))
            }
            take(Found(sequence: found, parts: parts, bytes: blob.count, key: key))
            count += 1
            if count.isMultiple(of: Limits.progressRows) { progress?(count, total) }
        }
        guard last.sequence >= durable.sequence else {
            let lost = Damage.shorterThanDurable(last: last.sequence, durable: durable.sequence)
            throw LogStoreError.damage(lost)
        }
    }

    /// Each group as the rows leave it.
    func groups() throws(LogStoreError) -> [RecoveredGroup] { try recovery.finish() }
}
