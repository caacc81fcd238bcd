// Faults that wait for their moment. What strikes at random seldom meets a leader in its first
// milliseconds, a joint phase, or the end of a lease; and that is where consensus goes wrong. These
// are aimed: at the first steps of a leader (Raft figure 8), at joint phases, and, by plots of
// several steps, at leases. Clients rest now and then too: much shows only in a group that is
// quiet.

import RaftCore
import Replica

/// How often faults are aimed, and at what.
package struct AimedOptions: Sendable {
    /// Of new leaders, and of leaders that change the members, so many are struck.
    var leaderPermille: UInt64
    var memberPermille: UInt64
    /// Between two plots; nil: none.
    var plots: ClosedRange<UInt64>?
    /// Between two rests of all clients; nil: none.
    var rests: ClosedRange<UInt64>?
}

extension AimedOptions {
    init(_ stream: inout Stream) {
        leaderPermille = stream.chance(permille: 350) ? stream.between(100...700) : 0
        memberPermille = stream.chance(permille: 400) ? stream.between(200...900) : 0
        let plotEvery = stream.magnitude(Time.second...8 * Time.second)
        plots = stream.chance(permille: 400) ? plotEvery / 2...plotEvery * 2 : nil
        let restEvery = stream.magnitude(2 * Time.second...10 * Time.second)
        rests = stream.chance(permille: 400) ? restEvery / 2...restEvery * 2 : nil
    }
}

/// A step of an aimed fault that is still to come.
enum AimedStep {
    case plot
    case rest
    /// The process is struck.
    case hit(Int, epoch: UInt64)
    /// The node is to lead, whoever does.
    case lead(Int)
    /// Links are cut.
    case cut([(from: Int, to: Int)], for: UInt64)
    /// A node restarts so quickly that promises are still owed, and does not hear the leader.
    case restart(Int, deafTo: Int)
}

private enum Plot: CaseIterable {
    /// The leader is mute, and answers to its heartbeats come when others may lead.
    case lateAnswers
    /// Nodes that hear nothing from the leader ask one for its vote that has just restarted.
    case restartOfAPromise
    /// The word to take over comes after the transfer was given up.
    case lateTransfer
    /// A leader is asked for reads after another has taken over, and answers to what it sent before
    /// are still on their way.
    case transferBetweenReads
    /// A leader loses the end of its log and leads again; only then it hears who had that end.
    case lateAcknowledgement
    /// A leader does not hear that what it proposed is committed, until a snapshot tells it.
    case lateSnapshot
}

struct AimedState {
    var random: Stream
    /// Clients begin nothing before.
    var quietUntil: UInt64 = 0
    /// The leader that is to hand over while a read waits for its heartbeats.
    var armed: Int?

    init(seed: UInt64) { random = Stream(seed: seed, .aimed) }
}

extension Simulator {
    func scheduleAimed() {
        schedule(.plot, options.aimed.plots)
        schedule(.rest, options.aimed.rests)
    }

    private func schedule(_ step: AimedStep, _ interval: ClosedRange<UInt64>?) {
        guard let interval else { return }
        queue.schedule(.aimed(step), at: now + aimed.random.between(interval))
    }

    func take(_ step: AimedStep) {
        guard phase == .safety else { return }
        switch step {
        case .plot:
            schedule(.plot, options.aimed.plots)
            plot()
        case .rest:
            schedule(.rest, options.aimed.rests)
            rest(for: aimed.random.between(options.electionTimeout...8 * options.electionTimeout))
        case .hit(let number, let epoch):
            if process(number, epoch) != nil { hit(nodes[number - 1]) }
        case .lead(let number):
            guard let leader = nodes.last(where: { $0.process?.replica.isLeader == true }) else {
                return
            }
            deliver(.transfer(NodeID(UInt64(number))), to: leader.number, leader.epoch)
        case .cut(let links, let length): cut(links, for: length)
        case .restart(let number, let leader):
            crash(
                nodes[number - 1],
                restartAfter: aimed.random.magnitude(Time.millisecond...30 * Time.millisecond)
            )
            let deaf = aimed.random.between(options.electionTimeout...2 * options.electionTimeout)
            network.clog(from: leader, to: number, until: now + deaf)
        }
    }

    private func rest(for length: UInt64) {
        counts[.rests] += 1
        aimed.quietUntil = max(aimed.quietUntil, now + length)
        note("clients rest")
    }

    // MARK: Leaders and joint phases

    /// A node leads from this turn on.
    func aimAtLeader(_ node: SimNode) {
        guard phase == .safety, aimed.random.chance(permille: options.aimed.leaderPermille) else {
            return
        }
        strikeSoon(node)
    }

    /// A leader has begun or ended a joint phase.
    func aimAtMembers(_ node: SimNode) {
        guard phase == .safety, aimed.random.chance(permille: options.aimed.memberPermille) else {
            return
        }
        strikeSoon(node)
        let side = drawSide(of: node)
        let rest = (1...nodes.count).filter { !side.contains($0) }
        let timeout = options.electionTimeout
        let length = aimed.random.magnitude(timeout...30 * timeout)
        cut(CutShape.between(side, rest), for: length)
    }

