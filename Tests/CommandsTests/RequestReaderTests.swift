// Requests to operations: what is taken, and the error texts of Redis 7.0 for what is not.

import Commands
import HoldfastWire
import SessionMachine
import Testing

/// Ids from a counter, digests from the first bytes: the tests need no cryptography.
struct PlainSecrets: SessionSecrets {
    var minted: UInt8 = 0

    func digest(ofSecret bytes: [UInt8]) -> SecretDigest {
        SecretDigest(UInt64(bytes[0]), UInt64(bytes[1]), UInt64(bytes[2]), UInt64(bytes[3]))
    }

    mutating func mint(slot: UInt16) -> SessionID {
        minted &+= 1
        let bytes = [UInt8](repeating: minted, count: SessionID.randomByteCount)
        return SessionID.mint(randomBytes: bytes, slot: slot)
    }

    mutating func mintRequest() -> RequestID {
        minted &+= 1
        guard let request = RequestID(rawValue: 1 + UInt64(minted)) else {
            preconditionFailure("above 0")
        }
        return request
    }

    mutating func seal(_ new: SessionID, for old: SessionID) -> [UInt8] { old.secret + new.secret }

    func open(_ sealed: [UInt8], of handle: SessionHandle, for old: SessionID) -> SessionID? {
        guard sealed.starts(with: old.secret) else { return nil }
        let secret = sealed.dropFirst(old.secret.count)
        return SessionID(parsing: Array(handle.text.utf8) + [UInt8(ascii: ".")] + secret)
    }
}

func frame(_ words: String...) -> RequestFrame {
    RequestFrame(arguments: words.map { Array($0.utf8) })
}

func read(_ frame: RequestFrame) throws(RequestError) -> Operation {
    var reader = RequestReader(
        secrets: PlainSecrets(),
        bounds: RequestBounds(valueBytesMax: 1_024)
    )
    return try reader.read(frame)
}

/// The error that a line of words gets; nil where it is taken.
func refusal(_ line: String) -> String? {
    let words = line.split(separator: " ", omittingEmptySubsequences: false)
    do {
        _ = try read(RequestFrame(arguments: words.map { Array($0.utf8) }))
        return nil
    } catch {
        return error.text
    }
}

