// Several inputs in one turn of a node, as a driver under load feeds them; `Cluster.step` ends a
// turn after each. Here the turn may say and write something and answer clients. What else could
// come of one (entries to apply, snapshots) fails the story instead of being lost.

import RaftCore
import TestKit

extension Cluster {
    mutating func turn(_ id: NodeID, _ inputs: [Input]) {
        let index = index(of: id)
        guard members[index].isUp, failure == nil, let last = inputs.last else { return }
        let before = members[index].node
        var effects = Effects()
        members[index].node.setClock(members[index].clock)
        for input in inputs { members[index].node.step(input, into: &effects) }
        members[index].node.flush(into: &effects)
        let after = members[index].node
        steps += 1
        record?.append(Step(id: id, input: last, before: before, after: after, effects: effects))
        carryOutTurn(effects, at: index)
        if let broken = after.brokenInvariant() ?? after.brokenTransition(from: before) {
            fail("node \(id.rawValue): \(broken)")
        }
    }

    private mutating func carryOutTurn(_ effects: Effects, at index: Int) {
        let isMore =
            effects.applyThrough != nil || effects.restore != nil || effects.violation != nil
            || !effects.fetch.isEmpty || !effects.chunks.isEmpty
        if isMore { fail("more came of a turn of several inputs than a story can tell") }
        let id = members[index].node.id
        network += effects.send
        if let batch = effects.persist {
            if members[index].writing != nil { fail("two batches with one disk") }
            members[index].writing = batch
        }
        accepted += effects.accepted.map(\.position)
        refused += effects.refused.map(\.reason)
        changes += effects.changes.map(\.answer)
        readable += effects.readable.map { ($0.token, $0.index, id, $0.validUntil) }
        unreadable += effects.unreadable
    }
}
