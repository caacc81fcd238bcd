// Who leads which slot, as far as this client knows. Goes in: answers to CLUSTER SLOTS and single
// redirections. Comes out: the address to try first. It is a hint and nothing more: a wrong entry
// costs a redirection, and nothing may be concluded from it about what was done.

import HoldfastWire

struct SlotMap: Sendable {
    /// The nodes that lead something, each once, in the order of their first slot.
    private(set) var nodes: [NodeAddress] = []
    /// For each slot the place in `nodes` of its leader, or `nobody`.
    private var leaders: [UInt16]

    private static let nobody = UInt16.max

    /// The map of a client that knows nothing yet.
    init() { leaders = Array(repeating: Self.nobody, count: HashSlot.count) }

    /// The map that a CLUSTER SLOTS reply describes: an array of `[start, end, [host, port, …], …]`
    /// of which only the first node matters. Nil when the reply is anything else.
    init?(reply: RESPValue, answeredBy origin: NodeAddress) {
        self.init()
        guard case .array(let ranges) = reply, ranges.count <= Limits.rangesMax else { return nil }
        for range in ranges {
            guard
                case .array(let parts) = range, parts.count >= 3,
                case .integer(let start) = parts[0], case .integer(let end) = parts[1],
                case .array(let node) = parts[2], node.count >= 2,
                case .integer(let port) = node[1], 1...65_535 ~= port,
                0 <= start, start <= end, end < HashSlot.count
            else { return nil }
            let host = node[0].text ?? ""
            let address = NodeAddress(
                host: host.isEmpty || host == "?" ? origin.host : host,
                port: Int(port)
            )
            guard let place = place(of: address) else { return nil }
            for slot in Int(start)...Int(end) { leaders[slot] = place }
        }
    }

    /// The leader of a slot; nil while none is known.
    func leader(of slot: UInt16) -> NodeAddress? {
        let place = leaders[Int(slot)]
        return place == Self.nobody ? nil : nodes[Int(place)]
    }

    /// Takes a redirection at its word. Ignored when it would be one node too many.
    mutating func learn(leader: NodeAddress, of slot: UInt16) {
        guard let place = place(of: leader) else { return }
        leaders[Int(slot)] = place
    }

    private mutating func place(of address: NodeAddress) -> UInt16? {
        if let place = nodes.firstIndex(of: address) { return UInt16(place) }
        guard nodes.count < Limits.nodesMax else { return nil }
        nodes.append(address)
        return UInt16(nodes.count - 1)
    }
}
