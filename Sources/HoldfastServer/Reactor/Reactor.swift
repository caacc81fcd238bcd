// One event loop with the shard groups and the client connections that it owns. All of a node's
// work happens in the turns of its reactors; a turn is what the loop found ready, ended by `turn`:
//
//     bytes from clients -> requests  ┐                      ┌ replies to clients
//     frames from peers  -> messages  ├> groups, `endTurn` ->├ messages to peers
//     the disk's word, ticks          ┘                      └ one batch to the disk thread
//
// Confinement, which makes it Sendable: every stored property that is not constant is touched on
// `loop` only. What comes from elsewhere comes through `loop.execute`.
//
// It must never: block, wait, or let a reply leave that the group's effects do not hold.

import Commands
import HoldfastWire
import Logging
import NIOCore
import RaftCore
import Replica
import SessionMachine

/// A group's replica with the effects that wait to be carried out.
final class LocalGroup {
    let id: GroupID
    var replica: Replica
    var effects = ReplicaEffects()
    /// Took an input since its last turn ended.
    var isDirty = false

    init(id: GroupID, replica: Replica) {
        self.id = id
        self.replica = replica
    }
}

/// Sendable because it is confined to `loop`: see the head of this file.
final class Reactor: @unchecked Sendable {
    let index: Int
    let loop: any EventLoop
    let node: NodeContext

    /// By group number; nil for those that other reactors own.
    var groups: [LocalGroup?]
    var requests = RequestTable()
    var reader: RequestReader<SystemSecrets>
    var connections: [UInt64: ClientConnection] = [:]
    var lastConnection: UInt64 = 0
    var peers: [NodeID: PeerLink] = [:]
    var forwarders: [NodeID: Forwarder] = [:]
    /// The other reactors of the node, this one included.
    var reactors: [Reactor] = []
    /// Ticks since start.
    var ticks = 0
    var balance = LeaderBalance()

    private var dirtyGroups: [LocalGroup] = []
    private var unflushed: [ClientConnection] = []
    private var resumable: [ClientConnection] = []
    private var diskBatches: [DiskBatch] = []
    /// What goes to other reactors when the turn ends.
    private var outgoing: [Outbox]
    private var isTurnScheduled = false
    /// No turn runs any more: nothing reaches the disk, which closes next.
    private var isStopped = false
    private var tickTask: RepeatedTask?

    private struct Outbox {
        var requests: [GroupRequest] = []
        var replies: [(ReplyTarget, GroupReply)] = []
        var messages: [(GroupID, Message)] = []

        var isEmpty: Bool { requests.isEmpty && replies.isEmpty && messages.isEmpty }
    }

    init(index: Int, loop: any EventLoop, node: NodeContext, groups: [LocalGroup?]) {
        self.index = index
        self.loop = loop
        self.node = node
        self.groups = groups
        reader = RequestReader(
            secrets: SystemSecrets(),
            bounds: RequestBounds(valueBytesMax: node.configuration.limits.valueBytesMax)
        )
        outgoing = Array(repeating: Outbox(), count: node.reactorCount)
    }

    /// Called once, on the loop, when every reactor of the node is made.
    func start(with reactors: [Reactor]) {
        loop.preconditionInEventLoop()
        self.reactors = reactors
        for peer in node.peers {
            peers[peer.id] = PeerLink(to: peer, reactor: self)
            forwarders[peer.id] = Forwarder(to: peer, reactor: self)
        }
        let tick = TimeAmount.milliseconds(Int64(node.configuration.timing.tick))
        tickTask = loop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { [weak self] _ in
            self?.tick()
        }
    }

    /// The last thing that a reactor does.
    func stop() {
        loop.preconditionInEventLoop()
        tickTask?.cancel()
        isStopped = true
        for connection in connections.values { connection.close() }
        for peer in peers.values { peer.close() }
        for forwarder in forwarders.values { forwarder.close() }
    }

    // MARK: Inputs

