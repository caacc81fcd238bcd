// The commands that the node answers by itself.

import HoldfastWire

extension RequestReader {
    func connection(
        _ name: String,
        _ frame: RequestFrame
    ) throws(RequestError) -> LocalCommand {
        switch name {
        case "ping":
            guard frame.count <= 2 else { throw .arity("ping") }
            return .ping(frame.count == 2 ? frame.bytes(1) : nil)
        case "echo": return .echo(frame.bytes(1))
        case "hello": return .hello(try hello(frame))
        case "select": return .select(try integer(frame, 1))
        case "client": return .client(try client(frame))
        case "quit": return .quit
        default: return .reset
        }
    }

    func server(_ name: String, _ frame: RequestFrame) throws(RequestError) -> Operation {
        switch name {
        case "dbsize": return .spread(.count)
        case "info":
            return .local(.info((1..<frame.count).map { frame.string($0).lowercased() }))
        case "command": return .local(.command(try command(frame)))
        case "config":
            guard frame.equals(1, "GET") else {
                throw Self.unknownSubcommand(frame, of: "CONFIG")
            }
            guard frame.count > 2 else { throw .arity("config|get") }
            return .local(
                .configGet(
                    (2..<frame.count).map { GlobPattern(frame.bytes($0), ignoringCase: true) }
                )
            )
        case "role": return .local(.role)
        case "time": return .local(.time)
        case "holdfast": return .local(try holdfast(frame))
        case "cluster": return .local(.cluster(try cluster(frame)))
        default: return .local(.readMode)
        }
    }

    private func holdfast(_ frame: RequestFrame) throws(RequestError) -> LocalCommand {
        if frame.equals(1, "MEMBERS") { return .members(try members(frame)) }
        if frame.equals(1, "BACKUP") { return .backup(try backup(frame)) }
        let name = Self.prefix(frame, 1, 128)
        throw RequestError("ERR unknown subcommand '\(name)'. Try HOLDFAST MEMBERS LIST.")
    }

    /// `HELLO [version [AUTH user password] [SETNAME name]]`
    private func hello(_ frame: RequestFrame) throws(RequestError) -> HelloRequest {
        var hello = HelloRequest()
        guard frame.count > 1 else { return hello }
        guard let version = frame.integer(1) else {
            throw RequestError("ERR Protocol version is not an integer or out of range")
        }
        hello.version = RESPVersion(rawValue: Int(version))
        hello.isVersionUnknown = hello.version == nil
        var place = 2
        while place < frame.count {
            if frame.equals(place, "AUTH"), place + 2 < frame.count {
                hello.wantsAuth = true
                place += 3
            } else if frame.equals(place, "SETNAME"), place + 1 < frame.count {
                hello.name = try clientName(frame, place + 1)
                place += 2
            } else {
                let word = Self.prefix(frame, place, 128)
                throw RequestError("ERR Syntax error in HELLO option '\(word)'")
            }
        }
        return hello
    }

    private func client(_ frame: RequestFrame) throws(RequestError) -> ClientCommand {
        let forms: [(word: StaticString, count: Int, command: ClientCommand)] = [
            ("ID", 2, .id), ("GETNAME", 2, .name), ("INFO", 2, .info),
            ("SETINFO", 4, .accepted), ("NO-EVICT", 3, .accepted), ("NO-TOUCH", 3, .accepted),
        ]
        if frame.equals(1, "LIST") { return .list }
        if frame.equals(1, "SETNAME") {
            guard frame.count == 3 else { throw .arity("client|setname") }
            return .setName(try clientName(frame, 2))
        }
        for form in forms where frame.equals(1, form.word) {
            guard frame.count == form.count else {
                throw .arity("client|\(form.word)".lowercased())
            }
            return form.command
        }
        throw Self.unknownSubcommand(frame, of: "CLIENT")
    }

    private func clientName(
        _ frame: RequestFrame,
        _ place: Int
    ) throws(RequestError) -> [UInt8] {
        let name = frame.bytes(place)
        guard name.count <= 256, name.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw RequestError(
                "ERR Client names cannot contain spaces, newlines or special characters."
            )
        }
        return name
    }

    private func command(_ frame: RequestFrame) throws(RequestError) -> CommandQuestion {
        guard frame.count > 1 else { return .all }
        let names = (2..<max(2, frame.count)).map { frame.string($0) }
        if frame.equals(1, "COUNT"), names.isEmpty { return .count }
        if frame.equals(1, "INFO") { return names.isEmpty ? .all : .info(names) }
        if frame.equals(1, "DOCS") { return .docs(names) }
        if frame.equals(1, "LIST"), names.isEmpty { return .list }
        throw Self.unknownSubcommand(frame, of: "COMMAND")
    }

    private func cluster(_ frame: RequestFrame) throws(RequestError) -> ClusterQuestion {
        if frame.equals(1, "KEYSLOT") {
            guard frame.count == 3 else { throw .arity("cluster|keyslot") }
            return .keySlot(frame.bytes(2))
        }
        let forms: [(word: StaticString, question: ClusterQuestion)] = [
            ("SLOTS", .slots), ("SHARDS", .shards), ("NODES", .nodes), ("INFO", .info),
            ("MYID", .myID),
        ]
        for form in forms where frame.equals(1, form.word) {
            guard frame.count == 2 else { throw .arity("cluster|\(form.word)".lowercased()) }
            return form.question
        }
        throw Self.unknownSubcommand(frame, of: "CLUSTER")
    }

    private static func unknownSubcommand(
        _ frame: RequestFrame,
        of command: String
    ) -> RequestError {
        RequestError(
            "ERR unknown subcommand '\(prefix(frame, 1, 128))'. Try \(command) HELP."
        )
    }
}