@Suite("Reading requests")
struct RequestReaderTests {
    @Test(
        "mistakes get the words of Redis 7.0",
        arguments: [
            ("FOO", "ERR unknown command 'FOO', with args beginning with: "),
            ("foo a b", "ERR unknown command 'foo', with args beginning with: 'a' 'b' "),
            ("GET", "ERR wrong number of arguments for 'get' command"),
            ("get a b", "ERR wrong number of arguments for 'get' command"),
            ("SET a", "ERR wrong number of arguments for 'set' command"),
            ("SET a b NX XX", "ERR syntax error"),
            ("SET a b EX", "ERR syntax error"),
            ("SET a b EX x", "ERR value is not an integer or out of range"),
            ("SET a b EX 0", "ERR invalid expire time in 'set' command"),
            ("SET a b EX -1", "ERR invalid expire time in 'set' command"),
            ("SET a b EX 9223372036854775807", "ERR invalid expire time in 'set' command"),
            ("SET a b EX 1 PX 1", "ERR syntax error"),
            ("SET a b EX 1 KEEPTTL", "ERR syntax error"),
            ("SETEX a 0 b", "ERR invalid expire time in 'setex' command"),
            ("PSETEX a x b", "ERR value is not an integer or out of range"),
            ("GETEX a PERSIST EX 1", "ERR syntax error"),
            ("EXPIRE a 1 ZZ", "ERR Unsupported option ZZ"),
            (
                "EXPIRE a 1 NX GT",
                "ERR NX and XX, GT or LT options at the same time are not compatible"
            ),
            ("EXPIRE a 1 GT LT", "ERR GT and LT options at the same time are not compatible"),
            ("EXPIRE a 99999999999999999", "ERR invalid expire time in 'expire' command"),
            ("SCAN x", "ERR invalid cursor"),
            ("SCAN 18446744073709551615", "ERR invalid cursor"),
            ("SCAN 0 COUNT 0", "ERR syntax error"),
            ("SCAN 0 MATCH", "ERR syntax error"),
            ("CLIENT FOO", "ERR unknown subcommand 'FOO'. Try CLIENT HELP."),
            ("CLUSTER KEYSLOT", "ERR wrong number of arguments for 'cluster|keyslot' command"),
            ("CONFIG SET a b", "ERR unknown subcommand 'SET'. Try CONFIG HELP."),
            ("HELLO x", "ERR Protocol version is not an integer or out of range"),
            ("PING a b", "ERR wrong number of arguments for 'ping' command"),
            ("SESSION VALIDATE abc", "ERR not a session id"),
            ("SESSION CREATE alice IDLE", "ERR syntax error"),
            ("SESSION CREATE alice TTL 0", "ERR TTL must be 1 to 3162240000 seconds"),
            ("SESSION CREATE alice AAL 4", "ERR AAL must be 1, 2 or 3"),
            ("SESSION CREATE alice MAX 1 DROP", "ERR syntax error"),
            ("SESSION CREATE alice SET a", "ERR syntax error"),
            ("SESSION CREATE alice SET a 1 a 2", "ERR a field is set twice; name each once"),
            ("SESSION REVOKE abc", "ERR not a session id"),
            ("SESSION GET abc", "ERR not a session id"),
            ("SESSION SET abc a 1", "ERR not a session id"),
            ("SESSION TAKE abc a", "ERR not a session id"),
            ("SESSION ROTATE abc", "ERR not a session id"),
            ("SESSION LIST a b", "ERR wrong number of arguments for 'session|list' command"),
        ]
    )
    func mistakes(line: String, error: String) {
        #expect(refusal(line) == error)
    }

    @Test(
        "what Redis clients send is taken",
        arguments: [
            "get a", "SET a b", "set a b nx ex 10 get", "SET a b KEEPTTL", "SETNX a b",
            "GETEX a", "GETEX a EXAT 1", "GETDEL a", "MGET a b", "DEL a b c", "UNLINK a",
            "EXISTS a a", "EXPIRE a -1", "EXPIRE a 1 XX LT", "PEXPIREAT a 1", "TTL a", "PTTL a",
            "PERSIST a", "TYPE a", "STRLEN a", "SCAN 0 MATCH a* COUNT 100 TYPE string", "DBSIZE",
            "PING", "PING a", "ECHO a", "HELLO 3", "HELLO 3 AUTH a b SETNAME c", "SELECT 0",
            "CLIENT ID", "CLIENT SETNAME a", "CLIENT SETINFO LIB-NAME a", "QUIT", "RESET", "INFO",
            "INFO server clients", "COMMAND", "COMMAND COUNT", "COMMAND INFO get",
            "COMMAND DOCS get", "CONFIG GET save appendonly", "ROLE", "TIME", "READONLY",
            "READWRITE", "CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES", "CLUSTER INFO",
            "CLUSTER MYID", "CLUSTER KEYSLOT a", "SESSION CREATE alice",
            "SESSION CREATE alice IDLE 60 TTL 600 IP 1.2.3.4 AAL 2 MAX 3 EVICT SET a 1 b 2",
            "SESSION LIST alice", "SESSION REVOKEALL alice REASON stolen BY admin",
        ]
    )
    func taken(line: String) {
        #expect(refusal(line) == nil)
    }

