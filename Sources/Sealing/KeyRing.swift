// The master keys that a node has: one that new objects are sealed with, and any number of others,
// old ones that older objects still need and new ones that are not used yet. A new key is first
// brought to all nodes and made active then: a node that has no key for what it receives cannot
// read it.
//
// In: commands of an operator, and a ring's text. Out: the ring after a change, ids and times, and,
// inside this module alone, the keys. It must never show a key in a description or to reflection.

/// One active key and others, at most 64 in all, in the order in which they were added.
package struct KeyRing: Equatable, Sendable {
    /// A key with what may be told of it.
    struct Entry: Equatable, Sendable {
        let id: KeyID
        let created: CreationTime
        let secret: SecretKey

        init(_ secret: SecretKey, created: CreationTime) {
            id = secret.id
            self.created = created
            self.secret = secret
        }
    }

    /// What may be told of a key.
    package struct Listed: Hashable, Sendable {
        package let id: KeyID
        package let created: CreationTime
    }

    /// Not empty, at most `Limits.keysMax`, no id twice.
    let entries: [Entry]
    /// The key that new objects are sealed with; always one of the entries.
    package let active: KeyID

    /// A ring of one new key from the system's random source, made at `created`.
    package init(active created: CreationTime) {
        self.init(Entry(.random(), created: created))
    }

    /// A ring of one key.
    init(_ entry: Entry) {
        self.init(unchecked: [entry], active: entry.id)
    }

    /// The caller has seen to what `entries` and `active` promise.
    init(unchecked entries: [Entry], active: KeyID) {
        precondition((1...Limits.keysMax).contains(entries.count))
        precondition(entries.contains { $0.id == active })
        self.entries = entries
        self.active = active
    }

    /// The keys, the oldest first.
    package var ids: [Listed] { entries.map { Listed(id: $0.id, created: $0.created) } }

    /// The key that was added last.
    package var newest: KeyID { entries[entries.count - 1].id }

    package func contains(_ id: KeyID) -> Bool { entries.contains { $0.id == id } }

    /// The key of that name, if it is here.
    func secret(_ id: KeyID) -> SecretKey? { entries.first { $0.id == id }?.secret }

    var activeSecret: SecretKey {
        guard let secret = secret(active) else { preconditionFailure("the active key is an entry") }
        return secret
    }
}

// MARK: Changes

extension KeyRing {
    /// With a new random key, the `newest`, which is not active: first it must be on all nodes.
    package func addingKey(created: CreationTime) throws(KeyRingError) -> KeyRing {
        try adding(Entry(.random(), created: created))
    }

    /// With that key, which is not active.
    func adding(_ entry: Entry) throws(KeyRingError) -> KeyRing {
        guard entries.count < Limits.keysMax else { throw .full }
        // By chance once in 2^58 rings; by a copied key always.
        guard !contains(entry.id) else { throw .alreadyThere(entry.id) }
        return KeyRing(unchecked: entries + [entry], active: active)
    }

    /// Where new objects are sealed with `id`. What was sealed before keeps its key.
    package func activating(_ id: KeyID) throws(KeyRingError) -> KeyRing {
        guard contains(id) else { throw .unknownKey(id) }
        return KeyRing(unchecked: entries, active: id)
    }

    /// Without a key: what was sealed with it can never be read again.
    package func removing(_ id: KeyID) throws(KeyRingError) -> KeyRing {
        guard contains(id) else { throw .unknownKey(id) }
        guard id != active else { throw .isActive(id) }
        return KeyRing(unchecked: entries.filter { $0.id != id }, active: active)
    }
}

extension KeyRing: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Ids alone.
    package var description: String {
        entries.map { $0.id == active ? "\($0.id) (active)" : "\($0.id)" }.joined(separator: ", ")
    }

    package var debugDescription: String { description }

    package var customMirror: Mirror { Mirror(self, children: ["keys": description]) }
}