    /// The leader and some others, who are to be on their own: those who come, and too few of those
    /// who were there to decide by themselves, or any.
    private func drawSide(of leader: SimNode) -> [Int] {
        let members = leader.process?.replica.raft.membership.members ?? []
        var others = members.filter { $0.id != leader.id }
        switch aimed.random.below(3) {
        case 0: return [leader.number]
        case 1:
            let isNew = { (member: Member) in member.role == .incoming || member.role.isLearner }
            let new = others.filter(isNew)
            others.removeAll(where: isNew)
            aimed.random.shuffle(&others)
            let few = others.prefix(max(0, (others.count + 1) / 2 - 1))
            return [leader.number] + (new + few).map { Int($0.id.rawValue) }
        default:
            others.removeAll { _ in aimed.random.chance(permille: 500) }
            return [leader.number] + others.map { Int($0.id.rawValue) }
        }
    }

    private func strikeSoon(_ node: SimNode) {
        let soon = 2 * options.tick * UInt64(options.heartbeatTicks)
        let wait = aimed.random.magnitude(10 * Time.microsecond...soon)
        queue.schedule(.aimed(.hit(node.number, epoch: node.epoch)), at: now + wait)
    }

    private func hit(_ node: SimNode) {
        counts[.aimed] += 1
        let timeout = options.electionTimeout
        let length = aimed.random.magnitude(20 * Time.millisecond...5 * timeout)
        let others = (1...nodes.count).filter { $0 != node.number }
        switch aimed.random.below(6) {
        case 0, 1: crash(node, restartAfter: length)
        case 2: pause(node, for: length)
        case 3: cut(others.map { (node.number, $0) }, for: length)
        case 4: cut(others.map { ($0, node.number) }, for: length)
        default: cut(CutShape.between([node.number], others), for: length)
        }
    }

    // MARK: Plots

    private func plot() {
        guard let leader = leadingNode else { return }
        let voters = leader.membership.voters.map { Int($0.rawValue) }
        var others = voters.filter { $0 != leader.number && nodes[$0 - 1].life == .up }
        guard others.count >= 2, voters.contains(leader.number) else { return }
        aimed.random.shuffle(&others)
        counts[.aimed] += 1
        let plot = aimed.random.pick(Plot.allCases)
        note("\(plot) of \(leader.number)")
        let timeout = options.electionTimeout
        switch plot {
        case .lateAnswers:
            for other in others {
                let late = aimed.random.between(timeout / 2...timeout * 9 / 8)
                network.clog(from: other, to: leader.number, until: now + late)
            }
            cut(others.map { (leader.number, $0) }, for: 4 * timeout)
        case .restartOfAPromise:
            // Those who stay with the leader are just enough.
            let near = others.prefix((voters.count / 2 + 1) - 1)
            let far = others.dropFirst(near.count)
            guard let restarting = near.first, !far.isEmpty else { return }
            cut(CutShape.between(far, [leader.number]), for: 6 * timeout)
            let wait = aimed.random.between(timeout...3 * timeout)
            let step = AimedStep.restart(restarting, deafTo: leader.number)
            queue.schedule(.aimed(step), at: now + wait)
        case .lateTransfer:
            let target = others[0]
            rest(for: 3 * timeout)
            let late = aimed.random.between(timeout...timeout * 3 / 2)
            network.clog(from: leader.number, to: target, until: now + late)
            cut([(target, leader.number)], for: 4 * timeout)
            deliver(.transfer(NodeID(UInt64(target))), to: leader.number, leader.epoch)
        case .transferBetweenReads:
            aimed.armed = leader.number
        case .lateAcknowledgement:
            delayAcknowledgement(of: others, to: leader.number)
        case .lateSnapshot:
            let length = aimed.random.between(2 * timeout...4 * timeout)
            cut(others.map { ($0, leader.number) }, for: length)
            let mute = AimedStep.cut(others.map { (leader.number, $0) }, for: length - timeout / 2)
            queue.schedule(.aimed(mute), at: now + timeout / 2)
        }
    }

    /// A heartbeat leaves: is it the one that the plot waits for? Its answers are held back, while
    /// another one is made to lead.
    func aimAtRead(_ node: SimNode, _ process: Process) {
        guard aimed.armed == node.number, phase == .safety,
            process.requests.values.contains(where: { $0.work.isRead || $0.work.isValidate })
        else { return }
        aimed.armed = nil
        let voters = node.membership.voters.map { Int($0.rawValue) }
        guard let target = voters.first(where: { $0 != node.number && nodes[$0 - 1].life == .up })
        else { return }
        let timeout = options.electionTimeout
        let late = now + aimed.random.between(timeout / 4...timeout)
        for other in voters where other != node.number {
            network.clog(from: other, to: node.number, until: late)
        }
        note("\(node.number) is to hand over while it is read")
        deliver(.transfer(NodeID(UInt64(target))), to: node.number, node.epoch)
    }

    /// The leader and one other are on their own, until the rest has another leader; then only the
    /// other one is, while the leader learns what it has missed and is made to lead again.
    private func delayAcknowledgement(of others: [Int], to leader: Int) {
        guard let one = others.first, others.count >= 3 else { return }
        let timeout = options.electionTimeout
        let rest = (1...nodes.count).filter { $0 != leader && $0 != one }
        let back = 5 * timeout
        let end = back + aimed.random.between(3 * timeout...8 * timeout)
        cut(CutShape.between(rest, [leader]), for: back)
        cut(CutShape.between(rest, [one]), for: end + timeout)
        network.clog(from: one, to: leader, until: now + end)
        let deaf = AimedStep.cut([(leader, one)], for: end - timeout)
        queue.schedule(.aimed(deaf), at: now + 2 * timeout)
        queue.schedule(.aimed(.lead(leader)), at: now + back + timeout)
        queue.schedule(.aimed(.lead(leader)), at: now + back + 2 * timeout)
    }
}
