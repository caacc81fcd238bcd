// Reads a snapshot's file from front to back and believes nothing: header, sections, trailer, end.

import Bytes
import RaftCore

/// Why a scan ended early.
enum ScanFailure: Error {
    /// The file is not a whole snapshot.
    case unsound(DecodeError)
    case io(LogStoreError)

    static let truncated = ScanFailure.unsound(.truncated)
    static let otherSnapshot = ScanFailure.unsound(.invalid("header of another snapshot"))
    static let misplacedPiece = ScanFailure.unsound(.invalid("offset of a snapshot's piece"))

    /// What it means where the file is one of this node's.
    func damage(of file: ReadableFile) -> LogStoreError {
        switch self {
        case .unsound(let error): .damage(.snapshot(file: file.path, error))
        case .io(let error): error
        }
    }

    /// What it means where the snapshot was received.
    func refusal(of header: SnapshotHeader) -> LogStoreError {
        switch self {
        case .unsound(let error):
            .unsoundSnapshot(header.group, header.mark.position, error)
        case .io(let error): error
        }
    }
}

struct SnapshotScanner {
    private let file: ReadableFile
    private var offset: UInt64 = 0
    private var totals = SnapshotFormat.Totals(chain: ChainValue(high: 0, low: 0))
    let header: SnapshotHeader

    init(_ file: ReadableFile) throws(ScanFailure) {
        self.file = file
        let fixed = try Self.read(file, at: 0, count: SnapshotFormat.fixedHeaderBytes)
        do {
            let count = try SnapshotFormat.membershipBytes(fixed) + 4
            let rest = try Self.read(file, at: UInt64(fixed.count), count: count)
            let whole = fixed + rest
            header = try SnapshotFormat.header(whole)
            totals.chain = ChainHash.value(of: whole)
            offset = UInt64(whole.count)
        } catch {
            throw Self.failure(error)
        }
    }

    /// The next section; nil after the last one, where all of the file was sound.
    mutating func next() throws(ScanFailure) -> ArraySlice<UInt8>? {
        let start = try Self.read(file, at: offset, count: SnapshotFormat.frameBytes)
        do {
            guard start.first != SnapshotFormat.Kind.trailer.rawValue else {
                try readTrailer()
                return nil
            }
            let frame = try SnapshotFormat.frame(start)
            let body = try Self.read(file, at: offset + UInt64(start.count), count: frame.byteCount)
            let block = start + body
            let section = try SnapshotFormat.section(block, frame)
            totals.add(block[...], originalCount: section.count)
            offset += UInt64(block.count)
            return section
        } catch {
            throw Self.failure(error)
        }
    }

    private mutating func readTrailer() throws {
        let bytes = try Self.read(file, at: offset, count: SnapshotFormat.trailerBytes)
        guard try SnapshotFormat.totals(bytes) == totals else {
            throw DecodeError.invalid("totals of a snapshot")
        }
        let end = offset + UInt64(bytes.count)
        guard file.byteCount == end else {
            throw DecodeError.trailingBytes(Int(clamping: file.byteCount - end))
        }
    }

    private static func read(
        _ file: ReadableFile,
        at offset: UInt64,
        count: Int
    ) throws(ScanFailure) -> [UInt8] {
        let bytes: [UInt8]
        do {
            bytes = try file.read(at: offset, count: count)
        } catch {
            throw .io(error)
        }
        guard bytes.count == count else { throw .truncated }
        return bytes
    }

    private static func failure(_ error: any Error) -> ScanFailure {
        switch error {
        case let error as ScanFailure: error
        case let error as DecodeError: .unsound(error)
        default: .io(.io(call: "reading a snapshot", reason: "\(error)"))
        }
    }
}

extension SnapshotScanner {
    /// Reads all of a file that should be the snapshot `expected`, and hands out its sections in
    /// order. What `take` throws makes the snapshot unsound.
    static func scan(
        _ file: ReadableFile,
        expected: SnapshotHeader,
        _ take: SectionTaker
    ) throws(ScanFailure) {
        var scanner = try SnapshotScanner(file)
        guard scanner.header == expected else { throw .otherSnapshot }
        while let section = try scanner.next() {
            do {
                try take(section)
            } catch {
                throw .unsound(error)
            }
        }
    }
}
