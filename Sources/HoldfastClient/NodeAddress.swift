// Where a node listens. Comes from the configuration's seeds, from `CLUSTER SLOTS` and from
// `-MOVED` replies; goes out as a key of the router's tables. It must never be resolved here: a
// name is looked up anew at each connect.

/// The host and cluster port of one node.
public struct NodeAddress: Hashable, Sendable {
    /// A host name or an IP address, without brackets.
    public var host: String
    /// The port, 1 to 65,535.
    public var port: Int

    /// An address of the given host and port.
    ///
    /// - Parameters:
    ///   - host: A host name or an IP address, without brackets.
    ///   - port: The node's cluster port, 1 to 65,535.
    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads `host:port` as `-MOVED` writes it: split at the last colon, since an IPv6 address has
    /// no brackets there. No host means the one that answered.
    init?(moved text: some StringProtocol, answeredBy origin: NodeAddress) {
        guard
            let colon = text.lastIndex(of: ":"),
            let port = Int(text[text.index(after: colon)...]),
            1...65_535 ~= port
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        self.init(host: host.isEmpty || host == "?" ? origin.host : String(host), port: port)
    }
}

extension NodeAddress: CustomStringConvertible {
    /// `host:port`.
    public var description: String { "\(host):\(port)" }
}
