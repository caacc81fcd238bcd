// Writes a snapshot of this node's own machine: sections in, a durable file out. What is not
// finished leaves nothing behind.

import Bytes
package import RaftCore
package import Sealing

/// Used by one thread at a time.
package final class SnapshotWriter {
    private let files: SnapshotFiles
    private let header: SnapshotHeader
    private let file: UnfinishedFile
    private let seal: SnapshotSeal?
    /// What it will be sealed with. Nil: it will be in clear.
    package let key: KeyID?
    private var totals: SnapshotFormat.Totals
    private var isFinished = false

    init(_ files: SnapshotFiles, _ header: SnapshotHeader) throws(LogStoreError) {
        self.files = files
        self.header = header
        file = try files.begin()
        let sealing = files.keys.begin(purpose: SnapshotSeal.purpose)
        let bytes = SnapshotFormat.encode(header, sealing?.head)
        key = sealing?.head.key
        seal = sealing.map { SnapshotSeal($0.context, header: bytes) }
        totals = SnapshotFormat.Totals(chain: ChainHash.value(of: bytes))
        try file.append(bytes[...])
    }

    package var mark: SnapshotMark { header.mark }

    /// Adds a section of at most `Limits.snapshotSectionBytesMax`. It comes back as it is.
    package func append(_ section: ArraySlice<UInt8>) throws(LogStoreError) {
        precondition(!isFinished)
        precondition(section.count <= Limits.snapshotSectionBytesMax)
        let block = SnapshotFormat.encode(section: section, seal, number: totals.sections)
        totals.add(block[...], originalCount: section.count)
        try file.append(block[...])
    }

    /// Makes the snapshot durable: when this returns, a start finds it.
    package func finish() throws(LogStoreError) {
        precondition(!isFinished)
        isFinished = true
        let trailer = SnapshotFormat.encode(totals)
        try file.append(trailer[...])
        if let seal { try file.append(seal.tag(of: trailer)[...]) }
        let name = SnapshotName(group: header.group, position: header.mark.position)
        try files.keep(file, as: name)
    }
}
