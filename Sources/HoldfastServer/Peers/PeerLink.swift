// This reactor's way to one peer: a connection that is made again whenever it breaks, and carries
// the messages of the reactor's groups. What the peer says comes over its own link; here it speaks
// only where it does not know of any other way (`ReturnPaths`).
//
//   idle -> connecting -> open -> idle (broken; the next try waits)
//
// Raft allows every message to be lost, so what cannot be sent is dropped: memory stays bounded
// when a peer is slow or away.

import Bytes
import Glibc
import Logging
import NIOCore
import NIOPosix
import PeerWire
import RaftCore

final class PeerLink {
    private enum State {
        case idle(retryIn: Int)
        case connecting
        case open(any Channel)
        case closed
    }

    /// Ticks between two tries: short enough that a restarted peer is back within an election.
    private static let retryTicks = 4
    /// Connections in a row that end at once, after which the log is told.
    private static let refusalsTold = 5

    let peer: NodeConfiguration
    private unowned let reactor: Reactor
    private var state = State.idle(retryIn: 0)
    private var encoder: FrameEncoder
    private var buffer = ByteBuffer()
    /// Leaves before `buffer`: heartbeats and their answers.
    private var urgent = ByteBuffer()
    private var outstandingBytes = 0
    /// Whether the log has been told that the peer cannot be reached, so that it is told once.
    private var isReportedAway = false
    /// Connections in a row that the peer closed as soon as it had heard who this is.
    private var refusals = 0
    private var openedAt = 0
    /// The tick of the peer's latest message, and of the first one since it was last silent.
    private var lastHeard: Int?
    private var heardSince = 0
    private var isFreshlyHeard = false
    /// Whether the peer is a member of any group of this node.
    var isMember = false
    /// The peer's disk is nearly full, as it has said last.
    var isShortOfRoom = false
    /// What this connection has told the peer of this node's disk.
    private var toldShortOfRoom: Bool?
    /// The tick of the last message for it.
    private var lastWanted: Int

    init(to peer: NodeConfiguration, reactor: Reactor) {
        self.peer = peer
        self.reactor = reactor
        lastWanted = reactor.ticks
        encoder = FrameEncoder(
            cluster: reactor.node.configuration.cluster,
            version: reactor.node.admissions.version(of: peer.id)
        )
    }

    /// What the peer understands, as its hello has said.
    func speak(_ version: CodecVersion) { encoder.version = version }

    /// What is written to the peer now.
    var version: CodecVersion { encoder.version }

    var isOpen: Bool { if case .open = state { true } else { false } }

    /// Whether nobody has had anything to say to the peer for long enough.
    var isOver: Bool { reactor.ticks - lastWanted > 10 * silenceTicks }

    // MARK: Liveness

    /// Silence after which a peer counts as away: an election timeout.
    private var silenceTicks: Int { reactor.node.configuration.timing.electionTicks }

    func heard(at tick: Int) {
        isFreshlyHeard = true
        heardElsewhere(at: tick)
    }

    /// Whether the peer was heard on this reactor since the last call.
    func takeHeard() -> Bool {
        defer { isFreshlyHeard = false }
        return isFreshlyHeard
    }

    func heardElsewhere(at tick: Int) {
        if !isAlive(at: tick) { heardSince = tick }
        lastHeard = tick
    }

    func isAlive(at tick: Int) -> Bool {
        guard let lastHeard else { return false }
        return tick - lastHeard <= silenceTicks
    }

    /// Alive, and for at least `ticks`.
    func isSteady(_ ticks: Int, at tick: Int) -> Bool {
        isAlive(at: tick) && tick - heardSince >= ticks
    }

    // MARK: Sending

    func send(_ message: Message, group: GroupID) {
        lastWanted = reactor.ticks
        guard case .open = state, outstandingBytes < Limits.peerOutstandingBytesMax else {
            return
        }
        switch encoder.encode(message, group: group, into: &buffer) {
        case .written, .keptBack: break
        case .inexpressible:
            reactor.node.reportInexpressible(to: peer.id, group, encoder.version, metadata)
        }
    }

