// Which node to ask. It has the map of slots, the nodes, and the fetching of the map. Goes in:
// slots, redirections, suspicions. Comes out: a node. It must never hold its lock over I/O, and
// never ask a node that does not answer while another might.

import HoldfastWire
import Logging
import NIOConcurrencyHelpers
import NIOCore

final class Router: Sendable {
    private let configuration: HoldfastClient.Configuration
    private let group: any EventLoopGroup
    private let logger: Logger
    private let state: NIOLockedValueBox<State>
    /// One element says "fetch the map"; further ones before that happens are one.
    private let wishes: AsyncStream<Void>
    private let wish: AsyncStream<Void>.Continuation

    private struct State {
        var map = SlotMap()
        var nodes: [NodeAddress: Node] = [:]
        var isShutDown = false
    }

    init(
        configuration: HoldfastClient.Configuration,
        group: any EventLoopGroup,
        logger: Logger
    ) {
        self.configuration = configuration
        self.group = group
        self.logger = logger
        state = NIOLockedValueBox(State())
        (wishes, wish) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: Routing

    /// The node to ask: `target` when given, else the slot's leader, unless it is `avoided` or does
    /// not answer; then any other. With nothing better, one that may not answer. Nil after the end.
    func node(
        for slot: UInt16?,
        target: NodeAddress?,
        avoided: NodeAddress?,
        now: NIODeadline
    ) -> Node? {
        state.withLockedValue { state in
            guard !state.isShutDown else { return nil }
            let wanted = target ?? slot.flatMap { state.map.leader(of: $0) }
            if let wanted, wanted != avoided {
                let node = node(at: wanted, &state)
                if node.isReachable(now: now) { return node }
            }
            let others = known(state).filter { $0 != avoided }.map { node(at: $0, &state) }
            let reachable = others.filter { $0.isReachable(now: now) }
            if let node = reachable.randomElement() ?? others.randomElement() { return node }
            return node(at: avoided ?? configuration.seeds[0], &state)
        }
    }

    /// Whether any map was fetched or any redirection learned.
    var hasMap: Bool { state.withLockedValue { !$0.map.nodes.isEmpty } }

    /// A server said who leads the slot.
    func learn(leader: NodeAddress, of slot: UInt16) {
        state.withLockedValue { $0.map.learn(leader: leader, of: slot) }
    }

    /// All addresses that may be asked, each once: the map's, then the seeds that are not in it.
    private func known(_ state: State) -> [NodeAddress] {
        var known = state.map.nodes
        for seed in configuration.seeds where !known.contains(seed) { known.append(seed) }
        return known
    }

    private func node(at address: NodeAddress, _ state: inout State) -> Node {
        if let node = state.nodes[address] { return node }
        let node = Node(address, group: group, configuration: configuration, logger: logger) {
            [weak self] in self?.wishForMap()
        }
        state.nodes[address] = node
        return node
    }

    // MARK: The map

    /// Asks for a fetch of the map, soon. Does nothing more while `keepMapFresh` is not running.
    func wishForMap() { wish.yield() }

    /// Fetches the map now, when somebody wishes it, and periodically, until cancelled.
    func keepMapFresh() async {
        let interval = configuration.mapRefreshInterval
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                repeat { self.wishForMap() } while await Self.slept(for: interval)
            }
            group.addTask {
                for await _ in self.wishes {
                    let isFetched = await self.fetchMap()
                    if !isFetched { self.wishForMap() }
                    let pause = isFetched ? Limits.mapIntervalMin : Limits.mapRetryInterval
                    guard await Self.slept(for: pause) else { return }
                }
            }
        }
    }

    /// False when the task was cancelled meanwhile.
    static func slept(for duration: Duration) async -> Bool {
        do {
            // The pause between two tries, so that a cluster without a leader is not stormed.
            try await Task.sleep(for: duration)
            return true
        } catch {
            return false
        }
    }

    /// Asks one node after the other until one has a map; keeps the old map when none has.
    private func fetchMap() async -> Bool {
        let candidates = state.withLockedValue { state in
            let now = NIODeadline.now()
            let nodes = known(state).shuffled().map { node(at: $0, &state) }
            return nodes.filter { $0.isReachable(now: now) }
                + nodes.filter { !$0.isReachable(now: now) }
        }
        for node in candidates {
            guard !Task.isCancelled else { return false }
            let reply = await node.askApart(["CLUSTER", "SLOTS"], timeout: Limits.mapTimeout)
            guard case .success(let value) = reply,
                let map = SlotMap(reply: value, answeredBy: node.address)
            else {
                logger.debug("no map", metadata: ["node": "\(node.address)"])
                continue
            }
            adopt(map)
            return true
        }
        return false
    }

    private func adopt(_ map: SlotMap) {
        let leavers = state.withLockedValue { state in
            state.map = map
            let kept = Set(known(state))
            let leavers = state.nodes.filter { !kept.contains($0.key) }.map(\.value)
            for node in leavers { state.nodes[node.address] = nil }
            return leavers
        }
        logger.trace("new map", metadata: ["nodes": "\(map.nodes)"])
        for node in leavers { node.retire() }
    }

    // MARK: The end

    /// Closes all connections, for good.
    func shutDown() async {
        wish.finish()
        let nodes = state.withLockedValue { state in
            state.isShutDown = true
            return Array(state.nodes.values)
        }
        await withDiscardingTaskGroup { group in
            for node in nodes { group.addTask { await node.shutDown() } }
        }
    }
}
