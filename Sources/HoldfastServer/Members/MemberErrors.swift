// Why a change of members was not begun, in words that say what to do next. The first word is for
// programs.

import RaftCore

enum MemberErrors {
    static func text(
        _ refusal: MembershipRefusal,
        _ group: GroupID,
        _ address: (NodeID) -> NodeConfiguration?
    ) -> String {
        let group = "group \(group.rawValue)"
        switch refusal {
        case .notLeader(let leader?):
            let place = address(leader).map { " at \($0.host):\($0.clusterPort)" } ?? ""
            return "NOTLEADER node \(leader.rawValue)\(place) leads \(group); ask it"
        case .notLeader(nil):
            return "NOTLEADER nobody leads \(group) now; ask again in a second"
        case .inProgress:
            return "INPROGRESS \(group) has another change under way, or a leader that has just "
                + "begun or hands over; ask again in a second"
        case .idUsed(let highest):
            return "IDUSED ids are never used again; give the node one above "
                + "\(highest.rawValue), the highest that \(group) has seen"
        case .unknownMember(let id):
            return "UNKNOWNMEMBER node \(id.rawValue) is not a member of \(group) that this can be "
                + "done to; see HOLDFAST MEMBERS LIST"
        case .alreadyVoter(let id):
            return "ALREADYVOTER node \(id.rawValue) votes in \(group) already; there is nothing "
                + "to do"
        case .notCaughtUp(let entries):
            return "NOTCAUGHTUP the learner is not heard of, or still lacks entries of \(group) "
                + "(\(entries)); ask again when it has them"
        case .lastVoter:
            return "LASTVOTER \(group) would be left without a voter; add another node first"
        case .wouldLoseQuorum:
            return "NOQUORUM too few of the nodes that \(group) would be left with can be "
                + "reached: it could decide nothing any more; start those that are down, or "
                + "remove them first"
        case .tooLarge:
            return "TOOLARGE \(group) has as many members as it may have, or the contact is longer "
                + "than \(RaftCore.Limits.contactBytesMax) bytes"
        }
    }
}
