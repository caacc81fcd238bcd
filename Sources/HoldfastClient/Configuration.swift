// What the caller may set. Goes in once, at the client's making; nothing here changes afterwards.
// Values out of range stop the program at `init`: they are mistakes of whoever wrote them.

extension HoldfastClient {
    /// How a client finds the cluster and how patient it is.
    public struct Configuration: Sendable {
        /// Cluster ports that are asked first. One that answers is enough; name several, on
        /// several nodes. At least one.
        public var seeds: [NodeAddress]

        /// How long one call may take with all its retries, unless the call names its own
        /// deadline. Above zero; default 10 s. Below some 3 s, calls may not outlive an election.
        public var deadline: Duration = .seconds(10)

        /// How long to wait for a TCP connect and the greeting together. Above zero; default 1 s.
        public var connectTimeout: Duration = .seconds(1)

        /// How long one request may wait for its reply before its connection is closed. Above zero;
        /// default 6 s, which is longer than a server holds a request during an election (5 s).
        public var attemptTimeout: Duration = .seconds(6)

        /// How long a connection may owe a reply without sending a byte before the node is
        /// suspected and probed. Above zero; default 1 s.
        public var silenceTimeout: Duration = .seconds(1)

        /// How long a suspected node has to answer a PING on a fresh connection. When it does not,
        /// its connections are closed and its calls go elsewhere. Above zero; default 500 ms.
        public var probeTimeout: Duration = .milliseconds(500)

        /// Connections to each node, 1 to 64; default 1. Requests share them (pipelining), so more
        /// than one pays only when a core is busy with a single connection.
        public var connectionsPerNode: Int = 1

        /// Requests on one connection that are sent and not answered, 1 to 65,536; default 512.
        /// Further ones wait in the client, in the order they came.
        public var requestsInFlightPerConnection: Int = 512

        /// Requests that may wait in the client for one connection, 1 to 1,048,576; default
        /// 16,384. Further ones are tried again later, until their deadline.
        public var requestsWaitingPerConnection: Int = 16_384

        /// How often the map of slots is fetched when nothing calls for it sooner. Above zero;
        /// default 10 s. A redirection or a lost connection calls for it at once.
        public var mapRefreshInterval: Duration = .seconds(10)

        /// The defaults, with these seeds.
        ///
        /// - Parameter seeds: Cluster ports that are asked first. At least one.
        public init(seeds: [NodeAddress]) { self.seeds = seeds }

        /// The defaults, with these seeds.
        ///
        /// - Parameter seeds: Host and cluster port of the nodes that are asked first.
        public init(seeds: [(host: String, port: Int)]) {
            self.init(seeds: seeds.map { NodeAddress(host: $0.host, port: $0.port) })
        }
    }
}

extension HoldfastClient.Configuration {
    /// Stops the program when a value is outside its documented range.
    func check() {
        precondition(!seeds.isEmpty, "a client needs at least one seed")
        for seed in seeds {
            precondition(1...65_535 ~= seed.port, "the port of \(seed) is out of range")
        }
        precondition(deadline > .zero, "deadline must be above zero")
        precondition(connectTimeout > .zero, "connectTimeout must be above zero")
        precondition(attemptTimeout > .zero, "attemptTimeout must be above zero")
        precondition(silenceTimeout > .zero, "silenceTimeout must be above zero")
        precondition(probeTimeout > .zero, "probeTimeout must be above zero")
        precondition(mapRefreshInterval > .zero, "mapRefreshInterval must be above zero")
        precondition(1...64 ~= connectionsPerNode, "connectionsPerNode must be 1 to 64")
        precondition(
            1...65_536 ~= requestsInFlightPerConnection,
            "requestsInFlightPerConnection must be 1 to 65,536"
        )
        precondition(
            1...1_048_576 ~= requestsWaitingPerConnection,
            "requestsWaitingPerConnection must be 1 to 1,048,576"
        )
    }
}