    /// Tells the peer, once a connection and at each change, whether this node's disk is nearly
    /// full.
    func tell(isShortOfRoom: Bool) {
        guard case .open = state, toldShortOfRoom != isShortOfRoom else { return }
        let notice = RoomNotice(
            from: reactor.node.id,
            to: peer.id,
            isShortOfRoom: isShortOfRoom
        )
        // An older release is not told: it knows nobody who is short of room.
        guard case .written = encoder.encode(notice, into: &buffer) else { return }
        toldShortOfRoom = isShortOfRoom
        reactor.scheduleTurn()
    }

    /// Writes what the turn has collected, in one call of the socket.
    func flush() {
        guard case .open(let channel) = state else { return }
        encoder.finishTurn(into: &urgent)
        let count = urgent.readableBytes + buffer.readableBytes
        guard count > 0 else { return }
        outstandingBytes += count
        let link = NIOLoopBound(self, eventLoop: reactor.loop)
        var last = urgent
        if buffer.readableBytes > 0 {
            if urgent.readableBytes > 0 { channel.write(urgent, promise: nil) }
            last = buffer
            buffer = channel.allocator.buffer(capacity: 16 * 1024)
        }
        if urgent.readableBytes > 0 { urgent = channel.allocator.buffer(capacity: 1_024) }
        channel.writeAndFlush(last).whenComplete { _ in link.value.outstandingBytes -= count }
    }

    // MARK: The connection

    func tick() {
        guard case .idle(let retryIn) = state else { return }
        guard retryIn <= 0 else {
            state = .idle(retryIn: retryIn - 1)
            return
        }
        connect()
    }

    /// Milliseconds without an acknowledgement after which the kernel gives the connection up.
    private var userTimeout: Int {
        let timing = reactor.node.configuration.timing
        return 2 * timing.electionTicks * timing.tick
    }

    private func connect() {
        state = .connecting
        let link = NIOLoopBound(self, eventLoop: reactor.loop)
        ClientBootstrap(group: reactor.loop)
            .connectTimeout(Limits.peerConnectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            // A peer that lost its power says nothing, and TCP would wait for it for minutes while
            // it is long back. Acknowledgements come from its kernel: a frozen process is no cause.
            .channelOption(.tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), value: userTimeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        PeerHandler(reactor: link.value.reactor, openedBy: .node)
                    )
                }
            }
            .connect(host: peer.host, port: peer.peerPort)
            .whenComplete { result in
                switch result {
                case .success(let channel): link.value.opened(channel)
                case .failure(let error): link.value.failed(error)
                }
            }
    }

    private func failed(_ error: any Error) {
        if !isReportedAway {
            isReportedAway = true
            log(.warning, "peer cannot be reached, trying on", ["reason": "\(error)"])
        }
        broken()
    }

    private func log(_ level: Logger.Level, _ message: Logger.Message, _ more: Logger.Metadata) {
        reactor.node.logger.log(level: level, message, metadata: metadata.merging(more) { $1 })
    }

    private var metadata: Logger.Metadata {
        ["peer": "\(peer.name)", "address": "\(peer.host):\(peer.peerPort)"]
    }

    private func opened(_ channel: any Channel) {
        guard case .connecting = state else {
            channel.close(promise: nil)
            return
        }
        state = .open(channel)
        openedAt = reactor.ticks
        if isReportedAway { log(.notice, "peer reached", [:]) }
        isReportedAway = false
        forgetUnsent()
        // In front of everything else.
        encoder.encode(reactor.node.hello, to: peer.id, into: &urgent)
        let link = NIOLoopBound(self, eventLoop: reactor.loop)
        channel.closeFuture.whenComplete { _ in link.value.broken() }
        flush()
    }

    private func broken() {
        if case .closed = state { return }
        if case .open = state { countRefusal() }
        state = .idle(retryIn: Self.retryTicks)
        forgetUnsent()
        reactor.lostContact(with: peer.id)
    }

    private func countRefusal() {
        refusals = reactor.ticks - openedAt <= Self.retryTicks ? refusals + 1 : 0
        if refusals == Self.refusalsTold {
            log(
                .error,
                "the peer seems to refuse this node; its log says why",
                [:]
            )
        }
    }

    private func forgetUnsent() {
        encoder.dropTurn()
        buffer.clear()
        urgent.clear()
        toldShortOfRoom = nil
    }

    func close() {
        if case .open(let channel) = state { channel.close(promise: nil) }
        state = .closed
    }
}
