// How a node is reached, as the members of a group know it: `Member.contact`, which consensus
// carries and does not read. One line of words, so that an operator can type it:
//
//     NAME HOST CLUSTER-PORT STANDALONE-PORT PEER-PORT

package import RaftCore

extension NodeConfiguration {
    /// The contact of this node.
    package var contact: String {
        "\(name) \(host) \(clusterPort) \(standalonePort) \(peerPort)"
    }

    /// A node as others know it; nil where the bytes are no contact.
    package init?(_ id: NodeID, contact bytes: some Collection<UInt8>) {
        guard bytes.count <= RaftCore.Limits.contactBytesMax,
            let text = String(validating: bytes, as: UTF8.self)
        else { return nil }
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 5, words.allSatisfy({ !$0.isEmpty }),
            !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f })
        else { return nil }
        let ports = words[2...].compactMap { Int($0) }
        guard ports.count == 3, ports.allSatisfy((1...65_535).contains) else { return nil }
        self.init(
            name: String(words[0]),
            id: id,
            host: String(words[1]),
            clusterPort: ports[0],
            standalonePort: ports[1],
            peerPort: ports[2],
            dataDirectory: nil
        )
    }
}

extension Membership {
    /// The members with which the groups of a new cluster start: all nodes of its configuration.
    init(bootstrap nodes: [NodeConfiguration]) {
        self.init(
            members: nodes.map {
                Member(id: $0.id, role: .voter, contact: Array($0.contact.utf8))
            }
        )
    }
}
