// How a node learns that it was removed. Its former group says nothing to it any more, and answers
// its pre-votes with no; it does no harm, but its operator should know. So a node that has heard no
// leader of a group for a while asks the others' leaders whether it is still a member.

import HoldfastWire
import NIOCore
import RaftCore

struct RemovalWatch {
    let context: NodeContext
    let reactors: [Reactor]

    private static let interval = Duration.seconds(3)

    func run() async {
        var silent: Set<Int> = []
        var doubted: Set<Int> = []
        while !Task.isCancelled {
            do {
                // The pause between two looks; cancellation ends it.
                try await Task.sleep(for: Self.interval)
            } catch {
                return
            }
            let groups = context.board.snapshot()
            let now = Set(groups.indices.filter { isSilent(groups[$0]) })
            let asked = now.intersection(silent)
            silent = now
            guard !asked.isEmpty else { continue }
            let removed = await removals(among: asked)
            // An entry that removes this node and is not committed yet may still be taken back.
            for group in removed.intersection(doubted) { report(group) }
            doubted = removed
        }
    }

    /// This node is a member as far as it knows, and hears nobody.
    private func isSilent(_ group: GroupStatus) -> Bool {
        group.leader == nil && group.membership[context.id] != nil
    }

    /// The groups whose leaders say that this node is not a member any more.
    private func removals(among groups: Set<Int>) async -> Set<Int> {
        let view = await MembershipView.ask(
            context.configuration,
            known: context.members.members
        )
        return groups.filter { number in
            guard let group = view.groups[number] else { return false }
            return group[context.id] == nil && group.highestID >= context.id.rawValue
        }
    }

    private func report(_ number: Int) {
        let reactor = reactors[number % reactors.count]
        reactor.loop.execute {
            reactor.reportRemoval(from: reactor.own(GroupID(UInt16(number))))
        }
    }
}
