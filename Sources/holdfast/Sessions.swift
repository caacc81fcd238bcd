// `holdfast session ...`: what an application does to sessions, for people and scripts. An id can
// be given as `-`: then it is read from standard input, where no list of processes shows it.
//
// It must never print an id but where one was given out: by `create` and `rotate`.

import ArgumentParser
import Glibc
import HoldfastClient
import HoldfastServer
import Logging

struct SessionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "session",
        abstract: "Logs in, validates, renews, rotates, lists and ends sessions.",
        discussion: """
            ID is a session's id, or - to read it from standard input, where no list of processes \
            shows it. Exit codes: 0 done, 1 the session is not valid or the call was refused, 64 \
            wrong arguments, 69 the cluster could not be asked.
            """,
        subcommands: [
            SessionCreate.self, SessionValidate.self, SessionRenew.self, SessionRotate.self,
            SessionRevoke.self, SessionRevokeAll.self, SessionList.self, SessionGet.self,
            SessionSet.self, SessionUnset.self, SessionTake.self,
        ]
    )
}

struct SessionOptionsGroup: ParsableArguments {
    @OptionGroup var cluster: ClusterOptions

    @Flag(help: "One JSON object or array instead of text.")
    var json = false

    /// Runs `body` with a client of the cluster.
    func run(_ body: (Sessions) async throws -> Void) async throws {
        let nodes = cluster.load().nodes.map { (host: $0.host, port: $0.clusterPort) }
        let logger = Logger(label: "session") { _ in SwiftLogNoOpLogHandler() }
        do {
            try await HoldfastClient.withClient(
                configuration: .init(seeds: nodes),
                logger: logger
            ) { try await body($0.sessions) }
        } catch let error as HoldfastError {
            complain("\(error)")
            throw ExitCode(error.code == .refused ? 1 : error.code == .invalidArgument ? 64 : 69)
        }
    }

    func show(_ report: Report) { print(json ? report.json : report.text) }
}

/// A session's id on the command line.
struct GivenToken: ExpressibleByArgument {
    private let text: String

    init?(argument: String) { text = argument }

    func token() throws -> SessionToken {
        let given = text == "-" ? readLine(strippingNewline: true) ?? "" : text
        guard let token = SessionToken(rawValue: given) else {
            throw ValidationError("not a session id; it has 69 characters, a dot in the middle")
        }
        return token
    }
}

// MARK: Logging in and out

struct SessionCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Logs a subject in, and prints the new session's id: the only time."
    )

    @OptionGroup var options: SessionOptionsGroup

    @Argument(help: "Whose session.")
    var subject: String

    @Option(help: "Seconds without use that end it; 0 for never.")
    var idle: Int?

    @Option(help: "Seconds that it lives at all.")
    var ttl: Int?

    @Option(help: "The holder's address, for lists.")
    var ip: String?

    @Option(help: "The holder's user agent, for lists.")
    var agent: String?

    @Option(help: "A label of the device, for lists.")
    var device: String?

    @Option(help: "Assurance level, 1 to 3.")
    var aal: Int?

    @Option(name: .customLong("field"), help: "NAME=VALUE; may be given again.")
    var fields: [NameAndValue] = []

    func run() async throws {
        var session = SessionOptions(
            idle: idle.map { .seconds($0) },
            lifetime: ttl.map { .seconds($0) }
        )
        session.ip = ip
        session.agent = agent
        session.device = device
        session.assurance = aal
        for field in fields { session.fields[field.name] = Array(field.value.utf8) }
        try await options.run { sessions in
            let made = try await sessions.create(for: subject, session)
            options.show(Report(made))
        }
    }
}

struct SessionRotate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Gives a session another id, and prints it."
    )

    @OptionGroup var options: SessionOptionsGroup

    @Argument(help: "The session's id, or -.")
    var id: GivenToken

    @Option(help: "Seconds for which the old id goes on.")
    var grace: Int?

    @Option(help: "The assurance level that is reached, 1 to 3.")
    var aal: Int?

    func run() async throws {
        let token = try id.token()
        try await options.run { sessions in
            let grace = grace.map { Duration.seconds($0) }
            switch try await sessions.rotate(token, grace: grace, assurance: aal) {
            case .rotated(let session): options.show(Report(session))
            case .expired: throw notValid("expired", options)
            case .revoked: throw notValid("revoked", options)
            case .unknown: throw notValid("unknown", options)
            }
        }
    }
}

