// Who takes part in a group, and how that changes: joint consensus, Raft section 6 and dissertation
// section 4.3.
//
//     addLearner   learner ------ caught up -----> incoming --- joint entry commits ---> voter
//     remove       voter -> outgoing --- joint entry commits ---> gone
//
// While any member is incoming or outgoing the membership is joint: every decision (votes, commit,
// reads, leases) needs a majority of the old voters and a majority of the new ones. A learner gets
// the log and decides nothing, so it comes and goes without a joint phase.
//
// A node uses the newest membership in its log, committed or not; one that is cut off the log is
// forgotten with it (`MembershipHistory`). Ids only grow: one that was ever used is never used
// again, so that a node that lost its disk cannot come back under the id whose promises it forgot.

/// A node's part in a group.
package enum MemberRole: UInt8, Hashable, Sendable {
    /// Gets the log, decides nothing, and becomes a voter only when told to.
    case learner = 1
    /// A learner that its leader promotes once it has caught up.
    case joining = 2
    case voter = 3
    /// Joint phase: a voter of the new configuration only.
    case incoming = 4
    /// Joint phase: a voter of the old configuration only.
    case outgoing = 5

    package var isLearner: Bool { self == .learner || self == .joining }
    /// Whether the member decides with one of the two configurations of a joint phase; outside of
    /// one there is but the new.
    package func votes(in half: Half) -> Bool {
        switch self {
        case .learner, .joining: false
        case .voter: true
        case .incoming: half == .new
        case .outgoing: half == .old
        }
    }
}

/// The two configurations of a joint membership.
package enum Half: Hashable, Sendable {
    case old
    case new
}

/// One node of a group.
package struct Member: Hashable, Sendable {
    package var id: NodeID
    package var role: MemberRole
    /// For a joining member: the voter that leaves in the same step in which it becomes one.
    package var replaces: NodeID?
    /// How to reach the node, in the driver's own terms; opaque here.
    package var contact: [UInt8]

    package init(id: NodeID, role: MemberRole, replaces: NodeID? = nil, contact: [UInt8] = []) {
        self.id = id
        self.role = role
        self.replaces = replaces
        self.contact = contact
    }
}

/// The members of a group, ascending by id.
package struct Membership: Hashable, Sendable {
    package internal(set) var members: [Member]
    /// The highest id that any member ever had. A new one must be above it.
    package internal(set) var highestID: NodeID

    /// `members` ascend by id; `highestID` is at least the last one's.
    package init(members: [Member], highestID: NodeID? = nil) {
        precondition(zip(members, members.dropFirst()).allSatisfy { $0.id < $1.id })
        self.members = members
        let last = members.last?.id ?? NodeID(0)
        self.highestID = max(highestID ?? last, last)
    }

    /// The voters with which a group starts.
    package init(voters: [NodeID]) {
        self.init(members: voters.map { Member(id: $0, role: .voter) })
    }

    /// What a node knows that waits to be added to a group: nothing. It never leads.
    package static let none = Membership(members: [])

    package subscript(id: NodeID) -> Member? { members.first { $0.id == id } }

    /// Whether two majorities are needed.
    package var isJoint: Bool { members.contains { $0.role == .incoming || $0.role == .outgoing } }

    /// All who take part in decisions, old and new.
    package var voters: [NodeID] { members.filter { !$0.role.isLearner }.map(\.id) }

    /// Whether the node takes part in decisions.
    package func isVoter(_ id: NodeID) -> Bool {
        self[id].map { !$0.role.isLearner } ?? false
    }
}

/// What an operator asks for.
package enum MembershipChange: Hashable, Sendable {
    /// A new member, which is promoted once it has caught up where `promotes` says so, and then
    /// takes the place of `replaces`.
    case add(NodeID, contact: [UInt8], promotion: Promotion)
    /// Makes a learner a voter. It must have caught up.
    case promote(NodeID)
    case remove(NodeID)

    package enum Promotion: Hashable, Sendable {
        case onRequest
        case whenCaughtUp(replacing: NodeID?)
    }
}

/// Why a change of membership was not begun. Nothing was changed.
package enum MembershipRefusal: Hashable, Sendable, Error {
    /// Somebody else leads; who, if known.
    case notLeader(NodeID?)
    /// Another change is under way, this leader has not committed in its term yet, or it is handing
    /// over: one at a time (dissertation section 4.1).
    case inProgress
    /// The id is in use or was used before.
    case idUsed(highest: NodeID)
    case unknownMember(NodeID)
    /// It is a voter already.
    case alreadyVoter(NodeID)
    /// The learner lacks this many entries.
    case notCaughtUp(entries: Int)
    /// The last voter cannot leave.
    case lastVoter
    /// Too many of the voters that there would be have not been heard of lately: nothing could be
    /// decided any more, not even to take the change back.
    case wouldLoseQuorum
    /// There would be more than `Limits.membersMax`, or a contact above `Limits.contactBytesMax`.
    case tooLarge
}
