// What of a node survives its process: the log, the hard state, a mark of how far both are durable,
// the vote a second time, two snapshots, and whom it has met. Batches are transactions: one that
// was cut short by a crash is known by its checksum and was never there. What was durable and is
// not as it was written any more is damage; it is noticed at the next start. If the vote is there,
// the node comes back mute, with what is left of its log; else it does not come back.

import PeerWire
import RaftCore

/// The disk of one node.
struct SimDisk: Sendable {
    /// How a batch came out that was being written when the process died.
    enum Fate: Sendable { case lost, torn, stored }

    struct DurableMark: Hashable, Sendable {
        var last: LogIndex
        var chain: UInt32
    }

    struct Base: Hashable, Sendable {
        var position: LogPosition
        var chain: UInt32
    }

    /// What a start finds.
    struct Recovered: Sendable {
        var hardState: HardState
        var base: LogPosition
        var entries: [Entry]
        var snapshot: SnapshotFile
    }

    private(set) var rows: [StoredRow] = []
    private(set) var hardState: Sealed<HardState>
    private(set) var base: Sealed<Base>
    private(set) var mark: Sealed<DurableMark>
    /// Term and vote once more, written before what they are written with.
    private(set) var vote: Sealed<HardState>
    /// The log of some time ago.
    private var image: (base: Sealed<Base>, rows: [StoredRow])?
    private var stores = 0
    /// The end of the log as the process knows it that wrote it, whatever the disk made of it.
    private var head: DurableMark
    /// Oldest first; the newest and the one before.
    private(set) var snapshots: [SnapshotFile]
    let incarnation: Incarnation
    /// `KnownPeers.encoded`; nil until somebody was met.
    var known: [UInt8]?

    /// A new disk, with the snapshot of nothing with which every node begins.
    init(incarnation: Incarnation, first: SnapshotFile) {
        let origin = Base(position: .origin, chain: StoredRow.chain(from: .origin))
        hardState = Sealed(HardState())
        base = Sealed(origin)
        head = DurableMark(last: .zero, chain: origin.chain)
        mark = Sealed(head)
        vote = Sealed(HardState())
        snapshots = [first]
        self.incarnation = incarnation
    }

    private var lastIndex: LogIndex { base.value.position.index.advanced(by: rows.count) }

    private var lastChain: UInt32 { rows.last?.chain ?? base.value.chain }

    // MARK: Writing

    /// Whether the batch continues what is stored without a gap.
    func fits(_ batch: PersistBatch) -> Bool {
        guard let first = batch.entries.first else { return true }
        let base = batch.base ?? base.value.position
        let isWhole = batch.base.map { !continues($0) } ?? false
        let last = isWhole ? base.index : lastIndex
        return first.index > base.index && first.index <= last.next
    }

    /// Whether `position` is in the stored log, which goes on after it.
    func continues(_ position: LogPosition) -> Bool {
        if position == base.value.position { return true }
        guard position.index > base.value.position.index, position.index <= lastIndex else {
            return false
        }
        let offset = position.index.distance(from: base.value.position.index) - 1
        return entry(at: offset)?.position == position
    }

    /// A batch becomes durable, and then the mark beside it; a crash may fall between the two.
    mutating func store(_ batch: PersistBatch, marksIt: Bool = true) {
        stores += 1
        if stores.isMultiple(of: 32) { image = (base, rows) }
        if let base = batch.base { cut(to: base) }
        if let first = batch.entries.first {
            let kept = first.index.rawValue - base.value.position.index.rawValue - 1
            precondition(kept <= UInt64(rows.count), "`fits` was asked")
            rows.removeSubrange(Int(kept)...)
            for entry in batch.entries { rows.append(StoredRow(entry, after: lastChain)) }
            head = DurableMark(last: lastIndex, chain: lastChain)
        }
        hardState = Sealed(batch.hardState)
        keepVote(batch.hardState)
        // What was cut off again is not promised any more, even where the new mark is not written.
        let isShorter = mark.value.last >= (batch.entries.first?.index ?? lastIndex.next)
        if marksIt || isShorter || batch.base != nil {
            mark = Sealed(head)
        }
    }

