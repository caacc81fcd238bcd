import RaftCore
import Testing

@testable import HoldfastServer

private func behind(
    _ match: UInt64,
    lacks: UInt64 = 1_000,
    bytes: UInt64? = nil
) -> GroupProgress {
    .waiting(CatchingUp(match: match, lacks: lacks, snapshotBytes: bytes))
}

@Suite("The course of a change of members")
struct MembershipCourseTests {
    private let start = ContinuousClock.now

    private func second(_ number: Int) -> ContinuousClock.Instant {
        start.advanced(by: .seconds(number))
    }

    /// One look a second; the verdict of the last.
    private func verdict(_ looks: [[GroupProgress]]) -> MembershipCourse.Verdict {
        var course = MembershipCourse(.untilIdle(.seconds(60)), at: start)
        var verdict = MembershipCourse.Verdict.goOn
        for (number, look) in looks.enumerated() {
            verdict = course.take(look, at: second(number + 1))
        }
        return verdict
    }

    @Test("what counts is the time: a minute without anything more, in however many looks")
    func clock() {
        for looks in [1, 10, 1_000] {
            var course = MembershipCourse(.untilIdle(.seconds(60)), at: start)
            #expect(course.take([behind(5)], at: second(1)) == .goOn)
            for look in 1...looks {
                let time = second(1).advanced(by: .milliseconds(59_999 * look / looks))
                #expect(course.take([behind(5)], at: time) == .goOn)
            }
            #expect(course.take([behind(5)], at: second(61)) == .stuck)
        }
    }

    @Test("entries that are lacking are no progress: they come by themselves")
    func lacks() {
        let looks = (1...60).map { [behind(7, lacks: UInt64($0) * 100)] }
        #expect(verdict(looks + [[behind(7, lacks: 1)]]) == .stuck)
    }

    @Test("an entry more, a byte more and a group more are progress")
    func progress() {
        let still = [behind(7, bytes: 10), .waiting(nil), .done]
        let idle = [[GroupProgress]](repeating: still, count: 55)
        #expect(verdict(idle + idle) == .stuck)
        let more: [[GroupProgress]] = [
            [behind(8, bytes: 10), .waiting(nil), .done],
            [behind(7, bytes: 11), .waiting(nil), .done],
            [behind(7, bytes: 10), .done, .done],
        ]
        for look in more { #expect(verdict(idle + [look] + idle) == .goOn) }
    }

    @Test("what was lost and comes again is no progress, but a second snapshot is")
    func again() {
        let bytes = [10, 20, 0] as [UInt64]
        let rounds = (0..<70).map { [behind(7, bytes: bytes[$0 % 3])] }
        #expect(verdict(rounds) == .stuck)
        // The first one was installed, and a new one begins.
        let first = [behind(7, bytes: 20)]
        let idle = [[GroupProgress]](repeating: [behind(100)], count: 55)
        #expect(verdict([first] + idle + [[behind(100, bytes: 1)]] + idle) == .goOn)
    }

    @Test("groups that come and go are no progress")
    func flapping() {
        let rounds: [[GroupProgress]] = (0..<70).map { $0 % 2 == 0 ? [.noLeader] : [.waiting(nil)] }
        #expect(verdict(rounds) == .stuck)
        let done: [[GroupProgress]] = (0..<70).map { number in
            [number % 2 == 0 ? .done : .waiting(nil), .waiting(nil)]
        }
        #expect(verdict(done) == .stuck)
    }

    @Test("where no group has taken the command, it has not begun")
    func notBegun() {
        #expect(verdict(Array(repeating: [.noLeader, .notBegun], count: 61)) == .notBegun)
        let looks: [[GroupProgress]] = Array(repeating: [.noLeader, .notBegun], count: 60)
        #expect(verdict([[.noLeader, .waiting(nil)]] + looks) == .stuck)
    }

    @Test("who does not wait looks a few times, and is told whether all groups have taken it")
    func noWait() {
        let silent: [GroupProgress] = [.noLeader, .notBegun]
        for (looks, expected) in [
            ([silent, silent, silent], MembershipCourse.Verdict.notBegun),
            ([silent, [.noLeader, .waiting(nil)], silent], .partlyBegun),
            ([silent, [.done, .noLeader], silent], .partlyBegun),
            ([silent, [.done, .noLeader], [.noLeader, .waiting(nil)]], .begun),
            ([silent, [.done, .done]], .done),
            ([silent, [.noLeader, .refused("no")]], .refused(group: 1, "no")),
        ] {
            var course = MembershipCourse(.looks(3), at: start)
            for look in looks.dropLast() { #expect(course.take(look, at: start) == .goOn) }
            #expect(course.take(looks[looks.count - 1], at: start) == expected)
        }
    }

    @Test("the line for the operator has entries and bytes")
    func summary() {
        let progress: [GroupProgress] = [
            .done, .noLeader, .notBegun, behind(5, lacks: 70), behind(0, lacks: 9, bytes: 4_096),
            behind(5, lacks: 0), .waiting(nil),
        ]
        #expect(
            progress.summary
                == """
                1 of 7 groups done; 1 without a leader; 1 not begun; entries lacking by group: \
                3: 70, 4: 9 (4096 bytes of a snapshot there)
                """
        )
        let many = [GroupProgress](repeating: behind(1, lacks: 2), count: 7)
        #expect(many.summary.hasSuffix("5: 2, ..."))
    }
}

@Suite("The steps of a change of members")
struct MembershipDriverTests {
    /// Nodes 1 to 3 and a fourth that waits to be added.
    private let configuration: ClusterConfiguration

