// What a node's files are sealed with: the keys, where they come from, and what is still sealed
// with which of them.
//
// In: the configuration, an operator's word that the keys have changed, and what the threads of the
// disk and of the snapshots say about the files. Out: the keys for both. It must never let go of a
// key that something is still sealed with.

import LogStore
import Logging
import NIOConcurrencyHelpers
import Sealing

final class NodeKeys: Sendable {
    /// What the files of a node are sealed with. Nil in a set: in clear; in place of one: unknown.
    private struct Use {
        var journal: Set<KeyID?>?
        var snapshots: Set<KeyID?>?
    }

    let keys: SealingKeys
    private let source: KeySource?
    private let use = NIOLockedValueBox(Use())

    init(_ keys: SealingKeys, source: KeySource? = nil) {
        self.keys = keys
        self.source = source
    }

    /// Reads the keys for the first time.
    static func read(_ settings: AtRest) throws(StartError) -> NodeKeys {
        guard let source = settings.source else { return NodeKeys(.none) }
        do {
            let ring = try source.read()
            return NodeKeys(SealingKeys(ring, seals: settings.seals), source: source)
        } catch {
            throw .reason(FatalReason(error))
        }
    }

    // MARK: What is in use

    func note(journal: Set<KeyID?>) { use.withLockedValue { $0.journal = journal } }

    /// Nil where they cannot be read.
    func note(snapshots: Set<KeyID?>?) { use.withLockedValue { $0.snapshots = snapshots } }

    /// What the files that count are sealed with, as last seen; nil where not all is known. Nil in
    /// it: in clear.
    var inUse: Set<KeyID?>? {
        use.withLockedValue { use in
            guard let journal = use.journal, let snapshots = use.snapshots else { return nil }
            return journal.union(snapshots)
        }
    }

    /// The keys of `ring` that must not be gone: all of them, where not all is known.
    private func needed(of ring: KeyRing) -> [KeyID] {
        guard let inUse else { return ring.ids.map(\.id) }
        // What is stored at this moment has the active one.
        return inUse.union([ring.active]).compactMap { $0 }
    }

    // MARK: Reloading

    /// Reads the keys again. Where that fails, or where a key would be gone that is still needed,
    /// those that were there go on to count. Blocks the thread. True where the keys are new.
    func reload(_ logger: Logger) -> Bool {
        guard let source, let old = keys.ring else {
            logger.notice("nothing is sealed here: there are no keys to read again")
            return false
        }
        let ring: KeyRing
        do {
            ring = try source.read()
        } catch {
            logger.error(
                "the keys cannot be read again; those that were read before go on to count",
                metadata: ["reason": "\(error)"]
            )
            return false
        }
        if let missing = needed(of: old).first(where: { !ring.contains($0) }) {
            logger.error(
                "the new keys lack one that is still needed; the old ones go on to count",
                metadata: ["key": "\(missing)"]
            )
            return false
        }
        guard ring != old else {
            logger.notice("the keys are as before", metadata: ["active": "\(old.active)"])
            return false
        }
        keys.replace(with: ring)
        // After it: whatever is sealed with the old one from here on was begun before, and counts
        // when its thread says next what it has.
        use.withLockedValue { use in
            use.journal?.insert(old.active)
            use.snapshots?.insert(old.active)
        }
        logger.notice(
            "the keys were read again; what is sealed with others is sealed anew",
            metadata: ["active": "\(ring.active)", "keys": "\(ring.ids.count)"]
        )
        return true
    }
}

extension FatalReason {
    /// What it means that the keys cannot be read: they are not on the disk of the data.
    init(_ error: KeySourceError) { self = .configuration("\(error)") }
}
