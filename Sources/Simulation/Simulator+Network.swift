// Messages as bytes: what a process sends is encoded by PeerWire and decoded again where it
// arrives. A process that is heard for the first time says hello first, and is refused where it
// comes back with another disk.
//
// A process writes to those whose addresses it knows, from its log or from its configuration. To
// anybody else it can only answer, on a connection that the other has opened.

import NIOCore
import PeerWire
import RaftCore
import Replica

extension Simulator {
    // MARK: Sending

    func send(_ message: Message, _ node: SimNode, _ process: Process) {
        counts[.messages] += 1
        let raft = process.replica.raft
        if !node.isImpostor, let broken = node.shadow.brokenPromise(in: message, of: raft) {
            return fail("\(node.number) \(broken): \(message.text)")
        }
        note(message.text)
        let to = Int(message.to.rawValue)
        guard to >= 1, to <= nodes.count, to != node.number else {
            return fail("\(node.number) writes to node \(to), which is not there")
        }
        if !node.isImpostor {
            if let broken = brokenAcknowledgement(in: message, of: raft) {
                return fail("\(node.number) \(broken): \(message.text)")
            }
            if case .voteResponse(let response) = message.body, response.granted {
                judge.voted(node.id, for: message.to, in: message.term)
            }
        }
        if case .heartbeat = message.body { aimAtRead(node, process) }
        growLinks(process, to: to)
        switch way(to, from: node, process) {
        case .address: break
        case .back: counts[.answeredBack] += 1
        case .none:
            counts[.unreachable] += 1
            return
        }
        process.links[to - 1].encoder.version = process.versions[message.to]
        var bytes = ByteBuffer()
        let result = process.links[to - 1].encoder.encode(
            message,
            group: Self.group,
            into: &bytes
        )
        switch result {
        case .written: transmit(bytes, from: node, to: to)
        case .keptBack: break
        case .inexpressible: counts[.inexpressible] += 1
        }
    }

    /// How a message gets to another node; nil where it does not.
    private enum Way {
        case address
        /// On a connection that the other one has opened.
        case back
    }

    private func way(_ to: Int, from node: SimNode, _ process: Process) -> Way? {
        let other = nodes[to - 1]
        let isFounder = node.number <= options.nodes
        // Written when the node is set up, the configuration can name only those that there were.
        let isConfigured =
            isFounder ? to <= options.nodes : options.joinersKnowOthers && to < node.number
        if isConfigured || process.replica.raft.membership[other.id] != nil { return .address }
        if options.sabotage == .answersNoStranger { return nil }
        let link = process.links[to - 1]
        return link.peerEpoch == other.epoch && !link.isRefused ? .back : nil
    }

    /// The end of a turn: heartbeats leave.
    func flush(_ node: SimNode, _ process: Process) {
        for place in process.links.indices {
            var urgent = ByteBuffer()
            process.links[place].encoder.finishTurn(into: &urgent)
            if urgent.readableBytes > 0 { transmit(urgent, from: node, to: place + 1) }
        }
    }

    private func growLinks(_ process: Process, to count: Int) {
        while process.links.count < count {
            let encoder = FrameEncoder(cluster: Self.cluster, version: .v1)
            process.links.append(Process.Link(encoder: encoder))
        }
    }

    private func transmit(_ bytes: ByteBuffer, from node: SimNode, to: Int) {
        counts[.frames] += 1
        let arrivals = network.arrivals(from: node.number, to: to, at: now)
        if arrivals.isEmpty { counts[.dropped] += 1 }
        if arrivals.count > 1 { counts[.repeated] += 1 }
        for time in arrivals {
            let packet = Packet(from: node.number, to: to, epoch: node.epoch, bytes: bytes)
            queue.schedule(.packet(packet), at: time)
        }
    }

    // MARK: Receiving

    func arrive(_ packet: Packet) {
        let node = nodes[packet.to - 1]
        guard node.life == .up, let process = node.process else { return }
        let sender = nodes[packet.from - 1]
        guard isAdmitted(sender, packet.epoch, at: node, process) else { return }
        var bytes = packet.bytes
        if network.corrupts(from: packet.from, to: packet.to) {
            counts[.corrupted] += 1
            network.damage(&bytes)
        }
        let decoder = FrameDecoder(cluster: Self.cluster)
        do {
            while let frame = try decoder.next(from: &bytes) {
                process.inbox.append(.frame(frame, from: sender.id))
            }
        } catch {
            // The connection ends, and is made again.
            process.inbox.append(.lostContact(sender.id))
        }
        scheduleTurn(node, process)
    }

    /// Whether the process that sent it may speak to this one. Its hello is taken when it is heard
    /// first; what an earlier process of its sent comes too late, on a connection that is closed.
    private func isAdmitted(
        _ sender: SimNode,
        _ epoch: UInt64,
        at node: SimNode,
        _ process: Process
    ) -> Bool {
        growLinks(process, to: sender.number)
        let link = process.links[sender.number - 1]
        if link.peerEpoch == epoch { return !link.isRefused }
        guard epoch == sender.epoch, link.peerEpoch < epoch else { return false }
        if link.peerEpoch != 0, !link.isRefused { process.versions.closed(by: sender.id) }
        process.links[sender.number - 1].peerEpoch = epoch
        guard let hello = exchange(hello(of: sender), from: sender, to: node) else { return false }
        var known = process.known
        let admission = known.admit(hello)
        judge(admission, of: hello, at: node)
        switch admission {
        case .known: break
        case .new:
            process.known = known
            node.disk.known = known.encoded
            node.met[hello.node] = hello.incarnation
        case .refused where options.sabotage == .admitsWipedDisk: break
        case .refused(let refusal):
            counts[.refused] += 1
            if case .otherIncarnation = refusal { counts[.oldIdsRefused] += 1 }
            note("\(node.number) refuses \(sender.number): \(refusal)")
            process.links[sender.number - 1].isRefused = true
            return false
        }
        process.links[sender.number - 1].isRefused = false
        process.versions.opened(by: hello)
        return true
    }

    /// The hello as the other side reads it.
    private func exchange(_ hello: Hello, from sender: SimNode, to node: SimNode) -> Hello? {
        var encoder = FrameEncoder(cluster: Self.cluster, version: .v1)
        var bytes = ByteBuffer()
        encoder.encode(hello, to: node.id, into: &bytes)
        if !(hello.version > .v1 || hello.incarnation != nil) {
            // An older release sends no supplement: its hello is read with its first message.
            let first = Message(
                from: sender.id,
                to: node.id,
                term: Term(1),
                body: .voteResponse(VoteResponse(granted: false))
            )
            encoder.encode(first, group: Self.group, into: &bytes)
        }
        do {
            guard
                case .hello(let read)? = try FrameDecoder(cluster: Self.cluster).next(from: &bytes)
            else {
                fail("a hello is read as something else")
                return nil
            }
            if read != hello { fail("\(hello) is read as \(read)") }
            return read
        } catch {
            fail("a hello cannot be read: \(error)")
            return nil
        }
    }
}
