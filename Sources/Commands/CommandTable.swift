// Every command that a client may send, in one table: what COMMAND answers, and what the reader
// checks first. A command that is not here does not exist.

/// What Redis clients want to know of a command.
package struct CommandSpec: Sendable {
    /// In lower case.
    package var name: String
    /// Words with the name itself; negative: at least so many.
    package var arity: Int
    package var flags: [String]
    /// Where the keys stand: first, last (negative: from the end) and step; 0 for none.
    package var keys: (first: Int, last: Int, step: Int)
    package var group: String
    package var summary: String

    init(
        _ name: String,
        _ arity: Int,
        _ flags: [String],
        keys: (first: Int, last: Int, step: Int) = (0, 0, 0),
        _ group: String,
        _ summary: String
    ) {
        self.name = name
        self.arity = arity
        self.flags = flags
        self.keys = keys
        self.group = group
        self.summary = summary
    }

    package func allows(_ words: Int) -> Bool { arity >= 0 ? words == arity : words >= -arity }
}

/// A command's name in upper case, up to sixteen bytes in two words: found without an allocation.
package struct CommandName: Hashable, Sendable {
    private var high: UInt64 = 0
    private var low: UInt64 = 0

    /// Nil for a name longer than any command's.
    package init?(_ bytes: some Sequence<UInt8>) {
        var count = 0
        for byte in bytes {
            guard count < 16 else { return nil }
            let upper = byte >= 0x61 && byte <= 0x7a ? byte & ~0x20 : byte
            high = high << 8 | low >> 56
            low = low << 8 | UInt64(upper)
            count += 1
        }
    }
}

package enum CommandTable {
    package static let all: [CommandSpec] = strings + keyspace + sessions + connection + server

    /// The place in `all` of each name.
    static let places: [CommandName: Int] = {
        var places: [CommandName: Int] = [:]
        for (place, spec) in all.enumerated() {
            guard let name = CommandName(spec.name.utf8) else { continue }
            places[name] = place
        }
        return places
    }()

    package static func spec(named name: String) -> CommandSpec? {
        CommandName(name.utf8).flatMap { places[$0] }.map { all[$0] }
    }

    private static let one = (first: 1, last: 1, step: 1)
    private static let many = (first: 1, last: -1, step: 1)

    private static let strings: [CommandSpec] = [
        .init("get", 2, ["readonly", "fast"], keys: one, "string", "The value of a key."),
        .init("set", -3, ["write", "denyoom"], keys: one, "string", "Sets a key's value."),
        .init("setex", 4, ["write", "denyoom"], keys: one, "string", "Sets value and seconds."),
        .init("psetex", 4, ["write", "denyoom"], keys: one, "string", "Sets value and ms."),
        .init("setnx", 3, ["write", "denyoom", "fast"], keys: one, "string", "Sets a new key."),
        .init("getex", -2, ["write", "fast"], keys: one, "string", "Reads, sets the expiry."),
        .init("getdel", 2, ["write", "fast"], keys: one, "string", "Reads and deletes."),
        .init("strlen", 2, ["readonly", "fast"], keys: one, "string", "Bytes of a value."),
        .init("mget", -2, ["readonly", "fast"], keys: many, "string", "Values of several keys."),
    ]

    private static let keyspace: [CommandSpec] = [
        .init("del", -2, ["write"], keys: many, "generic", "Deletes keys."),
        .init("unlink", -2, ["write", "fast"], keys: many, "generic", "Deletes keys."),
        .init("exists", -2, ["readonly", "fast"], keys: many, "generic", "Counts keys."),
        .init("expire", -3, ["write", "fast"], keys: one, "generic", "Expiry in seconds."),
        .init("pexpire", -3, ["write", "fast"], keys: one, "generic", "Expiry in ms."),
        .init("expireat", -3, ["write", "fast"], keys: one, "generic", "Expiry at a second."),
        .init("pexpireat", -3, ["write", "fast"], keys: one, "generic", "Expiry at a ms."),
        .init("ttl", 2, ["readonly", "fast"], keys: one, "generic", "Seconds left."),
        .init("pttl", 2, ["readonly", "fast"], keys: one, "generic", "Milliseconds left."),
        .init("persist", 2, ["write", "fast"], keys: one, "generic", "Removes the expiry."),
        .init("type", 2, ["readonly", "fast"], keys: one, "generic", "The type of a value."),
        .init("scan", -2, ["readonly"], "generic", "Walks over the keys."),
        .init("dbsize", 1, ["readonly", "fast"], "server", "How many keys there are."),
    ]

    private static let sessions: [CommandSpec] = [
        .init(
            "session",
            -3,
            ["write", "denyoom"],
            keys: (2, 2, 1),
            "session",
            sessionCommands.joined(separator: ", ") + "."
        )
    ]

    /// What may follow SESSION.
    static let sessionCommands = [
        "CREATE", "VALIDATE", "RENEW", "ROTATE", "REVOKE", "REVOKEALL", "LIST", "GET", "SET",
        "UNSET", "TAKE", "LOCK", "UNLOCK",
    ]

    private static let connection: [CommandSpec] = [
        .init("ping", -1, ["fast"], "connection", "Answers PONG."),
        .init("echo", 2, ["fast"], "connection", "Answers its argument."),
        .init("hello", -1, ["noauth", "fast"], "connection", "Sets the protocol version."),
        .init("select", 2, ["fast"], "connection", "There is one database, number 0."),
        .init("client", -2, [], "connection", "ID, GETNAME, SETNAME, SETINFO, INFO, LIST."),
        .init("quit", -1, ["noauth", "fast"], "connection", "Closes the connection."),
        .init("reset", 1, ["noauth", "fast"], "connection", "Starts the connection over."),
        .init("readonly", 1, ["fast"], "cluster", "Accepted: reads are always current."),
        .init("readwrite", 1, ["fast"], "cluster", "Accepted: reads are always current."),
    ]

    private static let server: [CommandSpec] = [
        .init("info", -1, ["loading", "stale"], "server", "About this node."),
        .init("command", -1, ["loading", "stale"], "server", "About the commands."),
        .init("config", -2, ["admin", "loading"], "server", "GET only."),
        .init("role", 1, ["fast"], "server", "The role of this node."),
        .init("time", 1, ["fast"], "server", "The time of this node."),
        .init("holdfast", -3, ["admin", "stale"], "server", "MEMBERS, BACKUP."),
        .init("cluster", -2, ["stale"], "cluster", "SLOTS, SHARDS, NODES, INFO, MYID, KEYSLOT."),
    ]
}