    @Test("keys, values and subjects over their bounds are refused with the bound")
    func bounds() {
        let key = String(repeating: "k", count: RequestBounds.keyBytesMax + 1)
        #expect(refusal("GET \(key)") == "ERR key is longer than 4096 bytes")
        #expect(refusal("GET \(key.dropLast())") == nil)
        let value = String(repeating: "v", count: 1_025)
        #expect(
            refusal("SET a \(value)") == "ERR value is longer than 1024 bytes (limits.value-bytes)"
        )
        #expect(refusal("SET a \(value.dropLast())") == nil)
        let subject = String(repeating: "s", count: RequestBounds.subjectBytesMax + 1)
        #expect(refusal("SESSION CREATE \(subject)") == "ERR a subject has 1 to 1024 bytes")
        #expect(refusal("SESSION CREATE ") == "ERR a subject has 1 to 1024 bytes")
        let field = String(repeating: "f", count: RequestBounds.sessionBytesMax)
        #expect(
            refusal("SESSION CREATE a SET f \(field)")
                == "ERR a session has at most 65536 bytes with its fields"
        )
    }

    @Test("an id goes to its subject's slot, and another subject's id is refused")
    func ids() throws {
        var secrets = PlainSecrets()
        let id = secrets.mint(slot: HashSlot.of(Array("alice".utf8)))
        guard case .keyed(let create) = try read(frame("SESSION", "CREATE", "alice", "ID", id.text))
        else {
            Issue.record("a create has a key")
            return
        }
        #expect(create.slot == HashSlot.of(Array("alice".utf8)))
        #expect(create.isWrite)
        #expect(
            refusal("SESSION CREATE bob ID \(id.text)")
                == "ERR the id was not made for this subject"
        )
        guard case .keyed(let validate) = try read(frame("SESSION", "VALIDATE", id.text)),
            case .validate(let action) = validate.action
        else {
            Issue.record("a validate is a validate")
            return
        }
        #expect(validate.slot == create.slot)
        #expect(action.handle == id.handle)
        #expect(action.purpose == .use)
    }

    @Test("random words never trap")
    func garbage() {
        var state: UInt64 = 42
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let names = CommandTable.all.map(\.name)
        let words = ["", "NX", "EX", "0", "-1", "9223372036854775807", "ID", "SET", "a", "MAX"]
        let subcommands = ["CREATE", "VALIDATE", "RENEW", "REVOKE", "REVOKEALL", "LIST", "GET"]
        var refused = 0
        for _ in 0..<20_000 {
            var line = [names[next(names.count)]]
            if next(2) == 0 { line.append(subcommands[next(subcommands.count)]) }
            for _ in 0..<next(8) { line.append(words[next(words.count)]) }
            if refusal(line.joined(separator: " ")) != nil { refused += 1 }
        }
        #expect((10_000..<20_000).contains(refused), "\(refused) of 20,000 were refused")
    }

    private func members(_ line: String) throws -> MembersCommand? {
        let words = line.split(separator: " ").map { Array($0.utf8) }
        guard case .local(.members(let command)) = try read(RequestFrame(arguments: words)) else {
            return nil
        }
        return command
    }

    @Test("an operator's commands about members are read as they are documented")
    func members() throws {
        let contact = Array("c".utf8)
        #expect(try members("HOLDFAST MEMBERS LIST") == .list)
        #expect(
            try members("holdfast members add 3 7 c")
                == .add(group: 3, id: 7, contact: contact, .voter(replacing: nil))
        )
        #expect(
            try members("HOLDFAST MEMBERS ADD 3 7 c LEARNER")
                == .add(group: 3, id: 7, contact: contact, .learner)
        )
        #expect(
            try members("HOLDFAST MEMBERS ADD 3 7 c REPLACES 2")
                == .add(group: 3, id: 7, contact: contact, .voter(replacing: 2))
        )
        #expect(try members("HOLDFAST MEMBERS PROMOTE 0 7") == .promote(group: 0, id: 7))
        #expect(try members("HOLDFAST MEMBERS REMOVE 65535 7") == .remove(group: 65_535, id: 7))
        #expect(
            try members("HOLDFAST MEMBERS REMOVE 0 1000000000")
                == .remove(group: 0, id: 1_000_000_000)
        )
    }

    @Test("the steps of a backup are read as they are documented")
    func backup() throws {
        func backup(_ line: String) throws -> BackupCommand? {
            let words = line.split(separator: " ").map { Array($0.utf8) }
            guard case .local(.backup(let command)) = try read(RequestFrame(arguments: words))
            else { return nil }
            return command
        }
        #expect(try backup("HOLDFAST BACKUP CUT 3") == .cut(group: 3))
        #expect(
            try backup("holdfast backup read 65535 7 9 4194304")
                == .read(group: 65_535, term: 7, index: 9, offset: 4_194_304, tag: nil)
        )
        #expect(
            try backup("HOLDFAST BACKUP READ 0 7 9 1 4294967295")
                == .read(group: 0, term: 7, index: 9, offset: 1, tag: 4_294_967_295)
        )
        let notInteger = "ERR value is not an integer or out of range"
        #expect(refusal("HOLDFAST BACKUP CUT 65536") == notInteger)
        #expect(refusal("HOLDFAST BACKUP READ 1 -1 0 0") == notInteger)
        #expect(refusal("HOLDFAST BACKUP READ 1 1 x 0") == notInteger)
        #expect(
            refusal("HOLDFAST BACKUP READ 1 1 0")
                == "ERR wrong number of arguments for 'holdfast|backup|read' command"
        )
        #expect(
            refusal("HOLDFAST BACKUP CUT")
                == "ERR wrong number of arguments for 'holdfast|backup|cut' command"
        )
        #expect(
            refusal("HOLDFAST BACKUP DANCE") == "ERR unknown subcommand 'DANCE'. Try CUT or READ."
        )
    }

    @Test(
        "and no others",
        arguments: [
            ("HOLDFAST MEMBERS", "ERR wrong number of arguments for 'holdfast' command"),
            ("HOLDFAST DANCE x", "ERR unknown subcommand 'DANCE'. Try HOLDFAST MEMBERS LIST."),
            (
                "HOLDFAST MEMBERS DANCE",
                "ERR unknown subcommand 'DANCE'. Try LIST, ADD, PROMOTE or REMOVE."
            ),
            (
                "HOLDFAST MEMBERS LIST x",
                "ERR wrong number of arguments for 'holdfast|members|list' command"
            ),
            (
                "HOLDFAST MEMBERS ADD 1 2",
                "ERR wrong number of arguments for 'holdfast|members|add' command"
            ),
            ("HOLDFAST MEMBERS ADD 1 2 c x", "ERR syntax error"),
            ("HOLDFAST MEMBERS ADD 1 2 c LEARNER REPLACES 1", "ERR syntax error"),
            ("HOLDFAST MEMBERS ADD 1 2 c REPLACES", "ERR syntax error"),
            ("HOLDFAST MEMBERS ADD 65536 2 c", "ERR value is not an integer or out of range"),
            ("HOLDFAST MEMBERS ADD -1 2 c", "ERR value is not an integer or out of range"),
            ("HOLDFAST MEMBERS REMOVE 1 0", "ERR value is not an integer or out of range"),
            ("HOLDFAST MEMBERS REMOVE 1 -5", "ERR value is not an integer or out of range"),
            ("HOLDFAST MEMBERS PROMOTE 1 x", "ERR value is not an integer or out of range"),
            (
                "HOLDFAST MEMBERS ADD 1 1000000001 c", "ERR value is not an integer or out of range"
            ),
            (
                "HOLDFAST MEMBERS ADD 1 2 c REPLACES 1000000001",
                "ERR value is not an integer or out of range"
            ),
            (
                "HOLDFAST MEMBERS REMOVE 1 1000000001",
                "ERR value is not an integer or out of range"
            ),
        ]
    )
    func noMembers(line: String, text: String) {
        #expect(refusal(line) == text)
    }

    // MARK: Fields and rotation

    private static func sessionID(_ byte: UInt8, slot: UInt16 = 7) -> SessionID {
        let random = [UInt8](repeating: byte, count: SessionID.randomByteCount)
        return SessionID.mint(randomBytes: random, slot: slot)
    }

    @Test(
        "mistakes in what follows a session's id",
        arguments: [
            ("SET ID", "ERR wrong number of arguments for 'session|set' command"),
            ("SET ID a", "ERR syntax error"),
            ("SET ID REQ 1", "ERR wrong number of arguments for 'session|set' command"),
            ("SET ID REQ 0 a 1", "ERR REQ must be above 0"),
            ("SET ID IFVERSION -1 a 1", "ERR IFVERSION must be 0 or more"),
            ("SET ID IFVERSION x a 1", "ERR value is not an integer or out of range"),
            ("SET ID a 1 a 2", "ERR a field is set twice; name each once"),
            ("UNSET ID", "ERR wrong number of arguments for 'session|unset' command"),
            ("TAKE ID", "ERR wrong number of arguments for 'session|take' command"),
            ("TAKE ID a b", "ERR wrong number of arguments for 'session|take' command"),
            ("LOCK ID", "ERR wrong number of arguments for 'session|lock' command"),
            ("LOCK ID 0", "ERR a lock is held for 1 to 600000 ms"),
            ("LOCK ID 600001", "ERR a lock is held for 1 to 600000 ms"),
            ("LOCK ID 1 RQ 1", "ERR syntax error"),
            ("LOCK ID 1 REQ 0", "ERR REQ must be above 0"),
            ("UNLOCK ID", "ERR wrong number of arguments for 'session|unlock' command"),
            ("UNLOCK ID 0", "ERR a fencing number is above 0"),
            ("ROTATE ID GRACE", "ERR syntax error"),
            ("ROTATE ID GRACE 601", "ERR GRACE must be 0 to 600 seconds"),
            ("ROTATE ID AAL 0", "ERR AAL must be 1, 2 or 3"),
            ("ROTATE ID ID x", "ERR not a session id"),
            ("ROTATE ID FOO 1", "ERR syntax error"),
        ]
    )
    func sessionMistakes(line: String, error: String) {
        let words = line.replacing(" ID", with: " " + Self.sessionID(1).text, maxReplacements: 1)
        #expect(refusal("SESSION " + words) == error)
    }

    @Test("options stand before the fields, each once: then any name is a field's")
    func fieldOptions() throws {
        let id = Self.sessionID(1).text
        let read = try read(
            frame("SESSION", "SET", id, "REQ", "5", "IFVERSION", "3", "REQ", "x", "IFVERSION", "y")
        )
        guard case .keyed(let operation) = read,
            case .write(.setFields(let set), .field) = operation.action
        else {
            Issue.record("not a set")
            return
        }
        #expect(operation.slot == 7)
        #expect(set.request == RequestID(rawValue: 5))
        #expect(set.ifVersion == 3)
        let names = set.fields.map { String(decoding: $0.name, as: UTF8.self) }
        #expect(names == ["REQ", "IFVERSION"])
    }

    @Test("a rotation's new id belongs to the same slot, and its secret is sealed")
    func rotation() throws {
        let old = Self.sessionID(1)
        let new = Self.sessionID(2)
        let read = try read(frame("SESSION", "ROTATE", old.text, "ID", new.text, "GRACE", "9"))
        guard case .keyed(let operation) = read,
            case .write(.rotate(let rotate), .rotated) = operation.action
        else {
            Issue.record("not a rotation")
            return
        }
        #expect(rotate.successor == SessionHandle128(new.handle))
        #expect(rotate.grace == .seconds(9))
        #expect(Array(rotate.sealedSecret) == old.secret + new.secret, "as the test's secrets seal")
        let stranger = Self.sessionID(3, slot: 8)
        #expect(
            refusal("SESSION ROTATE \(old.text) ID \(stranger.text)")
                == "ERR the new id is of another slot; mint it for the session's subject"
        )
    }
}
