// The links between nodes: each direction of each pair by itself. Frames are delayed, dropped,
// repeated and overtaken; a link can be cut, or clogged, where they pile up in order and come out
// together later, or never.

import NIOCore
import RaftCore

/// Bytes on their way from one process to another node.
struct Packet {
    var from: Int
    var to: Int
    /// The sending process.
    var epoch: UInt64
    var bytes: ByteBuffer
}

struct Network {
    private struct Link {
        var isCut = false
        var cloggedUntil: UInt64 = 0
        var lastArrival: UInt64 = 0
    }

    /// Nodes that there may be in a run, those that were replaced included.
    static let nodesMax = 32

    private let options: NetworkOptions
    private var random: Stream
    private var links: [Link]
    /// Nodes between which nothing is dropped, repeated or late by more than the fastest latency.
    var isCalm: [Bool]

    init(options: NetworkOptions, seed: UInt64) {
        self.options = options
        random = Stream(seed: seed, .network)
        links = Array(repeating: Link(), count: Self.nodesMax * Self.nodesMax)
        isCalm = Array(repeating: false, count: Self.nodesMax)
    }

    private func place(_ from: Int, _ to: Int) -> Int { from * Self.nodesMax + to }

    /// When the frame arrives: once, several times, or not at all.
    mutating func arrivals(from: Int, to: Int, at now: UInt64) -> [UInt64] {
        if isCut(from: from, to: to) { return [] }
        let place = place(from, to)
        if isCalm[from], isCalm[to] { return [arrival(place, at: now, isCalm: true)] }
        let isClogged = links[place].cloggedUntil > now
        if random.chance(permille: isClogged ? options.clogLossPermille : options.dropPermille) {
            return []
        }
        var arrivals = [arrival(place, at: now, isCalm: false)]
        while arrivals.count < 4, random.chance(permille: options.repeatPermille) {
            arrivals.append(arrival(place, at: now, isCalm: false))
        }
        return arrivals
    }

    private mutating func arrival(_ place: Int, at now: UInt64, isCalm: Bool) -> UInt64 {
        var delay = random.between(options.latency)
        if !isCalm, random.oneIn(options.tailOneIn) {
            delay += random.magnitude(Time.millisecond...options.tail)
        }
        var arrival = now + delay
        let isClogged = links[place].cloggedUntil > arrival
        if isClogged { arrival = links[place].cloggedUntil }
        // A clogged link is a queue.
        if options.isOrdered || isClogged { arrival = max(arrival, links[place].lastArrival + 1) }
        links[place].lastArrival = max(links[place].lastArrival, arrival)
        return arrival
    }

    /// Whether the frame's bytes are to be damaged on the way.
    mutating func corrupts(from: Int, to: Int) -> Bool {
        !(isCalm[from] && isCalm[to]) && random.chance(permille: options.corruptPermille)
    }

    mutating func damage(_ bytes: inout ByteBuffer) {
        let count = bytes.readableBytes
        guard count > 0 else { return }
        let place = bytes.readerIndex + random.below(count)
        guard let byte = bytes.getInteger(at: place, as: UInt8.self) else { return }
        bytes.setInteger(byte ^ UInt8(1) << UInt8(random.below(8)), at: place)
    }

    /// How long until the other side learns that the connection broke; nil where it does not.
    mutating func notice(from: Int, to: Int) -> UInt64? {
        isCut(from: from, to: to) ? nil : random.between(options.latency)
    }

    // MARK: Disturbances

    func isCut(from: Int, to: Int) -> Bool { links[place(from, to)].isCut }

    mutating func cut(from: Int, to: Int) { links[place(from, to)].isCut = true }

    mutating func heal(from: Int, to: Int) { links[place(from, to)].isCut = false }

    mutating func clog(from: Int, to: Int, until time: UInt64) {
        links[place(from, to)].cloggedUntil = max(links[place(from, to)].cloggedUntil, time)
    }

    mutating func healAll() {
        for place in links.indices {
            links[place].isCut = false
            links[place].cloggedUntil = 0
        }
    }
}

/// A way of tearing a network apart.
enum CutShape: CaseIterable {
    case isolateOne, muteOne, deafenOne, halves, bridge, chain, random

    /// The links, as (from, to), that are cut between the nodes, of which the first is the one that
    /// it turns on.
    func links(among order: [Int], _ random: inout Stream) -> [(Int, Int)] {
        let count = order.count
        guard count >= 2 else { return [] }
        let one = order[0]
        let others = order.dropFirst()
        switch self {
        case .isolateOne: return Self.between([one], others)
        case .muteOne: return others.map { (one, $0) }
        case .deafenOne: return others.map { ($0, one) }
        case .halves: return Self.between(order.prefix(count / 2), order.dropFirst(count / 2))
        case .bridge:
            // The first one reaches both sides.
            let middle = 1 + (count - 1) / 2
            return Self.between(order[1..<middle], order[middle...])
        case .chain:
            var cuts: [(Int, Int)] = []
            for (left, a) in order.enumerated() {
                for (right, b) in order.enumerated() where abs(left - right) > 1 {
                    cuts.append((a, b))
                }
            }
            return cuts
        case .random:
            let permille = random.between(100...600 as ClosedRange<UInt64>)
            var cuts: [(Int, Int)] = []
            for a in order {
                for b in order where a != b {
                    if random.chance(permille: permille) { cuts.append((a, b)) }
                }
            }
            return cuts
        }
    }

    /// All links between two sides.
    static func between(
        _ left: some Collection<Int>,
        _ right: some Collection<Int>
    ) -> [(Int, Int)] {
        left.flatMap { a in right.flatMap { b in [(a, b), (b, a)] } }
    }
}
