// COMMAND and its subcommands, from the command table.

import Commands
import HoldfastWire

enum CommandDescriptions {
    static func write(_ question: CommandQuestion, into writer: inout ReplyWriter) {
        let all = CommandTable.all
        switch question {
        case .all:
            writer.array(all.count)
            for spec in all { describe(spec, into: &writer) }
        case .count: writer.integer(Int64(all.count))
        case .info(let names):
            writer.array(names.count)
            for name in names {
                if let spec = CommandTable.spec(named: name) {
                    describe(spec, into: &writer)
                } else {
                    writer.nullArray()
                }
            }
        case .docs(let names):
            let shown =
                names.isEmpty ? all : names.compactMap { CommandTable.spec(named: $0) }
            writer.map(shown.count)
            for spec in shown { document(spec, into: &writer) }
        case .list:
            writer.array(all.count)
            for spec in all { writer.bulk(spec.name) }
        }
    }

    private static func describe(_ spec: CommandSpec, into writer: inout ReplyWriter) {
        writer.array(10)
        writer.bulk(spec.name)
        writer.integer(Int64(spec.arity))
        writer.set(spec.flags.count)
        for flag in spec.flags { writer.status(flag) }
        writer.integer(Int64(spec.keys.first))
        writer.integer(Int64(spec.keys.last))
        writer.integer(Int64(spec.keys.step))
        // ACL categories, tips, key specifications, subcommands: none are told.
        for _ in 0..<4 { writer.array(0) }
    }

    private static func document(_ spec: CommandSpec, into writer: inout ReplyWriter) {
        writer.bulk(spec.name)
        writer.map(2)
        writer.bulk("summary")
        writer.bulk(spec.summary)
        writer.bulk("group")
        writer.bulk(spec.group)
    }
}
