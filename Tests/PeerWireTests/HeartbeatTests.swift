import NIOCore
import PeerWire
import RaftCore
import Testing

private func heartbeat(_ group: UInt16) -> Addressed {
    let heartbeat = Heartbeat(
        commit: LogIndex(UInt64(group) * 1_000),
        round: ReadRound(rawValue: UInt64(group) + 1)
    )
    return Addressed(
        group: GroupID(group),
        message: message(.heartbeat(heartbeat), term: UInt64(group) % 7)
    )
}

private func answer(_ group: UInt16) -> Addressed {
    let response = HeartbeatResponse(round: ReadRound(rawValue: UInt64(group) + 1))
    return Addressed(group: GroupID(group), message: message(.heartbeatResponse(response)))
}

private let append = Addressed(
    group: GroupID(0),
    message: message(
        .appendRequest(
            AppendRequest(
                previous: .origin,
                entries: [
                    Entry(
                        term: Term(9),
                        index: LogIndex(1),
                        content: .command([UInt8](repeating: 1, count: 500_000)[...])
                    )
                ],
                commit: .zero
            )
        )
    )
)

/// What a link writes in one turn: first the urgent bytes, then the others.
private struct Turn {
    var encoder: FrameEncoder
    var urgent = ByteBuffer()
    var buffer = ByteBuffer()

    init(_ version: CodecVersion) {
        encoder = FrameEncoder(cluster: cluster, version: version)
    }

    mutating func send(_ messages: [Addressed]) -> [Encoding] {
        messages.map { encoder.encode($0.message, group: $0.group, into: &buffer) }
    }

    mutating func finish() throws -> (urgent: [Frame], others: [Frame]) {
        encoder.finishTurn(into: &urgent)
        defer {
            urgent.clear()
            buffer.clear()
        }
        return (try decodeAll(&urgent), try decodeAll(&buffer))
    }
}

@Suite("Heartbeats")
struct HeartbeatTests {
    @Test("heartbeats and answers of all groups travel in one frame")
    func oneFrame() throws {
        let beats = (0..<UInt16(300)).map(heartbeat)
        let answers = (300..<UInt16(500)).map(answer)
        var turn = Turn(.v2)
        let mixed = zip(beats, answers).flatMap { [$0, $1] } + beats.dropFirst(200)
        #expect(turn.send(mixed) == Array(repeating: .keptBack, count: 500))
        let (urgent, others) = try turn.finish()
        #expect(others.isEmpty)
        #expect(urgent.count == 1)
        guard case .heartbeats(let heartbeats)? = urgent.first else {
            Issue.record("not a frame of heartbeats")
            return
        }
        #expect(heartbeats.beats.count == 300)
        #expect(heartbeats.answers.count == 200)
        #expect(messages(of: .heartbeats(heartbeats)) == beats + answers)
    }

    @Test("one frame for a thousand groups is far smaller than a frame each")
    func size() throws {
        var sizes: [Int] = []
        for version in [CodecVersion.v1, .v2] {
            var turn = Turn(version)
            _ = turn.send((0..<UInt16(1_000)).map(heartbeat))
            turn.encoder.finishTurn(into: &turn.urgent)
            sizes.append(turn.urgent.readableBytes)
        }
        #expect(sizes[1] * 4 < sizes[0])
    }

    @Test("a heartbeat leaves before the appends of its turn", arguments: [CodecVersion.v1, .v2])
    func beforeAppends(_ version: CodecVersion) throws {
        var turn = Turn(version)
        #expect(turn.send([append, heartbeat(4), append]) == [.written, .keptBack, .written])
        let (urgent, others) = try turn.finish()
        #expect(urgent.flatMap(messages) == [heartbeat(4)])
        #expect(others.flatMap(messages) == [append, append])
    }

    @Test("in version 1 each heartbeat is a message of its own")
    func versionOne() throws {
        let all = (0..<UInt16(40)).map(heartbeat) + (0..<UInt16(30)).map(answer)
        var turn = Turn(.v1)
        _ = turn.send(all)
        let (urgent, _) = try turn.finish()
        #expect(urgent == all.map { .message($0.group, $0.message) })
    }

    @Test("a turn starts with nothing kept back, and one without heartbeats writes none")
    func turns() throws {
        var turn = Turn(.v2)
        _ = turn.send([heartbeat(1)])
        #expect(try turn.finish().urgent.flatMap(messages) == [heartbeat(1)])
        _ = turn.send([append])
        #expect(try turn.finish().urgent.isEmpty)
        _ = turn.send([heartbeat(2)])
        #expect(try turn.finish().urgent.flatMap(messages) == [heartbeat(2)])
    }

    @Test("what was kept back for a connection that ended is forgotten")
    func dropped() throws {
        var turn = Turn(.v2)
        _ = turn.send([heartbeat(1), answer(2)])
        turn.encoder.dropTurn()
        #expect(try turn.finish().urgent.isEmpty)
    }

    @Test("a version learnt in the middle of a turn is the one that is written")
    func versionChange() throws {
        var turn = Turn(.v1)
        _ = turn.send([heartbeat(1), heartbeat(2)])
        turn.encoder.version = .v2
        #expect(try turn.finish().urgent.count == 1)
    }

    @Test("more than a frame holds, and those of another pair of nodes, lose nothing")
    func overflow() throws {
        let count = UInt16(Limits.heartbeatsMax)
        let all = (0..<count + 2).map(heartbeat)
        var turn = Turn(.v2)
        _ = turn.send(all)
        let (urgent, others) = try turn.finish()
        #expect(others.flatMap(messages) == Array(all.prefix(Int(count))))
        #expect(urgent.flatMap(messages) == Array(all.suffix(2)))

        var other = heartbeat(1)
        other.message.to = NodeID(7)
        _ = turn.send([heartbeat(0), other])
        let (last, early) = try turn.finish()
        #expect(early.flatMap(messages) == [heartbeat(0)])
        #expect(last.flatMap(messages) == [other])
    }
}
