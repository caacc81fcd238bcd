// A request on its way to the group that answers it, and back. Requests may come from a connection
// on another reactor; then the reply travels as bytes.

import Commands
import HoldfastWire
import NIOCore
import RaftCore
import Replica

/// Where the reply to a request, or to a part of one, belongs.
struct ReplyTarget: Sendable {
    var reactor: Int
    /// The connection's id on that reactor.
    var connection: UInt64
    /// Counts the connection's requests.
    var sequence: UInt64
    /// Which part of the request, where several groups answer it; 0 otherwise.
    var part: Int
    var version: RESPVersion
}

/// A request to one group.
struct GroupRequest: Sendable {
    var group: GroupID
    var slot: UInt16
    var action: Action
    var target: ReplyTarget
}

/// What a group made of a request.
enum GroupReply: Sendable {
    /// RESP, in the target's version of the protocol.
    case bytes(ByteBuffer)
    /// Another node leads; nothing was done.
    case redirect(NodeID)
}

/// The requests that a reactor's groups are working on, by their tokens.
///
/// A token is a place in the table and the number of times that the place was used: a token that
/// was answered is never mistaken for a later one.
struct RequestTable {
    private struct Place {
        var generation: UInt32 = 0
        var request: GroupRequest?
    }

    private var places: [Place] = []
    private var free: [Int] = []
    private(set) var count = 0

    mutating func insert(_ request: GroupRequest) -> RequestToken {
        count += 1
        let place: Int
        if let last = free.popLast() {
            place = last
        } else {
            place = places.count
            places.append(Place())
        }
        places[place].request = request
        return RequestToken(rawValue: UInt64(places[place].generation) << 32 | UInt64(place))
    }

    /// The request of `token`, which is then over; nil where it is over already.
    mutating func take(_ token: RequestToken) -> GroupRequest? {
        let place = Int(token.rawValue & 0xffff_ffff)
        guard place < places.count,
            places[place].generation == UInt32(token.rawValue >> 32),
            let request = places[place].request
        else { return nil }
        places[place].request = nil
        places[place].generation &+= 1
        free.append(place)
        count -= 1
        return request
    }
}
