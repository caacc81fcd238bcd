// `HOLDFAST MEMBERS`: the operator's commands about who takes part in which group.
//
//     HOLDFAST MEMBERS LIST
//     HOLDFAST MEMBERS ADD group id contact [LEARNER | REPLACES id]
//     HOLDFAST MEMBERS PROMOTE group id
//     HOLDFAST MEMBERS REMOVE group id

import HoldfastWire

/// What an operator asks about members. Numbers are as they came, in the range of their kind.
package enum MembersCommand: Hashable, Sendable {
    case list
    case add(group: UInt16, id: UInt64, contact: [UInt8], MemberEntry)
    case promote(group: UInt16, id: UInt64)
    case remove(group: UInt16, id: UInt64)
}

/// As what a new member comes in.
package enum MemberEntry: Hashable, Sendable {
    /// It becomes a voter once it has caught up, in the place of another where one is named.
    case voter(replacing: UInt64?)
    /// It stays a learner until it is promoted.
    case learner
}

extension RequestReader {
    func members(_ frame: RequestFrame) throws(RequestError) -> MembersCommand {
        if frame.equals(2, "LIST") {
            guard frame.count == 3 else { throw .arity("holdfast|members|list") }
            return .list
        }
        if frame.equals(2, "ADD") { return try addMember(frame) }
        if frame.equals(2, "PROMOTE") {
            guard frame.count == 5 else { throw .arity("holdfast|members|promote") }
            return .promote(group: try group(frame, 3), id: try nodeID(frame, 4))
        }
        if frame.equals(2, "REMOVE") {
            guard frame.count == 5 else { throw .arity("holdfast|members|remove") }
            return .remove(group: try group(frame, 3), id: try nodeID(frame, 4))
        }
        let name = Self.prefix(frame, 2, 128)
        throw RequestError(
            "ERR unknown subcommand '\(name)'. Try LIST, ADD, PROMOTE or REMOVE."
        )
    }

    private func addMember(_ frame: RequestFrame) throws(RequestError) -> MembersCommand {
        guard frame.count >= 6 else { throw .arity("holdfast|members|add") }
        var entry = MemberEntry.voter(replacing: nil)
        if frame.count == 7, frame.equals(6, "LEARNER") {
            entry = .learner
        } else if frame.count == 8, frame.equals(6, "REPLACES") {
            entry = .voter(replacing: try nodeID(frame, 7))
        } else if frame.count > 6 {
            throw .syntax
        }
        let group = try group(frame, 3)
        let id = try nodeID(frame, 4)
        return .add(group: group, id: id, contact: frame.bytes(5), entry)
    }

    func group(_ frame: RequestFrame, _ place: Int) throws(RequestError) -> UInt16 {
        guard let group = UInt16(exactly: try integer(frame, place)) else { throw .notInteger }
        return group
    }

    /// Ids begin at 1.
    private func nodeID(_ frame: RequestFrame, _ place: Int) throws(RequestError) -> UInt64 {
        let id = try integer(frame, place)
        guard (1...Int64(RequestBounds.nodeIDMax)).contains(id) else { throw .notInteger }
        return UInt64(id)
    }
}
