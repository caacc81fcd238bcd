// `holdfast session get|set|unset|take`: what a session carries.

import ArgumentParser
import HoldfastClient

/// `NAME=VALUE` on the command line.
struct NameAndValue: ExpressibleByArgument {
    let name: String
    let value: String

    init?(argument: String) {
        guard let sign = argument.firstIndex(of: "="), sign > argument.startIndex else {
            return nil
        }
        name = String(argument[..<sign])
        value = String(argument[argument.index(after: sign)...])
    }
}

struct SessionGet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Prints the fields of a session."
    )

    @OptionGroup var options: SessionOptionsGroup

    @Argument(help: "The session's id, or -.")
    var id: GivenToken

    @Argument(help: "Which; all where none is named.")
    var names: [String] = []

    func run() async throws {
        let token = try id.token()
        try await options.run { sessions in
            let wanted = names.isEmpty ? nil : names
            guard let fields = try await sessions.fields(of: token, named: wanted) else {
                throw notValid("not valid", options)
            }
            options.show(Report(fields: fields))
        }
    }
}

struct SessionSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Sets fields of a session and leaves the others."
    )

    @OptionGroup var options: SessionOptionsGroup

    @Argument(help: "The session's id, or -.")
    var id: GivenToken

    @Argument(help: "NAME=VALUE ...")
    var fields: [NameAndValue]

    @Option(help: "Only where the session has this version.")
    var ifVersion: Int64?

    func run() async throws {
        let token = try id.token()
        var values: [String: [UInt8]] = [:]
        for field in fields { values[field.name] = Array(field.value.utf8) }
        try await options.run { sessions in
            let version = try await sessions.set(values, in: token, ifVersion: ifVersion)
            guard let version else { throw notValid("not valid", options) }
            options.show(Report([("version", .number(version))]))
        }
    }
}

struct SessionUnset: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unset",
        abstract: "Removes fields of a session."
    )

    @OptionGroup var options: SessionOptionsGroup

    @Argument(help: "The session's id, or -.")
    var id: GivenToken

    @Argument(help: "Which.")
    var names: [String]

    func run() async throws {
        let token = try id.token()
        try await options.run { sessions in
            guard let count = try await sessions.unset(names, in: token) else {
                throw notValid("not valid", options)
            }
            options.show(Report([("removed", .number(Int64(count)))]))
        }
    }
}

struct SessionTake: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "take",
        abstract: "Prints a field of a session and removes it. Exit code 1 where there is none."
    )

    @OptionGroup var options: SessionOptionsGroup

    @Argument(help: "The session's id, or -.")
    var id: GivenToken

    @Argument(help: "Which.")
    var name: String

    func run() async throws {
        let token = try id.token()
        try await options.run { sessions in
            guard let value = try await sessions.take(name, from: token) else {
                throw notValid("no such field, or not valid", options)
            }
            options.show(Report(fields: [name: value]))
        }
    }
}
