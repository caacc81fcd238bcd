// What happens to a request whose group another node leads: the cluster port says MOVED, the
// standalone port forwards it, once a try, to the leader's cluster port.

import Commands
import HoldfastWire
import NIOCore
import RaftCore

/// One part of a running request.
struct PartReference: Hashable, Sendable {
    var sequence: UInt64
    var part: Int
}

/// What one group is asked, and the frame that asks another node the same.
struct Part {
    var slot: UInt16
    var action: Action
    var frame: RequestFrame
}

/// What a forwarded request came back with.
enum ForwardResult {
    case reply(RESPValue)
    /// It is certain that nothing was done.
    case notDone
    /// The connection broke after it was sent.
    case lost
}

extension ClientConnection {
    func redirected(_ target: ReplyTarget, to leader: NodeID) {
        let reference = PartReference(sequence: target.sequence, part: target.part)
        guard let part = part(reference) else { return }
        if isCount(reference) { return failCount(reference) }
        guard let address = reactor.address(of: leader) else {
            return retry(reference)
        }
        switch port {
        case .cluster:
            complete(target) {
                $0.error("MOVED \(part.slot) \(address.host):\(address.clusterPort)")
            }
        case .standalone:
            forward(part.frame, reference, to: leader)
        }
    }

    func forward(_ frame: RequestFrame, _ reference: PartReference, to leader: NodeID) {
        guard let forwarder = reactor.forwarder(to: leader) else { return retry(reference) }
        forwarder.send(
            frame.bytes,
            for: ForwardTarget(connection: id, reference: reference)
        )
    }

    /// A forwarded request is over.
    func forwarded(_ reference: PartReference, _ result: ForwardResult) {
        guard let part = part(reference) else { return }
        if isCount(reference) {
            guard case .reply(let value) = result else { return failCount(reference) }
            return answer(reference) { $0.value(value) }
        }
        switch result {
        case .reply(.error(let text)) where text.hasPrefix("MOVED "):
            retry(reference)
        case .reply(let value):
            answer(reference) { $0.value(value) }
        case .notDone:
            retry(reference)
        case .lost:
            if case .write = part.action {
                answer(reference) {
                    $0.error("UNAVAILABLE the leader's node was lost; the outcome is unknown")
                }
            } else {
                retry(reference)
            }
        }
    }

    /// A part of DBSIZE: what it counts depends on whom it asks, so it is never asked of another.
    private func isCount(_ reference: PartReference) -> Bool {
        guard reference.sequence == front, case .count? = join?.kind else { return false }
        return true
    }

    private func failCount(_ reference: PartReference) {
        answer(reference) {
            $0.error("UNAVAILABLE leadership moved while the keys were counted; try again")
        }
    }

    /// Tries again at the next tick: by then this node may know the new leader, or parks the
    /// request until there is one.
    private func retry(_ reference: PartReference) {
        let patience = reactor.node.configuration.timing.parkingTicks
        guard let place = Int(exactly: reference.sequence - front), place < slots.count else {
            return
        }
        guard reactor.ticks - slots[offset: place].tick <= patience else {
            return answer(reference) {
                $0.error("UNAVAILABLE no leader could be reached; nothing was done")
            }
        }
        retries.append(reference)
    }

    func answer(_ reference: PartReference, _ body: (inout ReplyWriter) -> Void) {
        let target = ReplyTarget(
            reactor: reactor.index,
            connection: id,
            sequence: reference.sequence,
            part: reference.part,
            version: writer.version
        )
        complete(target, body)
    }
}
