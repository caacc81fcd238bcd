// All chance of a run. One seed gives one stream for each concern (SplitMix64: Steele, Lea and
// Flood, 2014), so that a draw more in one place does not shift the draws of all others, and a run
// whose faults are changed keeps its clients.

/// What a stream is drawn for.
enum Concern: UInt64 {
    case options = 1
    case network
    case disk
    case clocks
    case faults
    case clients
    case scheduling
    case stalls
    case elections
    case membership
    case healing
    case aimed
}

/// A seeded stream of numbers.
struct Stream: Sendable {
    private var state: UInt64

    /// The stream of `part` (a node, a client) within a concern.
    init(seed: UInt64, _ concern: Concern, _ part: UInt64 = 0) {
        state = Self.mix(seed &+ 0x5851_f42d_4c95_7f2d &* concern.rawValue)
        state = Self.mix(state ^ part &* 0x9e37_79b9_7f4a_7c15)
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return Self.mix(state)
    }

    private static func mix(_ word: UInt64) -> UInt64 {
        var mixed = word
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; the bias of the remainder does not matter here.
    mutating func below(_ bound: UInt64) -> UInt64 {
        precondition(bound >= 1)
        return next() % bound
    }

    mutating func below(_ bound: Int) -> Int { Int(below(UInt64(bound))) }

    mutating func between(_ range: ClosedRange<UInt64>) -> UInt64 {
        range.lowerBound + below(range.upperBound - range.lowerBound + 1)
    }

    mutating func between(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.upperBound - range.lowerBound + 1)
    }

    mutating func chance(permille: UInt64) -> Bool { below(1_000 as UInt64) < permille }

    /// One in `count`; never where `count` is 0.
    mutating func oneIn(_ count: UInt64) -> Bool { count > 0 && below(count) == 0 }

    mutating func pick<Item>(_ items: [Item]) -> Item { items[below(items.count)] }

    /// One of the weights' places.
    mutating func weighted(_ weights: [Int]) -> Int {
        var rest = below(weights.reduce(0, +))
        for (place, weight) in weights.enumerated() {
            if rest < weight { return place }
            rest -= weight
        }
        preconditionFailure("the weights' sum was drawn below")
    }

    /// A number whose order of magnitude is as likely as any other: short and long times alike.
    mutating func magnitude(_ range: ClosedRange<UInt64>) -> UInt64 {
        var low = max(range.lowerBound, 1)
        let doublings = 63 - low.leadingZeroBitCount
        let doublingsMax = 63 - max(range.upperBound, 1).leadingZeroBitCount
        let shift = between(doublings...max(doublings, doublingsMax))
        low = max(low, UInt64(1) << UInt64(shift))
        let high = min(range.upperBound, (UInt64(1) << UInt64(shift)) * 2 - 1)
        return between(min(low, high)...max(low, high))
    }

    mutating func shuffle<Item>(_ items: inout [Item]) {
        guard items.count > 1 else { return }
        for place in stride(from: items.count - 1, to: 0, by: -1) {
            items.swapAt(place, below(place + 1))
        }
    }
}

/// Lengths of simulated time, in nanoseconds.
enum Time {
    static let microsecond: UInt64 = 1_000
    static let millisecond: UInt64 = 1_000_000
    static let second: UInt64 = 1_000_000_000
}
