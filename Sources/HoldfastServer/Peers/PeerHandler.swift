// What a peer says on a connection: bytes to frames, frames to the reactors. The first frame must
// be a hello of a node that may speak; a connection that says anything else is closed, and so is
// one whose bytes do not decode. On a connection of this node's own a peer speaks that does not
// know where else to answer (`ReturnPaths`): there, what may not be heard is passed over, since
// the connection serves this node.
//
//   waiting -> open                     a peer that was met before
//   waiting -> admitting -> open        a new one: nothing is read until it is on the disk that it
//                                       was met
//   waiting, admitting -> refused       the connection closes

import Logging
import NIOCore
import PeerWire
import RaftCore

final class PeerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private enum State {
        case waiting
        case admitting
        case open(NodeID)
        case refused
    }

    /// Who has opened the connection.
    enum Opener {
        case peer, node
    }

    private let reactor: Reactor
    private let opener: Opener
    private var decoder: FrameDecoder
    private var buffer = ByteBuffer()
    private var state = State.waiting
    /// On an open connection of the peer's.
    private var returnPath: ReturnPath?

    init(reactor: Reactor, openedBy opener: Opener) {
        self.reactor = reactor
        self.opener = opener
        decoder = FrameDecoder(cluster: reactor.node.configuration.cluster)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.discardReadBytes()
            buffer.writeBuffer(&bytes)
        }
        readFrames(context)
    }

    private func readFrames(_ context: ChannelHandlerContext) {
        do {
            while mayRead, let frame = try decoder.next(from: &buffer) {
                take(frame, context)
            }
            if mayRead {
                buffer.reserveCapacity(
                    minimumWritableBytes: decoder.bytesMissing(in: buffer)
                )
            }
        } catch {
            refuse("\(error)", context)
        }
    }

    private var mayRead: Bool {
        switch state {
        case .waiting, .open: true
        case .admitting, .refused: false
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .open(let peer) = state { closed(peer) }
        state = .refused
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset is how a crashed peer says goodbye; its link comes back by itself.
        context.close(promise: nil)
    }

    private func take(_ frame: Frame, _ context: ChannelHandlerContext) {
        switch (frame, state) {
        case (.hello(let hello), .waiting):
            greet(hello, context)
        case (.message(let group, let message), .open(let peer)):
            if let path = returnPath, reactor.peers[peer] == nil {
                reactor.node.returnPaths.asked(on: path)
            }
            guard isFor(peer, from: message.from, to: message.to), has(group) else {
                return refuse("a message that is not from this peer to this node", context)
            }
            reactor.received(message, for: group, at: MonotonicClock.now())
        case (.heartbeats(let heartbeats), .open(let peer)):
            guard isFor(peer, from: heartbeats.from, to: heartbeats.to),
                heartbeats.allSatisfy({ has($0.group) })
            else { return refuse("heartbeats that are not from this peer to this node", context) }
            let now = MonotonicClock.now()
            for (group, message) in heartbeats {
                reactor.received(message, for: group, at: now)
            }
        case (.roomNotice(let notice), .open(let peer)):
            guard isFor(peer, from: notice.from, to: notice.to) else {
                return refuse("a notice that is not from this peer to this node", context)
            }
            reactor.learned(notice)
        case (.hello, _), (.message, _), (.heartbeats, _), (.roomNotice, _):
            refuse("a hello must come first, and once", context)
        }
    }

    private func isFor(_ peer: NodeID, from: NodeID, to: NodeID) -> Bool {
        from == peer && to == reactor.node.id
    }

    private func has(_ group: GroupID) -> Bool {
        Int(group.rawValue) < reactor.node.configuration.groupCount
    }

    // MARK: Admission

    private func greet(_ hello: Hello, _ context: ChannelHandlerContext) {
        switch reactor.node.admissions.judge(hello) {
        case .known: open(hello, context)
        case .refused(let refusal): refuse(refusal.reason, of: hello.node, context)
        case .new: admit(hello, context)
        }
    }

    private func open(_ hello: Hello, _ context: ChannelHandlerContext) {
        state = .open(hello.node)
        reactor.node.admissions.opened(by: hello)
        versionChanged(of: hello.node)
        guard case .peer = opener else { return }
        let path = ReturnPath(to: hello.node, over: context.channel, node: reactor.node)
        reactor.node.returnPaths.opened(path)
        returnPath = path
    }

    private func closed(_ peer: NodeID) {
        if let path = returnPath { reactor.node.returnPaths.closed(path) }
        returnPath = nil
        reactor.node.admissions.closed(by: peer)
        versionChanged(of: peer)
    }

    /// Lets nothing more in until the disk knows the peer.
    private func admit(_ hello: Hello, _ context: ChannelHandlerContext) {
        state = .admitting
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.channel.setOption(.autoRead, value: false).whenFailure { _ in
            // The channel is closed already.
        }
        let loop = context.eventLoop
        let admissions = reactor.node.admissions
        reactor.node.snapshots.perform {
            let admission: Admission
            do {
                admission = try admissions.admit(hello)
            } catch {
                fatal(.disk("\(error)"))
            }
            loop.execute { handler.value.admitted(hello, admission, bound.value) }
        }
    }

    private func admitted(
        _ hello: Hello,
        _ admission: Admission,
        _ context: ChannelHandlerContext
    ) {
        guard case .admitting = state else { return }
        switch admission {
        case .known, .new:
            open(hello, context)
            readFrames(context)
            context.channel.setOption(.autoRead, value: true).whenFailure { _ in
                // The channel is closed already.
            }
        case .refused(let refusal): refuse(refusal.reason, of: hello.node, context)
        }
    }

    /// Every reactor has a link of its own to the peer. Each looks the version up when its turn
    /// comes: what was true here may reach it after what another reactor has found since.
    private func versionChanged(of peer: NodeID) {
        let admissions = reactor.node.admissions
        for other in reactor.reactors {
            other.loop.execute { other.peers[peer]?.speak(admissions.version(of: peer)) }
        }
    }

    private func refuse(
        _ reason: String,
        of peer: NodeID? = nil,
        _ context: ChannelHandlerContext
    ) {
        var peer = peer
        if case .open(let known) = state {
            peer = known
            closed(known)
        }
        state = .refused
        let address = context.remoteAddress.map { "\($0)" } ?? "unknown"
        if case .peer = opener { context.close(promise: nil) }
        let node = reactor.node
        guard node.admissions.mustReport(.refusal, of: peer, at: MonotonicClock.now()) else {
            return
        }
        node.logger.warning(
            opener == .peer ? "peer connection refused" : "what a peer answers is passed over",
            metadata: [
                "peer": "\(peer.map { "\($0.rawValue)" } ?? "unknown")", "from": "\(address)",
                "reason": "\(reason)",
            ]
        )
    }
}
