// What a client's request asks for, after reading and before anything is done about it. Three
// kinds, told apart by who can answer:
//
//   local    the node itself, at once: PING, HELLO, CLUSTER ...
//   keyed    one shard group: a write (through the log), a read, or a validate
//   spread   several groups: a command with many keys, DBSIZE, SCAN
//
// In: `RequestReader`. Out: the server routes by the slot; `render` writes the answer. No byte of a
// secret is in here, but for the ids that a CREATE or a ROTATE hands out, and the old one of a
// ROTATE.

package import HoldfastWire
package import SessionMachine

/// A request that was read without an error.
package enum Operation: Sendable {
    case local(LocalCommand)
    case keyed(KeyedOperation)
    case spread(SpreadOperation)
}

/// What one group can answer.
package struct KeyedOperation: Sendable {
    package var slot: UInt16
    package var action: Action

    package init(slot: UInt16, action: Action) {
        self.slot = slot
        self.action = action
    }

    /// Reads may overtake reads, and writes may follow writes without waiting; but neither may
    /// overtake the other on one connection.
    package var isWrite: Bool {
        if case .write = action { return true }
        return false
    }
}

/// What a group is asked to do.
package enum Action: Sendable {
    case write(Command, WriteReply)
    case read(ReadAction)
    case validate(ValidateAction)
    /// A snapshot with all that was acknowledged before.
    case backup
}

/// How the outcome of a write becomes a reply.
package enum WriteReply: Sendable {
    /// SET and its relatives: OK, or null where the condition failed.
    case status
    /// SETNX: 1 or 0.
    case stored
    case integer
    /// The old value, or null.
    case value
    /// `SESSION CREATE`: shows the id, as `ROTATE` does.
    case created(SessionID)
    /// `SESSION RENEW`.
    case renewed
    /// `SESSION ROTATE`: shows the id as `CREATE` does. Boxed: few writes are rotations.
    indirect case rotated(RotationReply)
    /// `SESSION SET`, `UNSET`, `TAKE`, `LOCK` and `UNLOCK`: null where there is no such session any
    /// more.
    case field
    /// `SESSION REVOKE` and `REVOKEALL`.
    case revoked
}

/// A read of one group.
package enum ReadAction: Sendable {
    case get(Key)
    case getMany([Key])
    case exists([Key])
    case length(Key)
    case type(Key)
    case timeToLive(Key, TimeUnit)
    case list(subject: [UInt8])
    /// DBSIZE of one group.
    case count
    /// One page of one group's keys.
    case scan(ScanAction)
}

package enum TimeUnit: Sendable {
    case seconds
    case milliseconds
}

/// SCAN within one group.
package struct ScanAction: Sendable {
    /// The position in the group; 0 at its start.
    package var position: UInt64
    package var count: Int
    package var pattern: GlobPattern?
    /// False where TYPE names a type that nothing here has.
    package var isTypeMatched: Bool
}

/// `SESSION VALIDATE` and `GET`.
package struct ValidateAction: Sendable {
    package var handle: SessionHandle
    package var digest: SecretDigest
    package var purpose: ValidatePurpose
    package var fields: FieldSelection
    package var reply: ValidateReply
}

/// How a look at a session becomes a reply.
package enum ValidateReply: Sendable {
    /// `SESSION VALIDATE`: what the id is worth, and the fields that were asked for.
    case status
    /// `SESSION GET`: the fields alone; null where the session is not valid.
    case fields
}

/// Which fields of a session a reply shows.
package enum FieldSelection: Sendable {
    case none
    case all
    case named([[UInt8]])
}

/// A request that several groups may have to answer.
package enum SpreadOperation: Sendable {
    /// DEL, UNLINK, EXISTS, MGET: each key to its group.
    case keys(MultiKeyCommand, [Key])
    case count
    case scan(ScanCursor, ScanAction)
}

/// The commands that take any number of keys.
package enum MultiKeyCommand: Sendable {
    case delete
    case exists
    case get

    /// The word that asks a single group for its part.
    package var name: String {
        switch self {
        case .delete: "DEL"
        case .exists: "EXISTS"
        case .get: "MGET"
        }
    }

    /// The same question to one group.
    package func action(_ keys: [Key]) -> Action {
        switch self {
        case .delete: .write(.delete(keys), .integer)
        case .exists: .read(.exists(keys))
        case .get: .read(.getMany(keys))
        }
    }
}

/// A SCAN cursor: which group, and where in it. 0 is the start of the first group, and after the
/// last group the cursor is 0 again.
///
///     bit 63: 0 | bit 62: this group only | bits 32...47: group | bits 0...31: position
package struct ScanCursor: Sendable, Equatable {
    package var group: Int
    package var position: UInt64
    /// Set by a node that scans a group on another node's behalf.
    package var isSingleGroup: Bool

    package init(group: Int, position: UInt64, isSingleGroup: Bool = false) {
        self.group = group
        self.position = position
        self.isSingleGroup = isSingleGroup
    }

    /// Nil for a number that no cursor has.
    package init?(rawValue: UInt64) {
        guard rawValue >> 48 & ~0x4000 == 0 else { return nil }
        group = Int(rawValue >> 32 & 0xffff)
        position = rawValue & 0xffff_ffff
        isSingleGroup = rawValue >> 62 & 1 == 1
    }

    package var rawValue: UInt64 {
        (isSingleGroup ? 1 << 62 : 0) | UInt64(group) << 32 | position
    }
}

/// A request that the node answers by itself.
package enum LocalCommand: Sendable {
    case ping([UInt8]?)
    case echo([UInt8])
    case hello(HelloRequest)
    case select(Int64)
    case client(ClientCommand)
    case quit
    case reset
    case info([String])
    case command(CommandQuestion)
    case configGet([GlobPattern])
    case role
    case time
    /// READONLY and READWRITE: every node reads linearizably, so there is nothing to switch.
    case readMode
    case cluster(ClusterQuestion)
    case members(MembersCommand)
    case backup(BackupCommand)
}

package struct HelloRequest: Sendable {
    package var version: RESPVersion?
    /// The protocol version asked for is none that we speak.
    package var isVersionUnknown = false
    package var wantsAuth = false
    package var name: [UInt8]?
}

package enum ClientCommand: Sendable {
    case id
    case name
    case setName([UInt8])
    /// SETINFO, NO-EVICT, NO-TOUCH: taken note of, without effect here.
    case accepted
    case info
    case list
}

package enum CommandQuestion: Sendable {
    case all
    case count
    case info([String])
    case docs([String])
    case list
}

package enum ClusterQuestion: Sendable {
    case slots
    case shards
    case nodes
    case info
    case myID
    case keySlot([UInt8])
}
