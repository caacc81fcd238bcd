// What one reactor finds out about peers and members, and the others are told; and what the log is
// told of peers.

import NIOCore
import NIOEmbedded
import NIOPosix
import PeerWire
import RaftCore
import Testing

@testable import HoldfastServer

private let peer = NodeID(2)

extension Bench {
    fileprivate func hello(of id: NodeID) -> Hello {
        Hello(
            cluster: node.configuration.cluster,
            node: id,
            groupCount: 2,
            version: .latest,
            incarnation: Incarnation(rawValue: id.rawValue)
        )
    }

    /// A connection with a peer that the node has met before; of nil, no hello comes.
    fileprivate func connect(
        _ id: NodeID?,
        openedBy opener: PeerHandler.Opener = .peer
    ) throws -> EmbeddedChannel {
        let socket = EmbeddedChannel(handler: PeerHandler(reactor: reactor, openedBy: opener))
        try socket.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        guard let id else { return socket }
        let hello = hello(of: id)
        _ = try node.admissions.admit(hello)
        var encoder = FrameEncoder(cluster: hello.cluster, version: .latest)
        var bytes = ByteBuffer()
        encoder.encode(hello, to: node.id, into: &bytes)
        try socket.writeInbound(bytes)
        return socket
    }

    /// What was written to the socket, decoded.
    fileprivate func frames(from socket: EmbeddedChannel) throws -> [Frame] {
        var bytes = ByteBuffer()
        while var more = try socket.readOutbound(as: ByteBuffer.self) { bytes.writeBuffer(&more) }
        let decoder = FrameDecoder(cluster: node.configuration.cluster)
        var frames: [Frame] = []
        while let frame = try decoder.next(from: &bytes) { frames.append(frame) }
        return frames
    }

    fileprivate func send(_ message: Message, over socket: EmbeddedChannel) throws {
        var encoder = FrameEncoder(cluster: node.configuration.cluster, version: .latest)
        var bytes = ByteBuffer()
        encoder.encode(message, group: GroupID(0), into: &bytes)
        try socket.writeInbound(bytes)
    }
}

@Suite("Peers, seen by several reactors", .serialized)
struct PeerTests {
    @Test("a reactor writes the version that holds when it hears of it, not one that is over")
    func versions() throws {
        let second = EmbeddedEventLoop()
        let bench = try Bench(peers: [23], loops: [second])
        let link = try #require(bench.reactors[1].link(to: peer))
        #expect(link.version == .v1)
        _ = try bench.connect(peer)
        second.run()
        #expect(link.version == .latest)
        bench.node.admissions.closed(by: peer)

        _ = try bench.connect(peer)
        // The link is closed again, as another reactor has found, before the news is heard.
        bench.node.admissions.closed(by: peer)
        second.run()
        #expect(link.version == .v1)
    }

    @Test("a reactor knows the members that there are when it hears of a change")
    func members() throws {
        let second = EmbeddedEventLoop()
        let bench = try Bench(peers: [23, 33], loops: [second])
        let all = bench.node.configuration.nodes
        let group = try #require(bench.reactor.groups[0])
        bench.reactor.membershipChanged(Membership(bootstrap: Array(all[0...1])), group)
        // Another group's change, of which nobody was told yet.
        let later = bench.node.members.update(GroupID(1), Membership(bootstrap: all))
        #expect(later == .changed)
        second.run()
        #expect(bench.reactors[1].members == bench.node.members.byID)
        #expect(bench.reactors[1].members.count == 3)
        #expect(bench.reactors[1].peers.keys.sorted() == [NodeID(2), NodeID(3)])
    }

