// The operator: adds nodes, promotes, replaces and removes them, while everything else goes wrong.
// It asks whoever leads, one thing at a time, and asks again where it was not heard.

import RaftCore
import Replica

struct Administration {
    var random: Stream
    /// How many changes are wanted by the fault of that name.
    var wanted = 0
    var lastToken: UInt64 = 0

    init(seed: UInt64) { random = Stream(seed: seed, .membership) }
}

extension Simulator {
    func wantChange() { administration.wanted += 1 }

    /// Called now and then: replaces who is lost, and does what is wanted.
    func administer() {
        guard phase < .settled else { return }
        queue.schedule(
            .administer,
            at: now + administration.random.between(200 * Time.millisecond...Time.second)
        )
        guard phase == .safety, options.faults.membership != nil || hasLost else { return }
        let leaders = nodes.filter { $0.process?.replica.isLeader == true }
        guard let leader = leaders.last, let change = nextChange(leader.membership),
            isSafe(change, leader.membership)
        else { return }
        if case .add(let id, _, _) = change { addIfNew(id) }
        administration.lastToken += 1
        let token = ChangeToken(rawValue: administration.lastToken)
        deliver(.change(change, token), to: leader.number, leader.epoch)
    }

    /// Whether a majority of those who will vote has its disk: nobody can know of damage that was
    /// not noticed, but then nobody can be helped.
    private func isSafe(_ change: MembershipChange, _ membership: Membership) -> Bool {
        var leaving: NodeID?
        var coming: NodeID?
        switch change {
        case .remove(let id): leaving = id
        case .add(let id, _, .whenCaughtUp(let replaced)): (coming, leaving) = (id, replaced)
        case .promote(let id): coming = id
        case .add: break
        }
        var voters = membership.members.filter { !$0.role.isLearner }.map(\.id)
        voters.removeAll { $0 == leaving || $0 == coming }
        if let coming { voters.append(coming) }
        // Who has not been started yet has nothing to lose.
        let intact = voters.count { voter in
            let place = Int(voter.rawValue) - 1
            return place >= nodes.count || nodes[place].isIntact
        }
        // The last one is not let go, whoever asks.
        return voters.isEmpty || intact * 2 > voters.count
    }

    private var hasLost: Bool { nodes.contains(where: \.isLost) }

    private func nextChange(_ membership: Membership) -> MembershipChange? {
        if membership.isJoint { return nil }
        let lost = membership.members.first { nodes[Int($0.id.rawValue) - 1].isLost }
        let isJoining = membership.members.contains { $0.role == .joining }
        if let lost {
            if lost.role.isLearner { return .remove(lost.id) }
            if isJoining { return nil }
            return newMember(membership, replacing: lost.id)
        }
        guard administration.wanted > 0 else { return nil }
        administration.wanted -= 1
        return drawChange(membership)
    }

    private func drawChange(_ membership: Membership) -> MembershipChange? {
        let voters = membership.members.filter { !$0.role.isLearner }
        let learners = membership.members.filter { $0.role == .learner }
        switch administration.random.below(6) {
        case 0, 1:
            guard voters.count < 7 else { return .remove(administration.random.pick(voters).id) }
            return newMember(membership, replacing: nil)
        case 2:
            let replaced = administration.random.pick(voters).id
            return newMember(membership, replacing: replaced)
        case 3:
            guard !learners.isEmpty else { return nil }
            return .promote(administration.random.pick(learners).id)
        default:
            let leaving = administration.random.pick(membership.members)
            // Small groups are allowed, and rare.
            let isLarge = leaving.role.isLearner || voters.count > 3
            guard isLarge || administration.random.chance(permille: 150) else { return nil }
            return .remove(leaving.id)
        }
    }

    /// A node that was added and not accepted yet is tried first; ids are not wasted.
    private func newMember(_ membership: Membership, replacing: NodeID?) -> MembershipChange? {
        let fresh = nodes.first { node in
            !node.isLost && node.id > membership.highestID && !node.wasMember
        }
        guard fresh != nil || nodes.count < Network.nodesMax - 1 else { return nil }
        let id = fresh?.id ?? NodeID(UInt64(nodes.count + 1))
        let isManual = replacing == nil && administration.random.chance(permille: 300)
        return .add(
            id,
            contact: Array("node-\(id.rawValue)".utf8),
            promotion: isManual ? .onRequest : .whenCaughtUp(replacing: replacing)
        )
    }

    private func addIfNew(_ id: NodeID) {
        guard Int(id.rawValue) > nodes.count else { return }
        // It has never heard of those who came before it, and could not tell who is one of them.
        for node in nodes where node.isImpostor { retire(node) }
        addNode(id, membership: .none)
        queue.schedule(
            .start(Int(id.rawValue), epoch: 0),
            at: now + administration.random.between(Time.millisecond...2 * Time.second)
        )
    }

    func changed(_ token: ChangeToken, _ answer: ChangeAnswer, _ node: SimNode) {
        switch answer {
        case .begun(let position):
            counts[.changesBegun] += 1
            note("\(node.number) begins change \(token.rawValue) at \(position.text)")
        case .refused(let refusal):
            counts[.changesRefused] += 1
            note("\(node.number) refuses change \(token.rawValue): \(refusal)")
        }
    }

    /// A process on an empty disk, under an id that had another.
    func startAgain(_ node: SimNode) {
        node.life = .down
        node.isImpostor = true
        note("\(node.number) comes back with an empty disk")
        start(node)
    }

    private func retire(_ node: SimNode) {
        crash(node, restartAfter: nil)
        node.life = .lost
    }
}
