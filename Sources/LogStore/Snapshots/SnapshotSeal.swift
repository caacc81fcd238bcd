// The seal of one snapshot's file: each section is a box of its own, numbered, and vouches for the
// file's header; the trailer has a tag. So sections cannot be exchanged between files or places,
// and a file cannot end where it did not.

import Bytes
import Sealing

struct SnapshotSeal {
    static let purpose = "holdfast snapshot 1"
    /// No section has this number.
    private static let trailerNumber = UInt64.max

    private let context: SealingContext
    /// The file's header as it is written.
    private let header: [UInt8]

    init(_ context: SealingContext, header: [UInt8]) {
        self.context = context
        self.header = header
    }

    func box(of section: ArraySlice<UInt8>, number: UInt64) -> [UInt8] {
        context.seal(section, number: number, associated: header[...])
    }

    func section(
        of box: ArraySlice<UInt8>,
        number: UInt64
    ) throws(DecodeError) -> [UInt8] {
        do {
            return try context.open(box, number: number, associated: header[...])
        } catch {
            throw .checksumMismatch
        }
    }

    func tag(of trailer: [UInt8]) -> [UInt8] {
        context.seal([], number: Self.trailerNumber, associated: (header + trailer)[...])
    }

    func check(
        _ tag: ArraySlice<UInt8>,
        of trailer: [UInt8]
    ) throws(DecodeError) {
        do {
            _ = try context.open(
                tag,
                number: Self.trailerNumber,
                associated: (header + trailer)[...]
            )
        } catch {
            throw .checksumMismatch
        }
    }
}