    /// A batch became durable that does not follow what is left of a log which has lost its rows:
    /// its mark is that of a log which is not there.
    mutating func markWhatIsMissing() {
        mark = Sealed(DurableMark(last: lastIndex, chain: ~lastChain))
    }

    /// What comes first of a batch, in a file of its own: also where the rest does not get there.
    mutating func keepVote(_ state: HardState) { vote = Sealed(state) }

    /// What was promised: the vote may be newer than the rest, and only that.
    private var promised: HardState {
        var state = hardState.value
        let other = vote.value
        let isVoteKept = state.vote == nil || state.vote == other.vote
        guard vote.isSound, other.term > state.term || (other.term == state.term && isVoteKept)
        else { return state }
        state.term = other.term
        state.vote = other.vote
        state.isMute = state.isMute || other.isMute
        return state
    }

    private mutating func cut(to position: LogPosition) {
        let offset = Int(position.index.rawValue) - Int(base.value.position.index.rawValue)
        if offset >= 1, offset <= rows.count, entry(at: offset - 1)?.position == position {
            base = Sealed(Base(position: position, chain: rows[offset - 1].chain))
            rows.removeFirst(offset)
        } else if offset != 0 || base.value.position != position {
            rows.removeAll()
            base = Sealed(Base(position: position, chain: StoredRow.chain(from: position)))
            head = DurableMark(last: lastIndex, chain: lastChain)
        }
    }

    private func entry(at offset: Int) -> Entry? {
        rows[offset].entry(after: offset == 0 ? base.value.chain : rows[offset - 1].chain)
    }

    /// A snapshot becomes durable under its name, in the place of one of that name.
    mutating func store(_ file: SnapshotFile) {
        snapshots.removeAll { $0.mark.position == file.mark.position }
        let place = snapshots.firstIndex { $0.mark.position.index > file.mark.position.index }
        snapshots.insert(file, at: place ?? snapshots.endIndex)
        if snapshots.count > 2 { snapshots.removeFirst(snapshots.count - 2) }
    }

    // MARK: Reading

    /// A piece of the snapshot of `mark`, without a look at its checksum.
    func fetch(_ fetch: SnapshotFetch) -> FetchedChunk {
        guard let file = snapshots.last(where: { $0.mark.position == fetch.mark.position }),
            fetch.offset <= UInt64(file.bytes.count)
        else { return .gone }
        let start = Int(fetch.offset)
        let end = min(start + fetch.bytesMax, file.bytes.count)
        return .bytes(file.bytes[start..<end], isLast: end == file.bytes.count)
    }

    /// A process starts with what `recover` found: also with rows that the mark did not reach.
    mutating func open() { head = DurableMark(last: lastIndex, chain: lastChain) }

    /// What a process that starts finds; nil where something is not as it was written.
    func recover(isTrusted: Bool = false) -> Recovered? {
        if isTrusted { return trusted() }
        guard hardState.isSound, base.isSound, mark.isSound else { return nil }
        var entries: [Entry] = []
        var chain = base.value.chain
        var markedChain = mark.value.last == base.value.position.index ? chain : nil
        for row in rows {
            guard let entry = row.entry(after: chain),
                entry.index == base.value.position.index.advanced(by: entries.count + 1)
            else { return nil }
            entries.append(entry)
            chain = row.chain
            if entry.index == mark.value.last { markedChain = chain }
        }
        guard markedChain == mark.value.chain else { return nil }
        let usable = snapshots.last {
            $0.isSound && $0.mark.position.index >= base.value.position.index
        }
        guard let usable else { return nil }
        return Recovered(
            hardState: promised,
            base: base.value.position,
            entries: entries,
            snapshot: usable
        )
    }

