// `HOLDFAST MEMBERS LIST` read back: what one node says of the members of each group.

package import HoldfastWire
package import RaftCore

/// One group's members, by one node's word.
package struct GroupMembers: Hashable, Sendable {
    package var group: Int
    package var role: String
    package var term: UInt64
    /// Who leads, as far as the node knows; 0 for nobody.
    package var leader: UInt64
    package var commit: UInt64
    package var last: UInt64
    package var highestID: UInt64
    package var members: [ListedMember]

    package subscript(id: NodeID) -> ListedMember? { members.first { $0.id == id } }

    package var isJoint: Bool { members.contains { $0.role == .incoming || $0.role == .outgoing } }

    package var isLedHere: Bool { role == "leader" }
}

package struct ListedMember: Hashable, Sendable {
    package var id: NodeID
    package var role: MemberRole
    /// The address; nil where the contact is none.
    package var node: NodeConfiguration?
    /// The last entry that is durable there; nil where the node does not lead the group.
    package var match: UInt64?
    /// Bytes of a snapshot that have arrived, while one is on its way.
    package var snapshotBytes: UInt64?
}

extension GroupMembers {
    /// All groups of a reply, in order; nil where it is no such reply.
    package static func all(_ reply: RESPValue) -> [GroupMembers]? {
        guard case .array(let items) = reply else { return nil }
        var groups: [GroupMembers] = []
        for (number, item) in items.enumerated() {
            guard let group = GroupMembers(ReplyFields(item)), group.group == number else {
                return nil
            }
            groups.append(group)
        }
        return groups
    }

    private init?(_ fields: ReplyFields) {
        guard let group = fields.number("group"), let role = fields.text("role"),
            let term = fields.number("term"), let leader = fields.number("leader"),
            let commit = fields.number("commit"), let last = fields.number("last"),
            let highest = fields.number("highest-id"), case .array(let items) = fields["members"]
        else { return nil }
        self.group = Int(clamping: group)
        self.role = role
        self.term = term
        self.leader = leader
        self.commit = commit
        self.last = last
        highestID = highest
        members = []
        for item in items {
            guard let member = ListedMember(ReplyFields(item)) else { return nil }
            members.append(member)
        }
    }
}

extension ListedMember {
    fileprivate init?(_ fields: ReplyFields) {
        guard let number = fields.number("id"), let word = fields.text("role"),
            let role = MemberRole.named(word), case .bulk(let contact) = fields["contact"]
        else { return nil }
        id = NodeID(number)
        self.role = role
        node = NodeConfiguration(id, contact: contact)
        match = fields.number("match")
        snapshotBytes = fields.number("snapshot-bytes")
    }
}

extension MemberRole {
    /// As the list says it.
    static func named(_ word: String) -> MemberRole? {
        let all: [MemberRole] = [.learner, .joining, .voter, .incoming, .outgoing]
        return all.first { "\($0)" == word }
    }
}

/// The fields of a map, which RESP2 writes as an array.
private struct ReplyFields {
    private var pairs: [RESPPair] = []

    init(_ value: RESPValue) {
        switch value {
        case .map(let pairs): self.pairs = pairs
        case .array(let items) where items.count.isMultiple(of: 2):
            pairs = stride(from: 0, to: items.count, by: 2).map {
                RESPPair(key: items[$0], value: items[$0 + 1])
            }
        default: break
        }
    }

    subscript(name: String) -> RESPValue? {
        pairs.first { $0.key == .bulk(Array(name.utf8)) }?.value
    }

    /// Nil where it is absent or negative, which stands for "not known".
    func number(_ name: String) -> UInt64? {
        guard case .integer(let value) = self[name] else { return nil }
        return UInt64(exactly: value)
    }

    func text(_ name: String) -> String? {
        guard case .bulk(let bytes) = self[name] else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }
}
