// What a group's replica answers becomes RESP, on this reactor or for another one.
//
// A read that a lease allowed is made first, then the clock is looked at: where the lease was over
// by then, what was written is taken back, and the read asks anew.

import Commands
import HoldfastWire
import NIOCore
import RaftCore
import Replica
import SessionMachine

/// What became of a reply that was only good up to a moment.
enum Completion {
    case written
    /// The moment had passed when the reply was made: nothing of it is left.
    case late
}

extension Reactor {
    /// Turns a replica's answer into a reply. Where the client's connection is on this reactor, the
    /// reply is rendered straight into its output.
    func carryOut(
        _ answer: Answer,
        to request: GroupRequest,
        _ group: LocalGroup,
        _ now: MachineTime
    ) {
        switch answer {
        case .redirect(let leader):
            if case .backup = request.action {
                render(request.target) {
                    $0.error("UNAVAILABLE node \(leader.rawValue) leads the group")
                }
                return
            }
            deliver(.redirect(leader), from: request.target)
        case .applied(let outcome):
            guard case .write(_, let reply) = request.action else { return }
            render(request.target) { $0.outcome(outcome, as: reply) }
        case .readable(let validUntil):
            if case .backup = request.action { return beginBackup(request.target, group) }
            let completion = render(request.target, validUntil: validUntil) {
                Self.render(request.action, group, now, &$0)
            }
            if case .late = completion { group.lateReads.append(request) }
        case .noLeader:
            render(request.target) {
                $0.error("UNAVAILABLE no leader for slot \(request.slot); nothing was done")
            }
        case .overloaded:
            render(request.target) {
                $0.error("OVERLOADED too many requests wait; nothing was done, try later")
            }
        case .noRoom:
            render(request.target) {
                $0.error(
                    "OOM the disk of node \(node.own.name) has no room for this; nothing was done"
                )
            }
        case .noMemory:
            render(request.target) {
                $0.error(
                    "OOM the memory of node \(node.own.name) is full (limits.max-memory); nothing "
                        + "was done. End sessions, or raise the limit on every node"
                )
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
        case .write, .backup: break
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
            writer.validation(validation, for: validate)
        }
    }

    /// The reads whose lease had ended by the time that they were read.
    func askAgain(_ group: LocalGroup) {
        guard !group.lateReads.isEmpty else { return }
        let reads = group.lateReads
        group.lateReads.removeAll()
        for request in reads { submit(request) }
    }

    @discardableResult
    func render(
        _ target: ReplyTarget,
        validUntil: Instant? = nil,
        _ body: (inout ReplyWriter) -> Void
    ) -> Completion {
        if target.reactor == index {
            guard let connection = connections[target.connection] else { return .written }
            return connection.complete(target, validUntil: validUntil, body)
        }
        var writer = ReplyWriter(
            buffer: ByteBufferAllocator().buffer(capacity: 128),
            version: target.version
        )
        body(&writer)
        if let validUntil, MonotonicClock.now() >= validUntil { return .late }
        outgoing[target.reactor].replies.append((target, .bytes(writer.buffer)))
        scheduleTurn()
        return .written
    }

    private func deliver(_ reply: GroupReply, from target: ReplyTarget) {
        guard target.reactor != index else { return deliver(reply, to: target) }
        outgoing[target.reactor].replies.append((target, reply))
        scheduleTurn()
    }

    func deliver(_ reply: GroupReply, to target: ReplyTarget) {
        guard let connection = connections[target.connection] else { return }
        switch reply {
        case .bytes(let bytes): connection.complete(target) { $0.append(bytes) }
        case .redirect(let leader): connection.redirected(target, to: leader)
        }
    }
}
