// `holdfast keys`: the keys that data at rest is sealed with. Works on a file alone, and asks no
// node: the file is made and changed on one machine, and brought to the others by whatever brings
// them their configuration. It must never print a key.
//
// A rotation is three steps, so that at no moment a node receives what it cannot read: `new`, the
// file to all nodes, `rotate`, the file to all nodes; and when nothing is sealed with the old key
// any more, `remove`.

import ArgumentParser
import HoldfastServer
import Sealing

struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes, rotates, removes and lists the keys that data at rest is sealed with.",
        discussion: """
            To go over to a new key: 'new', bring the file to all nodes, 'rotate', bring the file \
            to all nodes. Keep a copy of the file apart from the data: without its keys nothing \
            that is sealed can ever be read.

            Exit codes: 0 done, 1 refused, 64 wrong arguments, 74 the file cannot be written or \
            read, 78 what is in the file, or who may use it, is not as it should be.
            """,
        subcommands: [KeysNew.self, KeysRotate.self, KeysRemove.self, KeysList.self]
    )
}

struct KeysNew: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Makes a keys file, or adds a new key to one.",
        discussion: """
            In a file that is made, the key is active. A key that is added is not: it must be on \
            all nodes before 'rotate'.
            """
    )

    @OptionGroup var keys: KeysFile

    func run() throws {
        guard let ring = keys.readIfThere() else {
            let first = KeyRing(active: .now)
            keys.write(first)
            print("made \(keys.file) with the key \(first.active), which is active")
            print("bring the file to all nodes, and keep a copy apart from the data")
            return
        }
        let added = try keys.change { () throws(KeyRingError) in
            try ring.addingKey(created: .now)
        }
        print("added the key \(added.newest), which is not active")
        print("bring the file to all nodes, before 'holdfast keys rotate \(keys.file)'")
    }
}

struct KeysRotate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Makes a key active: what is written from then on is sealed with it.",
        discussion: "All nodes must have the key. What was sealed before needs the key it has."
    )

    @OptionGroup var keys: KeysFile

    @Argument(help: "The key's id; without it, the newest key.")
    var key: String?

    func run() throws {
        let ring = keys.read()
        let id = key.map { parsed($0) } ?? ring.newest
        guard id != ring.active else {
            print("the key \(id) is active already")
            return
        }
        try keys.change { () throws(KeyRingError) in try ring.activating(id) }
        print("the key \(id) is active in \(keys.file), in the place of \(ring.active)")
        print("bring the file to all nodes; the old key stays while anything is sealed with it")
    }
}

struct KeysRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Takes a key out of the file, other than the active one.",
        discussion: "What is still sealed with it, backups too, can never be read again."
    )

    @OptionGroup var keys: KeysFile

    @Argument(help: "The key's id.")
    var key: String

    func run() throws {
        let ring = keys.read()
        let id = parsed(key)
        try keys.change { () throws(KeyRingError) in try ring.removing(id) }
        print("removed the key \(id) from \(keys.file)")
    }
}

struct KeysList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Shows the ids of the keys, when they were made, and which one is active."
    )

    @OptionGroup var keys: KeysFile

    @Flag(help: "One JSON object instead of text.")
    var json = false

    func run() {
        let ring = keys.read()
        print(json ? ring.json : ring.text)
    }
}

/// The id that an operator has typed. What is none may be a key, and is not repeated.
private func parsed(_ text: String) -> KeyID {
    guard let id = KeyID(text) else {
        fatal(
            .usage("a key's id is 16 lower-case hexadecimal digits; see 'holdfast keys list FILE'"),
            as: "holdfast"
        )
    }
    return id
}

/// The file that all subcommands are told, and what they do with it.
struct KeysFile: ParsableArguments {
    @Argument(help: "The keys file.", completion: .file())
    var file: String

    fileprivate func read() -> KeyRing {
        do {
            return try KeyFile.read(file)
        } catch {
            fail(error)
        }
    }

    fileprivate func readIfThere() -> KeyRing? {
        do {
            return try KeyFile.read(file)
        } catch .missingFile {
            return nil
        } catch {
            fail(error)
        }
    }

    fileprivate func write(_ ring: KeyRing) {
        do {
            try KeyFile.write(ring, to: file)
        } catch {
            fail(error)
        }
    }

    /// Writes the changed ring, or says why there is none.
    @discardableResult
    fileprivate func change(_ change: () throws(KeyRingError) -> KeyRing) throws -> KeyRing {
        let ring: KeyRing
        do {
            ring = try change()
        } catch {
            complain("\(error)")
            throw ExitCode(1)
        }
        write(ring)
        return ring
    }

    private func fail(_ error: KeySourceError) -> Never {
        if case .io = error { fatal(.disk("\(error)"), as: "holdfast") }
        fatal(.configuration("\(error)"), as: "holdfast")
    }
}

extension KeyRing {
    fileprivate var text: String {
        let header = "key".padded(20) + "made".padded(24) + "state"
        let lines = ids.map { key in
            "\(key.id)".padded(20) + "\(key.created)".padded(24)
                + (key.id == active ? "active" : "not active")
        }
        return ([header] + lines).joined(separator: "\n")
    }

    fileprivate var json: String {
        let keys = ids.map { key in
            "{\"id\":\("\(key.id)".quoted),\"created\":\("\(key.created)".quoted)"
                + ",\"createdUnixSeconds\":\(key.created.unixSeconds)"
                + ",\"active\":\(key.id == active)}"
        }
        return "{\"active\":\("\(active)".quoted),\"keys\":[\(keys.joined(separator: ","))]}"
    }
}
