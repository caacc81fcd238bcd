// The entries of a log in memory: a queue in chunks, for logs of millions of entries whose turns
// must stay short.
//
//     [ chunk | chunk | chunk | chunk ... ]       grows by a chunk; full chunks never move
//       dropped ^ first                           and is let go of a few chunks at a time
//
// A flat array would move all entries when it grows, and destroy all that a snapshot stands for in
// the turn in which it is durable: a million of them took 0.2 s. It must never do more in one call
// than the entries that the call is about, and some chunks, make necessary.

/// Entries in the order of their indexes, by their offset from the first one.
struct EntryChunks: Sendable {
    /// All but the last are full, when `head` is counted as there.
    private var chunks: [[Entry]] = []
    /// How many entries are gone from the first chunk.
    private var head = 0
    private(set) var count = 0
    /// What was dropped and has its memory still.
    private var dropped: [[Entry]] = []

    init(_ entries: [Entry] = []) {
        for entry in entries { append(entry) }
    }

    var last: Entry? { chunks.last?.last }

    subscript(offset: Int) -> Entry {
        let (chunk, place) = locate(offset)
        return chunks[chunk][place]
    }

    /// Where the entry stands, or would stand if there were one more.
    private func locate(_ offset: Int) -> (chunk: Int, place: Int) {
        let position = offset + head
        let chunk = position / Limits.chunkEntries
        let place = position % Limits.chunkEntries
        return (chunk, chunk == 0 ? place - head : place)
    }

    /// Copies of the entries in `range`, which must be there.
    func copy(_ range: Range<Int>) -> [Entry] {
        precondition(range.upperBound <= count)
        var copied: [Entry] = []
        copied.reserveCapacity(range.count)
        var offset = range.lowerBound
        while offset < range.upperBound {
            let (chunk, place) = locate(offset)
            let part = chunks[chunk][place...].prefix(range.upperBound - offset)
            copied += part
            offset += part.count
        }
        return copied
    }

    mutating func append(_ entry: Entry) {
        let (chunk, _) = locate(count)
        if chunk == chunks.count {
            chunks.append([])
            // The first chunk grows as it fills: an empty log must stay small.
            if chunk > 0 { chunks[chunk].reserveCapacity(Limits.chunkEntries) }
        }
        chunks[chunk].append(entry)
        count += 1
    }

    /// Removes the entries from `offset` on.
    mutating func remove(from offset: Int) {
        precondition((0...count).contains(offset))
        let (chunk, place) = locate(offset)
        count = offset
        guard chunk < chunks.count else { return }
        chunks.removeSubrange((chunk + 1)...)
        chunks[chunk].removeSubrange(place...)
        if chunks[chunk].isEmpty { chunks.removeLast() }
        if chunks.isEmpty { head = 0 }
    }

    /// Drops the first entries. Those that fill chunks keep their memory until `releaseSome`.
    mutating func removeFirst(_ number: Int) {
        precondition((0...count).contains(number))
        let (chunk, place) = locate(number)
        head = (head + number) % Limits.chunkEntries
        count -= number
        dropped += chunks[..<chunk]
        chunks.removeFirst(chunk)
        if count == 0 {
            chunks = []
            head = 0
        } else {
            chunks[0].removeFirst(place)
        }
    }

    mutating func removeAll() { removeFirst(count) }

    /// Whether what was dropped has no memory any more.
    var isReleased: Bool { dropped.isEmpty }

    /// Gives back some of the memory of what was dropped.
    mutating func releaseSome() {
        guard !dropped.isEmpty else { return }
        dropped.removeLast(min(Limits.chunksReleased, dropped.count))
        if dropped.isEmpty { dropped = [] }
    }
}
