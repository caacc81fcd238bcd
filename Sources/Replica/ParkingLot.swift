// Where requests wait while nobody leads. An election is short; a client that is told to retry
// would wait longer than one that is held.

/// Requests without a leader, in the order of their arrival.
struct ParkingLot: Sendable {
    private struct Parked: Sendable {
        var request: Request
        var token: RequestToken
        var tick: Int
    }

    private let ticksMax: Int
    private var parked: [Parked] = []
    private var now = 0

    init(ticksMax: Int) { self.ticksMax = ticksMax }

    var count: Int { parked.count }

    /// False where the lot is full.
    mutating func park(_ request: Request, _ token: RequestToken) -> Bool {
        guard parked.count < Limits.parkedRequestsMax else { return false }
        parked.append(Parked(request: request, token: token, tick: now))
        return true
    }

    /// One tick went by: returns those who waited too long.
    mutating func expire() -> [RequestToken] {
        now += 1
        guard let oldest = parked.first, now - oldest.tick > ticksMax else { return [] }
        let stay = parked.firstIndex { now - $0.tick <= ticksMax } ?? parked.endIndex
        let expired = parked[..<stay].map(\.token)
        parked.removeFirst(stay)
        return expired
    }

    /// Somebody leads: everybody leaves, in order.
    mutating func leave() -> [(Request, RequestToken)] {
        defer { parked.removeAll() }
        return parked.map { ($0.request, $0.token) }
    }
}
