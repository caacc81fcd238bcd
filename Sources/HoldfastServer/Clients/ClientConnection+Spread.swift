// Requests that several groups answer: each gets its part, and the join makes one reply of them.
// One at a time on a connection, since it waits for everything before it. Atomic for each key, not
// across keys (as documented for MGET and DEL).

import Commands
import HoldfastWire
import NIOCore
import RaftCore
import SessionMachine

/// The parts of a request and what has come back.
struct Join {
    enum Kind {
        /// DEL, EXISTS.
        case sum
        /// DBSIZE: parts count groups or whole nodes, as they led when it started.
        case count
        /// MGET: for each part, where its values belong among all keys.
        case positions([[Int]])
        /// SCAN of one group; the next cursor follows from this one.
        case scan(ScanCursor)
    }

    var kind: Kind
    var parts: [Part]
    var values: [RESPValue?]
    var missing: Int
    /// Bytes of the parts' replies. Once they are too many, they are dropped as they come.
    private var bytes = 0
    var isTooLarge: Bool { bytes > RequestBounds.replyBytesMax }

    /// Whether a part that was not done leaves others that were.
    var isWrite: Bool {
        if case .write? = parts.first?.action { true } else { false }
    }

    /// Takes a part's reply; false where it has one.
    mutating func take(_ value: RESPValue, _ byteCount: Int, at place: Int) -> Bool {
        guard place < values.count, values[place] == nil else { return false }
        bytes += byteCount
        missing -= 1
        values[place] = value
        if isTooLarge {
            for other in values.indices where values[other] != nil { values[other] = .null }
        }
        return true
    }

    init(kind: Kind, parts: [Part]) {
        self.kind = kind
        self.parts = parts
        values = Array(repeating: nil, count: parts.count)
        missing = parts.count
    }
}

extension ClientConnection {
    private var groupCount: Int { reactor.node.configuration.groupCount }

    func start(_ operation: SpreadOperation, _ frame: RequestFrame) {
        switch operation {
        case .keys(let command, let keys): startKeys(command, keys)
        case .count: startCount()
        case .scan(let cursor, let scan): startScan(cursor, scan, frame)
        }
    }

    /// Ends the request in front with an error.
    private func fail(_ text: String) {
        join = nil
        writer.error(text)
        finishSpread()
    }

    // MARK: Many keys

    private func startKeys(_ command: MultiKeyCommand, _ keys: [Key]) {
        var bySlot: [UInt16: Int] = [:]
        var parts: [(slot: UInt16, keys: [Key], positions: [Int])] = []
        for (position, key) in keys.enumerated() {
            let slot = HashSlot.of(key.bytes)
            let place = bySlot[slot] ?? parts.count
            if place == parts.count {
                bySlot[slot] = place
                parts.append((slot, [], []))
            }
            parts[place].keys.append(key)
            parts[place].positions.append(position)
        }
        guard port == .standalone || parts.count == 1 else {
            return fail("CROSSSLOT Keys in request don't hash to the same slot")
        }
        let kind: Join.Kind =
            switch command {
            case .get: .positions(parts.map(\.positions))
            case .delete, .exists: .sum
            }
        begin(
            kind,
            parts.map { part in
                let words = [Array(command.name.utf8)] + part.keys.map { Array($0.bytes) }
                return Part(
                    slot: part.slot,
                    action: command.action(part.keys),
                    frame: RequestFrame(arguments: words)
                )
            }
        )
    }

    private func begin(_ kind: Join.Kind, _ parts: [Part]) {
        join = Join(kind: kind, parts: parts)
        for place in parts.indices { submit(PartReference(sequence: front, part: place)) }
    }

    // MARK: All groups

    private func part(of group: Int, _ read: ReadAction, _ frame: RequestFrame) -> Part {
        Part(
            slot: HashSlot.range(ofGroup: group, groupCount: groupCount).lowerBound,
            action: .read(read),
            frame: frame
        )
    }

    /// DBSIZE: on the cluster port what this node leads, as each Redis Cluster node counts its own
    /// keys; on the standalone port everything.
    private func startCount() {
        let status = reactor.node.board.snapshot()
        let own = status.indices.filter { status[$0].role == .leader }
        let frame = RequestFrame(arguments: [Array("DBSIZE".utf8)])
        var parts = own.map { part(of: $0, .count, frame) }
        let local = parts.count
        var others: [NodeID] = []
        if port == .standalone {
            for group in status where group.role != .leader {
                guard let leader = group.leader, leader != reactor.node.id else {
                    return fail("UNAVAILABLE a shard group has no leader; try again")
                }
                if !others.contains(leader) { others.append(leader) }
            }
        }
        parts += others.map { _ in part(of: 0, .count, frame) }
        guard !parts.isEmpty else {
            writer.integer(0)
            return finishSpread()
        }
        join = Join(kind: .count, parts: parts)
        for place in 0..<local { submit(PartReference(sequence: front, part: place)) }
        for (place, leader) in others.enumerated() {
            forward(frame, PartReference(sequence: front, part: local + place), to: leader)
        }
    }