    private func tick() {
        ticks += 1
        for case let group? in groups {
            group.replica.tick(into: &group.effects)
            markDirty(group)
        }
        for peer in peers.values { peer.tick() }
        shareLiveness()
        for forwarder in forwarders.values { forwarder.tick() }
        for connection in connections.values { connection.tick() }
        balanceLeaders()
    }

    /// Tells the other reactors which peers were heard here: a peer may have all its connections,
    /// and all groups that it leads, with one of them.
    private func shareLiveness() {
        let heard = peers.values.filter { $0.takeHeard() }.map(\.peer.id)
        guard !heard.isEmpty else { return }
        for other in reactors where other !== self {
            other.loop.execute {
                for id in heard { other.peers[id]?.heardElsewhere(at: other.ticks) }
            }
        }
    }

    /// A frame that a peer sent to one of this node's groups.
    func received(_ message: Message, for group: GroupID) {
        peers[message.from]?.heard(at: ticks)
        let owner = Int(group.rawValue) % reactors.count
        guard owner == index else {
            outgoing[owner].messages.append((group, message))
            return scheduleTurn()
        }
        take(message, for: group)
    }

    private func take(_ message: Message, for group: GroupID) {
        peers[message.from]?.heard(at: ticks)
        guard let local = groups[Int(group.rawValue)] else { return }
        local.replica.receive(message)
        markDirty(local)
    }

    /// The link to a peer broke, as it does at once when the peer's process dies.
    func lostContact(with peer: NodeID) {
        for case let group? in groups { group.replica.lostContact(with: peer) }
    }

    /// The disk's word. May be called on any thread.
    func stored(_ marks: [(group: GroupID, mark: PersistMark)]) {
        loop.execute {
            for (group, mark) in marks {
                guard let local = self.groups[Int(group.rawValue)] else {
                    preconditionFailure("the disk answers the reactor that asked")
                }
                local.replica.persisted(mark)
                self.markDirty(local)
            }
        }
    }

    /// Brings a request to its group, here or on the reactor that owns it.
    func submit(_ request: GroupRequest) {
        let owner = Int(request.group.rawValue) % reactors.count
        guard owner == index else {
            outgoing[owner].requests.append(request)
            return scheduleTurn()
        }
        guard let local = groups[Int(request.group.rawValue)] else {
            preconditionFailure("a reactor owns the groups whose number falls to it")
        }
        let token = requests.insert(request)
        local.replica.submit(Self.question(request.action), token, into: &local.effects)
        markDirty(local)
    }

    private static func question(_ action: Action) -> Request {
        switch action {
        case .write(let command, _): .write(command)
        case .read: .read
        case .validate(let validate):
            .validate(
                SessionProof(
                    handle: SessionHandle128(validate.handle),
                    digest: validate.digest,
                    purpose: validate.purpose
                )
            )
        }
    }

    func markDirty(_ group: LocalGroup) {
        guard !group.isDirty else { return }
        group.isDirty = true
        dirtyGroups.append(group)
        scheduleTurn()
    }

    /// The connection has replies to write out when the turn ends.
    func flushAtEnd(_ connection: ClientConnection) {
        unflushed.append(connection)
        scheduleTurn()
    }

    /// The connection may have requests that can start now.
    func resumeAtEnd(_ connection: ClientConnection) {
        resumable.append(connection)
        scheduleTurn()
    }

    /// A turn ends after everything that the loop found ready: executed tasks come after I/O.
    func scheduleTurn() {
        guard !isTurnScheduled, !isStopped else { return }
        isTurnScheduled = true
        loop.execute { self.turn() }
    }

    // MARK: The turn

    private func turn() {
        isTurnScheduled = false
        guard !isStopped else { return }
        let now = WallClock.now()
        let dirty = dirtyGroups
        dirtyGroups.removeAll(keepingCapacity: true)
        for group in dirty {
            group.isDirty = false
            group.replica.endTurn(at: now, into: &group.effects)
            carryOut(group, now)
        }
        // Replies make room for requests that waited; those go into the next turn.
        let resumed = resumable
        resumable.removeAll(keepingCapacity: true)
        for connection in resumed { connection.resume() }
        send()
    }

