// Snapshots that are cut because the last one is of no use, and those that are not cut because they
// would say nothing of the members.

import RaftCore
import SessionMachine
import TestKit
import Testing

@testable import Replica

@Suite
struct RenewedSnapshotTests {
    /// A leader does not read its own snapshots: that one has rotted shows when a follower needs
    /// it.
    @Test("In a group in which nothing happens, a snapshot that is gone is cut again")
    func quiet() {
        var group = SnapshotTests.group()
        let leader = group.elect()
        let away = group.followers(of: leader)[0]
        group.isolate(away)
        while group.counts.cuts < 2 { group.write(store("a"), at: leader) }
        while group[leader].applied != group[leader].raft.snapshot.position.index {
            group.write(store("b"), at: leader)
        }
        // All have applied it, and cut their own.
        group.tickAll(count: 5, standing: true)
        let cuts = group.counts.cuts
        group.members[group.index(of: leader)].snapshot = []
        group.heal()
        group.tickAll(count: 30)
        #expect(group.counts.cuts == cuts + 1)
        #expect(group.counts.installs == 1)
        #expect(group[away].applied == group[leader].applied)
        expectEqualMachines(&group)
    }

    @Test("A node that joins cuts nothing before the entry that adds it")
    func joiner() {
        var tuning = Tuning(parkingTicks: 30, pendingTicks: 60)
        tuning.snapshotEntries = 10
        var group = Group(tuning: tuning) { configuration in
            configuration.limits.trailingEntries = 1_000
            configuration.limits.appendEntriesMax = 1
        }
        let leader = group.elect()
        while group[leader].applied < LogIndex(25) { group.write(store("a"), at: leader) }
        let new = group.addOutsider()
        group.change(.add(new, contact: [], promotion: .onRequest), at: leader)
        group.tickAll(count: 20)
        #expect(group[new].applied == group[leader].applied)
        #expect(!group[new].raft.snapshot.membership.members.isEmpty)
        // `Group` fails at a snapshot that names no members.
        expectEqualMachines(&group)
    }
}
