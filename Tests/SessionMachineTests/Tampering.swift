// How tests plant faults in a machine: by writing to stored properties that the module keeps to
// itself. `withWheel` and the like reach some; for the rest this goes by the property's place in
// memory, which Swift tells for a key path even where that is read-only.

@testable import SessionMachine

/// Changes a stored property whose setter is not visible here.
func tamper<Root, Value>(
    _ root: inout Root,
    _ property: KeyPath<Root, Value>,
    _ change: (inout Value) -> Void
) {
    guard let offset = MemoryLayout<Root>.offset(of: property) else {
        preconditionFailure("not a stored property")
    }
    withUnsafeMutableBytes(of: &root) { bytes in
        let range = UnsafeMutableRawBufferPointer(
            rebasing: bytes[offset..<offset + MemoryLayout<Value>.size]
        )
        range.withMemoryRebound(to: Value.self) { change(&$0[0]) }
    }
}

/// `HashIndex` with its properties in their order, all open.
private struct OpenIndex {
    var buckets: PagedArray<[HashIndex.Entry]>
    var count: Int
}

/// `SubjectIndex` likewise.
private struct OpenSubjects {
    var index: OpenIndex
    var lists: PagedArray<[RecordID]>
    var free: PagedArray<RecordID>
}

extension HashIndex {
    /// Moves the entries of one bucket to another, where no one looks for them.
    mutating func misplace(bucket: Int, to other: Int) {
        var open = unsafeBitCast(self, to: OpenIndex.self)
        let moved = open.buckets[bucket]
        open.buckets[bucket] = []
        open.buckets[other] += moved
        self = unsafeBitCast(open, to: HashIndex.self)
    }
}

extension SubjectIndex {
    /// Empties a list without removing it.
    mutating func emptyList(_ number: Int) {
        var open = unsafeBitCast(self, to: OpenSubjects.self)
        open.lists[number] = []
        self = unsafeBitCast(open, to: SubjectIndex.self)
    }
}
