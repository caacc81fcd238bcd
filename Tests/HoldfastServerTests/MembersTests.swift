import RaftCore
import Testing

@testable import HoldfastServer

private func node(_ id: UInt64, _ port: Int) -> NodeConfiguration {
    NodeConfiguration(
        name: "n\(id)",
        id: NodeID(id),
        host: "10.0.0.\(id)",
        clusterPort: port,
        standalonePort: port + 1,
        peerPort: port + 2,
        dataDirectory: nil
    )
}

private func member(_ node: NodeConfiguration, _ role: MemberRole = .voter) -> Member {
    Member(id: node.id, role: role, contact: Array(node.contact.utf8))
}

@Suite("Members")
struct MembersTests {
    @Test("a contact says how a node is reached, and comes back as it went")
    func contact() {
        let own = node(3, 7_103)
        #expect(own.contact == "n3 10.0.0.3 7103 7104 7105")
        #expect(NodeConfiguration(NodeID(3), contact: Array(own.contact.utf8)) == own)
    }

    @Test(
        "what is no contact is none",
        arguments: [
            "", "n3", "n3 host 1 2", "n3 host 1 2 3 4", "n3  1 2 3", "n3 host 0 2 3",
            "n3 host 1 2 65536", "n3 host 1 2 x", "n3 ho\nst 1 2 3", " n3 host 1 2 3",
            "n3 host 1 2 3 ", String(repeating: "n", count: 600) + " host 1 2 3",
        ]
    )
    func noContact(text: String) {
        #expect(NodeConfiguration(NodeID(3), contact: Array(text.utf8)) == nil)
    }

    @Test("bytes that are no text are no contact")
    func noText() {
        let bytes: [UInt8] = Array("n3 ho".utf8) + [0xff, 0xfe] + Array("st 1 2 3".utf8)
        #expect(NodeConfiguration(NodeID(3), contact: bytes) == nil)
    }

    @Test("the directory has the members of all groups, and tells when they change")
    func directory() throws {
        let yaml = """
            cluster-id: 11111111222233334444555555555555
            groups: 2
            at-rest: {encryption: off}
            nodes:
              - {name: n9, id: 9, host: h, cluster-port: 1, standalone-port: 2, peer-port: 3}
            """
        let configuration = try ClusterConfiguration(yaml: yaml, file: "c.yaml")
        let directory = MemberDirectory(configuration: configuration)
        let (one, two) = (node(1, 100), node(2, 200))
        let both = Membership(members: [member(one), member(two)])
        #expect(directory.update(GroupID(0), both) == .changed)
        #expect(directory.byID == [one.id: one, two.id: two])
        #expect(directory.update(GroupID(1), both) == .same)
        #expect(directory.members == [one, two])
        // Gone from one group it is still a member of the other; then it is not.
        let alone = Membership(members: [member(one)], highestID: two.id)
        #expect(directory.update(GroupID(0), alone) == .same)
        #expect(directory.update(GroupID(1), alone) == .changed)
        #expect(directory.byID == [one.id: one])
        #expect(directory.node(two.id) == nil)
        // Whom no group names may still stand in the configuration.
        #expect(directory.node(NodeID(9))?.host == "h")
    }

    @Test("homes are dealt over the voters, and nobody has one while they change")
    func homes() {
        let members = [member(node(1, 100)), member(node(2, 200)), member(node(3, 300), .learner)]
        let membership = Membership(members: members)
        let homes = (0..<4).map { membership.home(of: GroupID($0)) }
        #expect(homes == [NodeID(1), NodeID(2), NodeID(1), NodeID(2)])
        let joint = Membership(
            members: [member(node(1, 100)), member(node(2, 200), .outgoing)]
        )
        #expect(joint.home(of: GroupID(0)) == nil)
        #expect(Membership.none.home(of: GroupID(0)) == nil)
    }
}