    /// What is there, whatever it is: at its place and in its term, so that only the bytes differ.
    private func trusted() -> Recovered? {
        guard let snapshot = snapshots.last else { return nil }
        var entries: [Entry] = []
        var term = base.value.position.term
        for row in rows {
            var entry = row.uncheckedEntry ?? Entry(term: term, index: .zero, content: .noop)
            entry.index = base.value.position.index.advanced(by: entries.count + 1)
            term = min(max(entry.term, term), hardState.value.term)
            entry.term = term
            entries.append(entry)
        }
        return Recovered(
            hardState: hardState.value,
            base: base.value.position,
            entries: entries,
            snapshot: snapshot
        )
    }

    /// Makes a sound disk of a damaged one, whose node is mute: what is left of the log from its
    /// beginning on, or nothing with `origin`. False where the vote is lost too.
    mutating func salvage(origin: SnapshotFile) -> Bool {
        guard vote.isSound else { return false }
        snapshots.removeAll { !$0.isSound }
        let isUsable = { (file: SnapshotFile, base: Sealed<Base>) in
            base.isSound && file.mark.position.index >= base.value.position.index
        }
        if let newest = snapshots.last, isUsable(newest, base) {
            keepSoundRows()
        } else {
            let start = snapshots.last?.mark.position ?? .origin
            if snapshots.isEmpty { snapshots = [origin] }
            base = Sealed(Base(position: start, chain: StoredRow.chain(from: start)))
            rows = []
        }
        hardState = Sealed(HardState(term: vote.value.term, vote: vote.value.vote, isMute: true))
        vote = hardState
        open()
        mark = Sealed(head)
        return true
    }

    private mutating func keepSoundRows() {
        var chain = base.value.chain
        var index = base.value.position.index
        let count = rows.prefix { row in
            index = index.next
            defer { chain = row.chain }
            return row.entry(after: chain)?.index == index
        }.count
        rows.removeSubrange(count...)
    }

    // MARK: Damage

    /// Rows that were stored, and nobody was told so: the process died before the mark was written.
    /// Without them the disk is as after a crash a little earlier.
    private var rowsBeyondMark: Int {
        let last = lastIndex.rawValue
        let marked = mark.value.last.rawValue
        return last > marked ? Int(last - marked) : 0
    }

    /// The log of some time ago is back, whoever has put it there. False where that is no damage.
    mutating func putBack() -> Bool {
        guard let image else { return false }
        let last = image.base.value.position.index.advanced(by: image.rows.count)
        let chain = image.rows.last?.chain ?? image.base.value.chain
        guard last != mark.value.last || chain != mark.value.chain else { return false }
        (base, rows) = image
        return true
    }

    /// Flips one bit somewhere.
    mutating func flipBit(_ stream: inout Stream) {
        switch stream.below(10) {
        case 0:
            hardState.damage()
            if stream.chance(permille: 300) { vote.damage() }
        case 1: base.damage()
        case 2: mark.damage()
        case 3, 4:
            let place = stream.below(snapshots.count)
            guard !snapshots[place].bytes.isEmpty else { return }
            let byte = stream.below(snapshots[place].bytes.count)
            snapshots[place].bytes[byte] ^= UInt8(1) << UInt8(stream.below(8))
        default:
            guard !rows.isEmpty else { return }
            let place = stream.below(rows.count)
            let byte = stream.below(rows[place].bytes.count)
            rows[place].bytes[byte] ^= UInt8(1) << UInt8(stream.below(8))
        }
    }

    /// A write went to another row's place, and not to its own.
    mutating func misdirect(_ stream: inout Stream) -> Bool {
        guard rows.count >= 2 else { return false }
        let from = stream.below(rows.count)
        let to = stream.below(rows.count)
        guard from != to else { return false }
        rows[to] = rows[from]
        return true
    }

    /// The end of the log is gone, with no trace of it: writes that the disk said were done.
    mutating func loseTail(_ stream: inout Stream) -> Bool {
        let unsaid = rowsBeyondMark
        guard rows.count > unsaid else { return false }
        rows.removeLast(unsaid + stream.between(1...rows.count - unsaid))
        return true
    }
}
