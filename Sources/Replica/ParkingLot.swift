// Where requests wait while nobody leads. An election is short; a client that is told to retry
// would wait longer than one that is held.

/// Requests without a leader, in the order of their arrival.
struct ParkingLot: Sendable {
    struct Parked: Sendable {
        var request: Request
        var token: RequestToken
        var tick: Int
    }

    private var parked: [Parked] = []

    var count: Int { parked.count }

    /// `since` is the tick at which the request came: its patience runs on when it comes back.
    /// False where the lot is full.
    mutating func park(_ request: Request, _ token: RequestToken, since: Int) -> Bool {
        guard parked.count < Limits.parkedRequestsMax else { return false }
        parked.append(Parked(request: request, token: token, tick: since))
        return true
    }

    /// Takes out those who came before tick `start`. Mostly there are none.
    mutating func expire(before start: Int) -> [RequestToken] {
        guard parked.contains(where: { $0.tick < start }) else { return [] }
        let expired = parked.filter { $0.tick < start }.map(\.token)
        parked.removeAll { $0.tick < start }
        return expired
    }

    /// Somebody leads: everybody leaves, in order.
    mutating func leave() -> [Parked] {
        defer { parked.removeAll() }
        return parked
    }
}