    init() throws { configuration = try Bench.configuration(peers: [23, 33, 43]) }

    private func group(
        _ number: Int,
        highest: UInt64,
        _ members: [ListedMember]
    ) -> GroupMembers {
        GroupMembers(
            group: number,
            role: "leader",
            term: 3,
            leader: 1,
            commit: 900,
            last: 900,
            highestID: highest,
            members: members
        )
    }

    private func voter(_ id: UInt64) -> ListedMember {
        ListedMember(id: NodeID(id), role: .voter, node: configuration.node(NodeID(id)), match: 900)
    }

    /// All answer; the fourth knows of nobody.
    private func view(_ groups: [GroupMembers]) -> MembershipView {
        var view = MembershipView(groups: groups)
        for node in configuration.nodes { view.lists[node.id] = groups }
        view.lists[NodeID(4)] = groups.map { group($0.group, highest: 0, []) }
        view.nodes = configuration.nodes
        return view
    }

    private func actions(
        _ goal: MembershipGoal,
        _ groups: [GroupMembers]
    ) -> [MembershipDriver.Action] {
        let driver = MembershipDriver(configuration, goal: goal)
        return groups.map { driver.next($0, view(groups)) }
    }

    @Test("an id that nobody ever had is refused, to remove and to replace")
    func unheardOf() {
        let groups = [0, 1].map { group($0, highest: 3, [voter(1), voter(2), voter(3)]) }
        let refusal = MembershipDriver.Action.refused(
            "no node 33 was ever a member of this cluster; 'holdfast members list' shows who is"
        )
        let fourth = configuration.nodes[3]
        #expect(actions(.absent(NodeID(33)), groups) == [refusal, refusal])
        let zero = actions(.absent(NodeID(0)), groups)
        #expect(zero.allSatisfy { if case .refused = $0 { true } else { false } })
        #expect(actions(.replaced(NodeID(33), by: fourth), groups) == [refusal, refusal])
        #expect(
            actions(.absent(NodeID(3)), groups)
                == [.command(["REMOVE", "0", "3"]), .command(["REMOVE", "1", "3"])]
        )
        #expect(
            actions(.replaced(NodeID(3), by: fourth), [groups[0]])
                == [.command(["ADD", "0", "4", fourth.contact, "REPLACES", "3"])]
        )
    }

    @Test("nobody is put in the place of one who left long ago, unless that was begun")
    func nobodyToReplace() {
        let fourth = configuration.nodes[3]
        let two = group(0, highest: 3, [voter(1), voter(2)])
        let refused = actions(.replaced(NodeID(3), by: fourth), [two])
        #expect(refused.allSatisfy { if case .refused = $0 { true } else { false } })
        let done = group(1, highest: 4, [voter(1), voter(2), voter(4)])
        let actions = actions(.replaced(NodeID(3), by: fourth), [two, done])
        #expect(actions == [.command(["ADD", "0", "4", fourth.contact]), .settled])
    }

    @Test("an id that was a member and is gone stays gone")
    func gone() {
        let groups = [0, 1].map { group($0, highest: 3, [voter(1), voter(2)]) }
        #expect(actions(.absent(NodeID(3)), groups) == [.settled, .settled])
        // One group has not heard of a node that the others have.
        let mixed = [group(0, highest: 4, [voter(1), voter(2), voter(4)]), groups[1]]
        #expect(
            actions(.absent(NodeID(4)), mixed) == [.command(["REMOVE", "0", "4"]), .settled]
        )
    }

    @Test("a member that catches up is waited for, with what it has")
    func catchingUp() {
        var joining = voter(4)
        joining.role = .joining
        joining.match = 200
        joining.snapshotBytes = 4_096
        let groups = [group(0, highest: 4, [voter(1), voter(2), voter(3), joining])]
        let expected = CatchingUp(match: 200, lacks: 700, snapshotBytes: 4_096)
        #expect(actions(.voter(configuration.nodes[3]), groups) == [.waiting(expected)])
    }
}
