// What happened in this group since it was made. Part of the replicated state, so every replica
// shows the same numbers and a restored one goes on counting.

/// Events since the group was made.
package struct Counters: Equatable, Sendable {
    package internal(set) var commands: UInt64 = 0
    package internal(set) var created: UInt64 = 0
    package internal(set) var touched: UInt64 = 0
    package internal(set) var revoked: UInt64 = 0
    /// Sessions revoked because their subject had too many; also counted in `revoked`.
    package internal(set) var evicted: UInt64 = 0
    package internal(set) var sessionsExpired: UInt64 = 0
    package internal(set) var valuesExpired: UInt64 = 0
    package internal(set) var rotated: UInt64 = 0

    /// In the order of the snapshot's header.
    var words: [UInt64] {
        [commands, created, touched, revoked, evicted, sessionsExpired, valuesExpired, rotated]
    }

    init() {}

    /// `words` has eight elements.
    init(words: [UInt64]) {
        precondition(words.count == Counters.wordCount)
        commands = words[0]
        created = words[1]
        touched = words[2]
        revoked = words[3]
        evicted = words[4]
        sessionsExpired = words[5]
        valuesExpired = words[6]
        rotated = words[7]
    }

    static let wordCount = 8
}

/// What is in the group now.
package struct Gauges: Equatable, Sendable {
    /// Plain values, those past their deadline and not yet removed included.
    package var values: Int
    /// Sessions likewise.
    package var sessions: Int
    package var tombstones: Int
    /// Subjects with a session.
    package var subjects: Int
    /// Bytes of keys, values and sessions with their record headers.
    package var payloadBytes: Int
    /// An estimate of all memory that the state takes.
    package var memoryBytes: Int
}
