// One event loop with the shard groups and the client connections that it owns. All of a node's
// work happens in the turns of its reactors; a turn is what the loop found ready, ended by `turn`:
//
//     bytes from clients -> requests  ┐                      ┌ replies to clients
//     frames from peers  -> messages  ├> groups, `endTurn` ->├ messages to peers
//     the disk's word, ticks          ┘                      ├ one batch to the disk thread
//                                                            └ jobs for the snapshot thread
//
// This file: state, inputs and the turn. `+Replies`: answers become RESP. `+Snapshots`,
// `+Members`, `+Leadership`, `+Backup`: what their names say.
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
    /// Who waits for the answer to a change of members.
    var changes: [ChangeToken: ReplyTarget] = [:]
    var lastChange: UInt64 = 0
    var part = Part.unknown
    /// Whether it had lost a part of its log when that was looked at last.
    var wasMute = false
    /// Reads whose lease ended while they were read; they ask anew when the turn is over.
    var lateReads: [GroupRequest] = []
    /// Who waits for a snapshot.
    var backups: [BackupWaiter] = []

    /// This node's part in the group, as its log has been told of it.
    ///
    ///     unknown -> member -> leaving -> removed
    ///
    /// and back to `member` from anywhere, when a membership that has the node is in force again.
    enum Part: Hashable {
        /// It has not been a member since it was started.
        case unknown
        case member
        /// The newest membership lacks it. The entry may still be taken back.
        case leaving
        /// That is final, and the log has been told.
        case removed
    }

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
    /// The members of all groups of the node, as this reactor was told last.
    var members: [NodeID: NodeConfiguration] = [:]
    /// The other reactors of the node, this one included.
    var reactors: [Reactor] = []
    /// Ticks since start.
    var ticks = 0
    var balance = LeaderBalance()
    /// The first reactor looks after the disk, for all.
    private var diskWatch: DiskWatch

    private var dirtyGroups: [LocalGroup] = []
    private var unflushed: [ClientConnection] = []
    private var resumable: [ClientConnection] = []
    private var diskBatches: [DiskBatch] = []
    /// What goes to other reactors when the turn ends.
    var outgoing: [Outbox]
    private var isTurnScheduled = false
    /// No turn runs any more: nothing reaches the disk, which closes next.
    private var isStopped = false
    private var tickTask: RepeatedTask?

    struct Outbox {
        var requests: [GroupRequest] = []
        var changes: [ChangeRequest] = []
        var replies: [(ReplyTarget, GroupReply)] = []
        /// With the moment at which each came in.
        var messages: [(GroupID, Message, Instant)] = []

        var isEmpty: Bool {
            requests.isEmpty && replies.isEmpty && messages.isEmpty && changes.isEmpty
        }
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
        let timing = node.configuration.timing
        diskWatch = DiskWatch(stallTicks: timing.diskStallTicks, stopTicks: timing.diskStopTicks)
    }

    /// Called once, on the loop, when every reactor of the node is made.
    func start(with reactors: [Reactor]) {
        loop.preconditionInEventLoop()
        self.reactors = reactors
        for case let group? in groups {
            membershipChanged(group.replica.raft.membership, group)
            publish(group)
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
        let room = node.space.room
        let memoryMax = node.configuration.limits.memoryBytesMax
        let isMemoryFull = memoryMax > 0 && node.board.memoryBytes >= memoryMax
        for case let group? in groups {
            group.replica.room = room
            group.replica.isMemoryFull = isMemoryFull
            group.replica.tick(at: MonotonicClock.now(), into: &group.effects)
            markDirty(group)
        }
        tickPeers()
        shareLiveness()
        for forwarder in forwarders.values { forwarder.tick() }
        for connection in connections.values { connection.tick() }
        balanceLeaders()
        guard self === reactors.first else { return }
        watchDisk()
        node.disk.cleanOn()
        if ticks % Limits.spaceLookTicks == 0 { watchSpace() }
        if ticks % Limits.snapshotSweepTicks == 0 { node.snapshots.sweep() }
    }

    private func watchDisk() {
        let timing = node.configuration.timing
        switch diskWatch.look(at: node.disk.place) {
        case nil: return
        case .stalled:
            node.logger.error(
                "the disk hangs at a write; others lead the groups that wait for it",
                metadata: [
                    "after-ms": "\(timing.diskStall)", "stops-after-ms": "\(timing.diskStop)",
                ]
            )
        case .recovered: node.logger.notice("the disk has come to the end of the write")
        case .dead: fatal(DiskWatch.death(after: timing.diskStop))
        }
        node.board.isDiskStalled = diskWatch.isStalled
    }

    private func watchSpace() {
        let largest = node.board.snapshot().lazy.map(\.memoryBytes).max() ?? 0
        node.space.expect(snapshotOf: largest)
        node.disk.lookAround()
    }

    /// Tells the other reactors which peers were heard here: a peer may have all its connections,
    /// and all groups that it leads, with one of them.
    private func shareLiveness() {
        let heard = peers.values.filter { $0.takeHeard() }.map(\.peer.id)
        guard !heard.isEmpty, reactors.count > 1 else { return }
        for other in reactors where other !== self {
            other.loop.execute {
                for id in heard { other.peers[id]?.heardElsewhere(at: other.ticks) }
            }
        }
    }

    /// What a peer said, at `now`, to one of this node's groups.
    func received(_ message: Message, for group: GroupID, at now: Instant) {
        peers[message.from]?.heard(at: ticks)
        let owner = Int(group.rawValue) % reactors.count
        guard owner == index else {
            outgoing[owner].messages.append((group, message, now))
            return scheduleTurn()
        }
        take(message, for: group, at: now)
    }

    private func take(_ message: Message, for group: GroupID, at now: Instant) {
        peers[message.from]?.heard(at: ticks)
        guard let local = groups[Int(group.rawValue)] else { return }
        local.replica.receive(message, at: now)
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
                let local = self.own(group)
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
        let local = own(request.group)
        let token = requests.insert(request)
        local.replica.submit(Self.question(request.action), token, into: &local.effects)
        markDirty(local)
    }

    /// A group that falls to this reactor.
    func own(_ group: GroupID) -> LocalGroup {
        guard let local = groups[Int(group.rawValue)] else {
            preconditionFailure("a reactor owns the groups whose number falls to it")
        }
        return local
    }

    private static func question(_ action: Action) -> Request {
        switch action {
        case .write(let command, _): .write(command)
        case .read, .backup: .read
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
            group.replica.endTurn(at: now, clock: MonotonicClock.now(), into: &group.effects)
            carryOut(group, now)
        }
        // Replies make room for requests that waited; those go into the next turn.
        let resumed = resumable
        resumable.removeAll(keepingCapacity: true)
        for connection in resumed { connection.resume() }
        send()
    }

    private func carryOut(_ group: LocalGroup, _ now: MachineTime) {
        if let reason = group.effects.stop { stop(reason, group) }
        for message in group.effects.send {
            post(message, group.id)
        }
        if let batch = group.effects.persist {
            diskBatches.append(DiskBatch(reactor: self, group: group.id, batch: batch))
        }
        for (token, answer) in group.effects.answers {
            guard let request = requests.take(token) else { continue }
            carryOut(answer, to: request, group, now)
        }
        if let membership = group.effects.membership { membershipChanged(membership, group) }
        settleRemoval(from: group)
        if let leadership = group.effects.leadership { report(leadership, group) }
        if let index = group.effects.dispute { report(disputeAt: index, group) }
        if let loss = group.effects.loss { report(loss, group) }
        carryOutChanges(group)
        carryOutSnapshots(group)
        carryOutBackups(group)
        let isUnfinished = group.effects.isUnfinished
        group.effects.removeAll()
        askAgain(group)
        if isUnfinished { markDirty(group) }
    }

    private func report(disputeAt index: LogIndex, _ group: LocalGroup) {
        node.logger.error(
            """
            two nodes hold different states, and too few have spoken to say which is right: start \
            the nodes that are down, and replace none before
            """,
            metadata: ["group": "\(group.id.rawValue)", "entry": "\(index.rawValue)"]
        )
    }

    private func report(_ loss: Loss, _ group: LocalGroup) {
        group.wasMute = true
        node.logger.error(
            """
            the disk holds less than this node has acknowledged, as an old image of it would: this \
            node does not vote until it has the rest again from the leader
            """,
            metadata: [
                "group": "\(group.id.rawValue)", "acknowledged": "\(loss.acknowledged.rawValue)",
                "durable": "\(loss.durable.rawValue)",
            ]
        )
    }

    private func stop(_ reason: StopReason, _ group: LocalGroup) -> Never {
        let text = "group \(group.id.rawValue): \(reason)"
        switch reason {
        case .diverged: fatal(.diverged(text))
        case .violation, .undecodableEntry: fatal(.violation(text))
        }
    }

    private func send() {
        for peer in peers.values { peer.flush() }
        for forwarder in forwarders.values { forwarder.flush() }
        // A write that the socket takes at once may let a connection go on, which then has more.
        while !unflushed.isEmpty {
            let connections = unflushed
            unflushed.removeAll(keepingCapacity: true)
            for connection in connections { connection.flush() }
        }
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
        for (group, message, now) in box.messages { take(message, for: group, at: now) }
        for request in box.requests { submit(request) }
        for change in box.changes { submit(change) }
        for (target, reply) in box.replies { deliver(reply, to: target) }
    }
}
