// The bounds of what the edge takes from a client, each with its reason. All are at or below what
// the machine takes, so that a refusal comes from here wherever the request alone tells, with a
// text that says what to do.

import SessionMachine

/// What a client may send.
package struct RequestBounds: Sendable {
    /// Longer keys are mistakes of the caller; a key is kept in memory for each value.
    package static let keyBytesMax = 4_096
    /// A user id. Stored with each session.
    package static let subjectBytesMax = 1_024
    /// All that a session carries, fields included: a session is not a database.
    package static let sessionBytesMax = 64 * 1024
    /// Fields of one session.
    package static let fieldsMax = 256
    package static let fieldNameBytesMax = 256
    /// IP, device label, authentication methods, policy name: labels that people read.
    package static let labelBytesMax = 256
    package static let agentBytesMax = 1_024
    /// Reason and actor of a revocation.
    package static let reasonBytesMax = 256
    /// The id of a node, in the configuration too. Ids only grow and are never given again: a slip
    /// of the finger near the end of all numbers would be the last node that can be added.
    package static let nodeIDMax = 1_000_000_000
    /// A pattern of SCAN. Matching takes up to pattern times key steps for each key of a page.
    package static let patternBytesMax = 256
    /// Keys that one page of SCAN looks at, whatever COUNT says: it holds up its group meanwhile.
    package static let scanKeysMax = 1_000
    /// Keys of one DEL, MGET or EXISTS: it takes effect in one go in each group.
    package static let keysMax = 16_384
    /// Bytes of all keys of one DEL, which is one command of the log: no more than the largest
    /// value that can be configured, so that every command fits an entry.
    package static let deletedKeyBytesMax = 4 * 1024 * 1024
    /// Bytes of the values in one reply to MGET. Unbounded, a request of a few kilobytes would have
    /// a node build a reply of gigabytes.
    package static let replyBytesMax = 64 * 1024 * 1024
    /// For how long a rotated id goes on where the request does not say, in seconds: requests that
    /// were on their way have come by then.
    package static let defaultGraceSeconds: Int64 = 30
    /// As long as the machine takes.
    package static let graceSecondsMax = Int64(Limits.rotationGrace.count / 1_000)
    /// The longest lease of a lock: ten minutes. What takes longer is no request.
    package static let leaseMillisecondsMax: Int64 = 600_000
    /// The longest idle timeout or life, in seconds: a hundred years. Longer ones are mistakes.
    package static let secondsMax: Int64 = 100 * 366 * 86_400

    /// Bytes of one value; configurable.
    package var valueBytesMax: Int
    /// The idle timeout of a session that asks for none, in seconds; 0 for none.
    package var defaultIdleSeconds: Int64 = 1_800
    /// The life of a session that asks for none, in seconds.
    package var defaultLifetimeSeconds: Int64 = 43_200

    package static let tooLargeReply =
        "the reply would have more than \(replyBytesMax) bytes; ask for fewer keys at a time"

    package init(valueBytesMax: Int) { self.valueBytesMax = valueBytesMax }
}
