// Reads a snapshot's file from front to back and believes nothing: header, sections, trailer, end.

import Bytes
import RaftCore
import Sealing

/// Why a scan ended early.
enum ScanFailure: Error {
    /// The file is not a whole snapshot.
    case unsound(DecodeError)
    case missingKey(KeyID)
    case io(LogStoreError)

    static let truncated = ScanFailure.unsound(.truncated)
    static let otherSnapshot = ScanFailure.unsound(.invalid("header of another snapshot"))
    static let misplacedPiece = ScanFailure.unsound(.invalid("offset of a snapshot's piece"))

    /// What it means where the file is one of this node's.
    func damage(of file: ReadableFile) -> LogStoreError {
        switch self {
        case .unsound(let error): .damage(.snapshot(file: file.path, error))
        case .missingKey(let key): .missingKey(key, of: file.path)
        case .io(let error): error
        }
    }

    /// What it means where the snapshot was received.
    func refusal(of header: SnapshotHeader) -> LogStoreError {
        switch self {
        case .unsound(let error):
            .unsoundSnapshot(header.group, header.mark.position, error)
        case .missingKey(let key):
            .missingKey(key, of: "a snapshot of group \(header.group.rawValue) from another node")
        case .io(let error): error
        }
    }
}

struct SnapshotScanner {
    private let file: ReadableFile
    /// Nil where boxes are not opened: then sealed sections come out empty.
    private let keys: SealingKeys?
    /// The header as it is in the file.
    private let headerBytes: [UInt8]
    private var seal: SnapshotSeal?
    /// Where the next section begins.
    private var offset: UInt64 = 0
    /// Where what was looked at last begins.
    private(set) var place: UInt64 = 0
    private var totals = SnapshotFormat.Totals(chain: ChainValue(high: 0, low: 0))
    let header: SnapshotHeader
    /// Where the sections are sealed.
    let head: SealedHead?

    init(_ file: ReadableFile, _ keys: SealingKeys?) throws(ScanFailure) {
        self.file = file
        self.keys = keys
        let fixed = try Self.read(file, at: 0, count: SnapshotFormat.fixedHeaderBytes)
        do {
            let count = try SnapshotFormat.headerRestBytes(fixed)
            let rest = try Self.read(file, at: UInt64(fixed.count), count: count)
            headerBytes = fixed + rest
            (header, head) = try SnapshotFormat.header(headerBytes)
            totals.chain = ChainHash.value(of: headerBytes)
            offset = UInt64(headerBytes.count)
        } catch {
            throw Self.failure(error)
        }
    }

    /// The header's own checksum: the salt is in it.
    var tag: UInt32 { headerBytes.suffix(4).reduce(0) { $0 << 8 | UInt32($1) } }

    /// The seal, where the sections have one.
    private mutating func openSeal() throws(ScanFailure) {
        guard let head, let keys, seal == nil else { return }
        do {
            let context = try keys.resume(head, purpose: SnapshotSeal.purpose)
            seal = SnapshotSeal(context, header: headerBytes)
        } catch {
            switch error {
            case .missingKey(let key): throw .missingKey(key)
            case .notAuthentic: throw .unsound(.checksumMismatch)
            }
        }
    }

    /// The next section; nil after the last one, where all of the file was sound.
    mutating func next() throws(ScanFailure) -> ArraySlice<UInt8>? {
        place = offset
        try openSeal()
        let start = try Self.read(file, at: offset, count: SnapshotFormat.frameBytes)
        do {
            guard start.first != SnapshotFormat.Kind.trailer.rawValue else {
                try readTrailer()
                return nil
            }
            let frame = try SnapshotFormat.frame(start)
            let body = try Self.read(file, at: offset + UInt64(start.count), count: frame.byteCount)
            let block = start + body
            let section = try section(block, frame)
            totals.add(block[...], originalCount: frame.originalCount)
            offset += UInt64(block.count)
            return section
        } catch {
            throw Self.failure(error)
        }
    }

    private func section(
        _ block: [UInt8],
        _ frame: SnapshotFormat.Frame
    ) throws(DecodeError) -> ArraySlice<UInt8> {
        guard keys == nil, head != nil else {
            return try SnapshotFormat.section(block, frame, seal, number: totals.sections)
        }
        guard frame.kind == .sealed else { throw .invalid("kind of a snapshot's section") }
        try SnapshotFormat.checkSum(block, frame)
        return []
    }

    private mutating func readTrailer() throws {
        let bytes = try Self.read(file, at: offset, count: SnapshotFormat.trailerBytes)
        guard try SnapshotFormat.totals(bytes) == totals else {
            throw DecodeError.invalid("totals of a snapshot")
        }
        var end = offset + UInt64(bytes.count)
        if head != nil {
            let tag = try Self.read(file, at: end, count: SealingContext.tagByteCount)
            try seal?.check(tag[...], of: bytes)
            end += UInt64(tag.count)
        }
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
        _ keys: SealingKeys,
        _ take: SectionTaker
    ) throws(ScanFailure) {
        var scanner = try SnapshotScanner(file, keys)
        guard scanner.header == expected else { throw .otherSnapshot }
        try scanner.handOut(take)
    }

    /// Hands out all sections in order. What `take` throws makes the snapshot unsound.
    mutating func handOut(_ take: SectionTaker) throws(ScanFailure) {
        while let section = try next() {
            do {
                try take(section)
            } catch {
                throw .unsound(error)
            }
        }
    }
}