struct SessionRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Ends a session for good, by its id or handle."
    )

    @OptionGroup var options: SessionOptionsGroup

    @Argument(help: "The session's id, its handle, or - to read one of them.")
    var name: String

    @Option(help: "Why.")
    var reason: String?

    @Option(help: "Who ends it.")
    var by: String?

    func run() async throws {
        let given = name == "-" ? readLine(strippingNewline: true) ?? "" : name
        let token = SessionToken(rawValue: given)
        guard let handle = token?.handle ?? SessionHandle(rawValue: given) else {
            throw ValidationError("neither a session id nor a handle")
        }
        try await options.run { sessions in
            // By the handle alone: nothing of the id has to travel.
            let isEnded = try await sessions.revoke(handle, reason: reason, by: by)
            options.show(Report([("ended", .number(isEnded ? 1 : 0))]))
        }
    }
}

struct SessionRevokeAll: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke-all",
        abstract: "Ends all sessions of a subject, but for one if so wished."
    )

    @OptionGroup var options: SessionOptionsGroup

    @Argument(help: "Whose sessions.")
    var subject: String

    @Option(help: "The handle of the one that goes on.")
    var except: String?

    @Option(help: "Why.")
    var reason: String?

    @Option(help: "Who ends them.")
    var by: String?

    func run() async throws {
        var kept: SessionHandle?
        if let except {
            guard let handle = SessionHandle(rawValue: except) else {
                throw ValidationError("--except is not a handle")
            }
            kept = handle
        }
        try await options.run { sessions in
            let count = try await sessions.revokeAll(
                of: subject,
                except: kept,
                reason: reason,
                by: by
            )
            options.show(Report([("ended", .number(Int64(count)))]))
        }
    }
}

// MARK: Looking

struct SessionValidate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Says what an id is worth. Exit code 0 when it is valid, else 1."
    )

    @OptionGroup var options: SessionOptionsGroup

    @Argument(help: "The session's id, or -.")
    var id: GivenToken

    @Flag(help: "Only look: the idle end stays where it is.")
    var noTouch = false

    func run() async throws {
        let token = try id.token()
        try await options.run { sessions in
            let answer = try await sessions.validate(token, touch: !noTouch, fields: .all)
            guard case .valid(let session) = answer else { throw notValid(answer, options) }
            options.show(Report(session))
        }
    }
}

struct SessionRenew: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew",
        abstract: "Puts a session's ends off, counted from now."
    )

    @OptionGroup var options: SessionOptionsGroup

    @Argument(help: "The session's id, or -.")
    var id: GivenToken

    @Option(help: "New seconds without use that end it; 0 for never.")
    var idle: Int?

    @Option(help: "New seconds that it lives at all.")
    var ttl: Int?

    func run() async throws {
        let token = try id.token()
        try await options.run { sessions in
            let renewal = try await sessions.renew(
                token,
                idle: idle.map { .seconds($0) },
                lifetime: ttl.map { .seconds($0) }
            )
            switch renewal {
            case .renewed(let state): options.show(Report(state))
            case .expired: throw notValid("expired", options)
            case .revoked: throw notValid("revoked", options)
            case .unknown: throw notValid("unknown", options)
            }
        }
    }
}

struct SessionList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists a subject's live sessions."
    )

    @OptionGroup var options: SessionOptionsGroup

    @Argument(help: "Whose sessions.")
    var subject: String

    func run() async throws {
        try await options.run { sessions in
            let reports = try await sessions.sessions(of: subject).map { Report($0) }
            if options.json {
                print("[" + reports.map(\.json).joined(separator: ",") + "]")
            } else {
                print(reports.map(\.text).joined(separator: "\n\n"))
            }
        }
    }
}