    @Test("what a peer says of its disk is known to all reactors, and only of itself")
    func condition() throws {
        let second = EmbeddedEventLoop()
        let bench = try Bench(peers: [23, 33], loops: [second])
        let links = try bench.reactors.map { try #require($0.link(to: peer)) }
        let socket = try bench.connect(peer)
        var encoder = FrameEncoder(cluster: bench.node.configuration.cluster, version: .latest)
        for isShort in [true, false, true] {
            let notice = RoomNotice(from: peer, to: bench.node.id, isShortOfRoom: isShort)
            var bytes = ByteBuffer()
            #expect(encoder.encode(notice, into: &bytes) == .written)
            try socket.writeInbound(bytes)
            bench.loop.run()
            second.run()
            #expect(links.map(\.isShortOfRoom) == [isShort, isShort])
        }
        #expect(socket.isActive)
        var bytes = ByteBuffer()
        let another = RoomNotice(from: NodeID(3), to: bench.node.id, isShortOfRoom: true)
        _ = encoder.encode(another, into: &bytes)
        try socket.writeInbound(bytes)
        #expect(!socket.isActive)
    }

    @Test("a peer that is refused again and again is reported once, and each by itself")
    func refusals() throws {
        let bench = try Bench(peers: [23, 33])
        let misled = { (id: NodeID) in
            Message(from: id, to: NodeID(9), term: Term(1), body: .timeoutNow)
        }
        for _ in 0..<5 {
            let socket = try bench.connect(peer)
            try bench.send(misled(peer), over: socket)
            #expect(!socket.isActive)
        }
        #expect(bench.words.all(with: "peer connection refused").count == 1)
        #expect(bench.words.all(with: "peer=2").count == 1)
        try bench.send(misled(NodeID(3)), over: bench.connect(NodeID(3)))
        #expect(bench.words.all(with: "peer connection refused").count == 2)
        for _ in 0..<5 {
            let socket = EmbeddedChannel(
                handler: PeerHandler(reactor: bench.reactor, openedBy: .peer)
            )
            try socket.writeInbound(ByteBuffer(repeating: 7, count: 100))
        }
        #expect(bench.words.all(with: "peer=unknown").count == 1)
        #expect(bench.words.all(with: "peer connection refused").count == 3)
    }

    @Test("a report is due again when its time is over")
    func interval() throws {
        let bench = try Bench()
        let admissions = bench.node.admissions
        let start = Instant(1)
        #expect(admissions.mustReport(.refusal, of: peer, at: start))
        #expect(!admissions.mustReport(.refusal, of: peer, at: start))
        #expect(admissions.mustReport(.inexpressible, of: peer, at: start))
        #expect(admissions.mustReport(.refusal, of: nil, at: start))
        let end = start.advanced(by: Limits.reportInterval)
        #expect(!admissions.mustReport(.refusal, of: peer, at: Instant(end.rawValue - 1)))
        #expect(admissions.mustReport(.refusal, of: peer, at: end))
    }

    @Test("who is not known is answered on the connection on which it asked, and after a hello")
    func stranger() throws {
        let bench = try Bench(peers: [23])
        let nine = NodeID(9)
        #expect(bench.reactor.link(to: nine) == nil)
        let answers = [
            Message.Body.preVoteResponse(PreVoteResponse(proposedTerm: Term(4), granted: true)),
            .heartbeatResponse(HeartbeatResponse(round: ReadRound(rawValue: 1))),
        ].map { Message(from: bench.node.id, to: nine, term: Term(3), body: $0) }
        // It has not asked.
        bench.reactor.post(answers[0], GroupID(0))
        let first = try bench.connect(nine)
        let second = try bench.connect(nine)
        for answer in answers {
            bench.reactor.post(answer, GroupID(1))
            second.embeddedEventLoop.run()
        }
        #expect(try first.readOutbound(as: ByteBuffer.self) == nil)
        let read = try bench.frames(from: second)
        #expect(read.count == 3)
        #expect(read.first == .hello(bench.node.hello))
        #expect(read.contains(.message(GroupID(1), answers[0])))
        // It asks on the other one.
        let question = PreVoteRequest(proposedTerm: Term(4), last: .origin)
        try bench.send(
            Message(from: nine, to: bench.node.id, term: Term(3), body: .preVoteRequest(question)),
            over: first
        )
        bench.reactor.post(answers[0], GroupID(1))
        first.embeddedEventLoop.run()
        #expect(
            try bench.frames(from: first)
                == [.hello(bench.node.hello), .message(GroupID(1), answers[0])]
        )
        try first.close().wait()
        bench.reactor.post(answers[0], GroupID(1))
        first.embeddedEventLoop.run()
        #expect(try first.readOutbound(as: ByteBuffer.self) == nil)
    }

    @Test(
        "an answer on a connection of this node's own is heard, after a hello; none goes back there"
    )
    func answerOnLink() throws {
        let bench = try Bench(peers: [23])
        let link = try #require(bench.reactor.link(to: peer))
        let vote = Message.Body.voteResponse(VoteResponse(granted: true))
        let answer = Message(from: peer, to: bench.node.id, term: Term(1), body: vote)
        let silent = try bench.connect(nil, openedBy: .node)
        try bench.send(answer, over: silent)
        #expect(silent.isActive)
        #expect(bench.words.all(with: "passed over").count == 1, "nobody has said who answers")
        #expect(!link.isAlive(at: bench.reactor.ticks))
        let socket = try bench.connect(peer, openedBy: .node)
        try bench.send(answer, over: socket)
        #expect(socket.isActive)
        #expect(link.isAlive(at: bench.reactor.ticks))
        let back = Message(from: bench.node.id, to: peer, term: Term(1), body: vote)
        bench.node.returnPaths.send(back, group: GroupID(0))
        socket.embeddedEventLoop.run()
        #expect(try socket.readOutbound(as: ByteBuffer.self) == nil)
    }

    @Test("what a peer's version has no words for is dropped, and reported once")
    func inexpressible() async throws {
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        try await SilentServer.with(on: loops.next()) { server in
            let bench = try Bench(peers: [server.port], loops: [loops.next()])
            let reactor = bench.reactors[1]
            try await reactor.loop.submit { reactor.link(to: peer)?.tick() }.get()
            try await server.heard.get()
            let chunk = SnapshotChunk(
                mark: SnapshotMark(position: .origin, membership: .none),
                offset: 0,
                bytes: [1, 2, 3],
                isLast: true
            )
            let message = Message(
                from: NodeID(1),
                to: peer,
                term: Term(1),
                body: .snapshotChunk(chunk)
            )
            try await reactor.loop.submit {
                for _ in 0..<3 { reactor.link(to: peer)?.send(message, group: GroupID(1)) }
                reactor.link(to: peer)?.close()
            }.get()
            let reports = bench.words.all(with: "does not understand")
            #expect(reports.count == 1)
            #expect(reports.first?.contains("peer=n2") == true)
        }
        try await loops.shutdownGracefully()
    }
}