    private func carryOut(_ group: LocalGroup, _ now: MachineTime) {
        if let reason = group.effects.stop {
            fatal(.violation("group \(group.id.rawValue): \(reason)"))
        }
        for message in group.effects.send {
            peers[message.to]?.send(message, group: group.id)
        }
        if let batch = group.effects.persist {
            diskBatches.append(DiskBatch(reactor: self, group: group.id, batch: batch))
        }
        for (token, answer) in group.effects.answers {
            guard let request = requests.take(token) else { continue }
            carryOut(answer, to: request, group, now)
        }
        if let leadership = group.effects.leadership { report(leadership, group) }
        group.effects.removeAll()
    }

    private func send() {
        for peer in peers.values { peer.flush() }
        for forwarder in forwarders.values { forwarder.flush() }
        for connection in unflushed { connection.flush() }
        unflushed.removeAll(keepingCapacity: true)
        if !diskBatches.isEmpty {
            node.disk.submit(diskBatches)
            diskBatches.removeAll(keepingCapacity: true)
        }
        for place in outgoing.indices where !outgoing[place].isEmpty {
            let box = outgoing[place]
            outgoing[place] = Outbox()
            let other = reactors[place]
            other.loop.execute { other.take(box) }
        }
    }

    private func take(_ box: Outbox) {
        for (group, message) in box.messages { take(message, for: group) }
        for request in box.requests { submit(request) }
        for (target, reply) in box.replies { deliver(reply, to: target) }
    }

    // MARK: Replies

    /// Turns a replica's answer into a reply. Where the client's connection is on this reactor, the
    /// reply is rendered straight into its output.
    private func carryOut(
        _ answer: Answer,
        to request: GroupRequest,
        _ group: LocalGroup,
        _ now: MachineTime
    ) {
        switch answer {
        case .redirect(let leader):
            deliver(.redirect(leader), from: request.target)
        case .applied(let outcome):
            guard case .write(_, let reply) = request.action else { return }
            render(request.target) { $0.outcome(outcome, as: reply) }
        case .readable:
            render(request.target) { Self.render(request.action, group, now, &$0) }
        case .noLeader:
            render(request.target) {
                $0.error("UNAVAILABLE no leader for slot \(request.slot); nothing was done")
            }
        case .overloaded:
            render(request.target) {
                $0.error("OVERLOADED too many requests wait; nothing was done, try later")
            }
        case .unknown:
            render(request.target) {
                $0.error("UNAVAILABLE no quorum answered in time; the outcome is unknown")
            }
        }
    }

    private static func render(
        _ action: Action,
        _ group: LocalGroup,
        _ now: MachineTime,
        _ writer: inout ReplyWriter
    ) {
        switch action {
        case .write: break
        case .read(let read):
            writer.read(read, from: group.replica.machine, now: now)
        case .validate(let validate):
            // What had to be logged first is logged: only the state decides now.
            let validation = group.replica.machine.validate(
                SessionHandle128(validate.handle),
                validate.digest,
                now: group.replica.machine.time,
                purpose: .look
            )
            writer.validation(validation.status, fields: validate.fields)
        }
    }

    private func render(_ target: ReplyTarget, _ body: (inout ReplyWriter) -> Void) {
        if target.reactor == index {
            connections[target.connection]?.complete(target, body)
        } else {
            var writer = ReplyWriter(
                buffer: ByteBufferAllocator().buffer(capacity: 128),
                version: target.version
            )
            body(&writer)
            outgoing[target.reactor].replies.append((target, .bytes(writer.buffer)))
            scheduleTurn()
        }
    }

    private func deliver(_ reply: GroupReply, from target: ReplyTarget) {
        guard target.reactor != index else { return deliver(reply, to: target) }
        outgoing[target.reactor].replies.append((target, reply))
        scheduleTurn()
    }

    private func deliver(_ reply: GroupReply, to target: ReplyTarget) {
        guard let connection = connections[target.connection] else { return }
        switch reply {
        case .bytes(let bytes): connection.complete(target) { $0.append(bytes) }
        case .redirect(let leader): connection.redirected(target, to: leader)
        }
    }
}
