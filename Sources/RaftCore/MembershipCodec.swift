// A membership as bytes: the same in the log, on the wire and in a snapshot, which is why the core
// has it though it knows no other format. Little-endian, fixed widths.
//
//     version u8 (1) | highest id u64 | count u8
//     each member:  id u64 | role u8 | replaces u64 (0: nobody) | contact length u16 | contact

extension Membership {
    private static let formatVersion: UInt8 = 1
    private static let headerBytes = 10
    private static let memberBytes = 19

    /// The length of `encoded`.
    package var encodedBytes: Int {
        members.reduce(Self.headerBytes) { $0 + Self.memberBytes + $1.contact.count }
    }

    package var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.formatVersion]
        bytes.reserveCapacity(encodedBytes)
        Self.append(highestID.rawValue, to: &bytes)
        bytes.append(UInt8(members.count))
        for member in members {
            Self.append(member.id.rawValue, to: &bytes)
            bytes.append(member.role.rawValue)
            Self.append(member.replaces?.rawValue ?? 0, to: &bytes)
            bytes.append(UInt8(truncatingIfNeeded: member.contact.count))
            bytes.append(UInt8(truncatingIfNeeded: member.contact.count >> 8))
            bytes.append(contentsOf: member.contact)
        }
        return bytes
    }

    /// Nil where the bytes are not a membership: they may come from a disk or a peer.
    package init?(encoded bytes: ArraySlice<UInt8>) {
        var rest = bytes
        guard rest.popFirst() == Self.formatVersion, let highest = Self.takeWord(&rest),
            let count = rest.popFirst(), count <= Limits.membersMax
        else { return nil }
        var members: [Member] = []
        for _ in 0..<count {
            guard let member = Self.takeMember(&rest) else { return nil }
            if let last = members.last, last.id >= member.id { return nil }
            members.append(member)
        }
        guard rest.isEmpty, members.last.map({ $0.id.rawValue <= highest }) ?? true else {
            return nil
        }
        self.init(members: members, highestID: NodeID(highest))
    }

    private static func takeMember(_ rest: inout ArraySlice<UInt8>) -> Member? {
        guard let id = takeWord(&rest), id > 0, let role = rest.popFirst().flatMap(MemberRole.init),
            let replaces = takeWord(&rest), let low = rest.popFirst(), let high = rest.popFirst()
        else { return nil }
        let length = Int(low) | Int(high) << 8
        guard length <= Limits.contactBytesMax, rest.count >= length else { return nil }
        let contact = Array(rest.prefix(length))
        rest.removeFirst(length)
        return Member(
            id: NodeID(id),
            role: role,
            replaces: replaces == 0 ? nil : NodeID(replaces),
            contact: contact
        )
    }

    private static func append(_ word: UInt64, to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: 64, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
        }
    }

    private static func takeWord(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        guard rest.count >= 8 else { return nil }
        var word: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 8) {
            guard let byte = rest.popFirst() else { return nil }
            word |= UInt64(byte) << UInt64(shift)
        }
        return word
    }
}