    /// SCAN: one group's page at a time, group after group; on the cluster port those that this
    /// node leads.
    private func startScan(_ cursor: ScanCursor, _ scan: ScanAction, _ frame: RequestFrame) {
        guard cursor.group < groupCount else { return fail("ERR invalid cursor") }
        var cursor = cursor
        var scan = scan
        if port == .cluster, !cursor.isSingleGroup {
            guard let group = ledGroup(from: cursor.group) else {
                return finish(scan: [], next: nil)
            }
            if group != cursor.group {
                cursor = ScanCursor(group: group, position: 0)
                scan.position = 0
            }
        }
        var words = (0..<frame.count).map { frame.bytes($0) }
        let single = ScanCursor(
            group: cursor.group,
            position: cursor.position,
            isSingleGroup: true
        )
        words[1] = Array(String(single.rawValue).utf8)
        let part = part(of: cursor.group, .scan(scan), RequestFrame(arguments: words))
        begin(.scan(cursor), [part])
    }

    private func ledGroup(from first: Int) -> Int? {
        let status = reactor.node.board.snapshot()
        return status.indices.first { $0 >= first && status[$0].role == .leader }
    }

    // MARK: Joining

    /// One part's reply, in RESP3.
    func complete(part place: Int, with bytes: ByteBuffer) {
        var parser = ReplyParser()
        var bytes = bytes
        let byteCount = bytes.readableBytes
        parser.feed(&bytes)
        let value: RESPValue
        do {
            value = try parser.next() ?? .error("ERR the reply to a part was cut")
        } catch {
            // Ours, or the forwarder's: rendered by the same writer a moment ago.
            value = .error("ERR the reply to a part could not be read: \(error)")
        }
        // In place: a copy of the join would copy all values with each part.
        guard join?.take(value, byteCount, at: place) == true, join?.missing == 0,
            let done = join
        else { return }
        finish(done)
    }

    private func finish(_ done: Join) {
        join = nil
        let values = done.values.map { $0 ?? .null }
        if done.isTooLarge { return fail("ERR \(RequestBounds.tooLargeReply)") }
        for case .error(let text) in values {
            // One group's "nothing was done" is not the truth where another has done its part.
            guard done.isWrite, values.count > 1 else { return fail(text) }
            return fail("UNAVAILABLE not all groups of the keys answered; the outcome is unknown")
        }
        switch done.kind {
        case .sum, .count:
            var sum: Int64 = 0
            for case .integer(let count) in values { sum = sum &+ count }
            writer.integer(sum)
            finishSpread()
        case .positions(let positions):
            finish(values, at: positions)
        case .scan(let cursor):
            guard case .array(let page)? = values.first, page.count == 2,
                case .bulk(let next) = page[0], case .array(let keys) = page[1],
                let raw = UInt64(String(decoding: next, as: UTF8.self))
            else { return fail("ERR a scan was answered with something else") }
            // A node that scanned for us answers with a cursor, a group with its position.
            let position = ScanCursor(rawValue: raw)?.position ?? 0
            finish(scan: keys, next: self.next(after: cursor, position: position))
        }
    }

    private func finish(_ values: [RESPValue], at positions: [[Int]]) {
        var all = [RESPValue](repeating: .null, count: positions.reduce(0) { $0 + $1.count })
        for (part, value) in values.enumerated() {
            guard case .array(let found) = value, found.count == positions[part].count else {
                return fail("ERR a part of MGET was answered with something else")
            }
            for (place, position) in positions[part].enumerated() { all[position] = found[place] }
        }
        writer.array(all.count)
        for value in all { writer.value(value) }
        finishSpread()
    }

    private func next(after cursor: ScanCursor, position: UInt64) -> ScanCursor? {
        if position != 0 {
            return ScanCursor(
                group: cursor.group,
                position: position,
                isSingleGroup: cursor.isSingleGroup
            )
        }
        if cursor.isSingleGroup { return nil }
        let following =
            port == .cluster ? ledGroup(from: cursor.group + 1) : cursor.group + 1
        guard let following, following < groupCount else { return nil }
        return ScanCursor(group: following, position: 0)
    }

    private func finish(scan keys: [RESPValue], next: ScanCursor?) {
        writer.array(2)
        writer.bulk(String(next?.rawValue ?? 0))
        writer.array(keys.count)
        for key in keys { writer.value(key) }
        finishSpread()
    }
}
