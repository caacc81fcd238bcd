import RaftCore

@testable import Simulation

let three = Membership(voters: [NodeID(1), NodeID(2), NodeID(3)])

func entry(_ index: UInt64, _ term: UInt64, _ bytes: [UInt8] = [7]) -> Entry {
    Entry(term: Term(term), index: LogIndex(index), content: .command(bytes[...]))
}

func batch(
    _ entries: [Entry],
    term: UInt64,
    vote: UInt64? = nil,
    base: LogPosition? = nil
) -> PersistBatch {
    let last = entries.last?.position ?? base ?? .origin
    return PersistBatch(
        mark: PersistMark(hardStateTerm: Term(term), last: last),
        hardState: HardState(term: Term(term), vote: vote.map { NodeID($0) }),
        base: base,
        entries: entries
    )
}

/// A node of a group of three whose log holds `entries`, all committed.
func raft(_ id: UInt64, term: UInt64, _ entries: [Entry]) -> RaftNode {
    RaftNode(
        configuration: RaftConfiguration(id: NodeID(id), seed: id),
        hardState: HardState(
            term: Term(term),
            commit: entries.last?.index ?? .zero
        ),
        snapshot: SnapshotMark(position: .origin, membership: three),
        entries: entries
    )
}
