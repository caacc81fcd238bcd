// The calls on plain values. A write that is sent twice can undo another client's write in between,
// so writes are not repeated through an unknown outcome unless the caller says that it may be.

import HoldfastWire

extension HoldfastClient {
    /// When a write is sent again.
    public enum Repetition: Hashable, Sendable {
        /// Only while it is certain that nothing was done. Else the call throws
        /// ``HoldfastError/Code/outcomeUnknown``.
        case whenNotDone
        /// Also when it may have been done: for values that nobody else writes. It may then take
        /// effect twice, and later than another's write.
        case always

        fileprivate var effect: CallEffect { self == .always ? .idempotent : .once }
    }

    /// Reads a value.
    ///
    /// - Parameters:
    ///   - key: Up to 4,096 bytes of UTF-8.
    ///   - deadline: For the whole call, above zero; nil for the configuration's.
    /// - Returns: The value; nil when there is none.
    /// - Throws: ``HoldfastError``.
    public func get(
        _ key: String,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> [UInt8]? {
        switch try await send(Words("GET", key).list, key, .read, deadline) {
        case .null: return nil
        case .bulk(let value): return value
        default: throw .unreadable("GET")
        }
    }

    /// Writes a value, over an older one if there is one.
    ///
    /// - Parameters:
    ///   - key: Up to 4,096 bytes of UTF-8.
    ///   - value: The bytes; how many is for the server to say.
    ///   - life: How long the value is kept, at least a millisecond, rounded up to milliseconds;
    ///     nil for ever.
    ///   - repetition: When the write is sent again.
    ///   - deadline: For the whole call, above zero; nil for the configuration's.
    /// - Throws: ``HoldfastError``.
    public func set(
        _ key: String,
        _ value: [UInt8],
        expiresAfter life: Duration? = nil,
        repetition: Repetition = .whenNotDone,
        deadline: Duration? = nil
    ) async throws(HoldfastError) {
        let words = try setWords(key, value, life)
        guard case .status = try await send(words, key, repetition.effect, deadline) else {
            throw .unreadable("SET")
        }
    }

    /// Writes a value unless there is one. Never repeated through an unknown outcome: the answer
    /// would be about the first attempt's own value.
    ///
    /// - Parameters:
    ///   - key: Up to 4,096 bytes of UTF-8.
    ///   - value: The bytes; how many is for the server to say.
    ///   - life: How long the value is kept, at least a millisecond, rounded up to milliseconds;
    ///     nil for ever.
    ///   - deadline: For the whole call, above zero; nil for the configuration's.
    /// - Returns: Whether it was written; false when there was a value.
    /// - Throws: ``HoldfastError``.
    public func setIfAbsent(
        _ key: String,
        _ value: [UInt8],
        expiresAfter life: Duration? = nil,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> Bool {
        let words = try setWords(key, value, life) + [Array("NX".utf8)]
        switch try await send(words, key, .once, deadline) {
        case .status: return true
        case .null: return false
        default: throw .unreadable("SET NX")
        }
    }

    /// Removes a value.
    ///
    /// - Parameters:
    ///   - key: Up to 4,096 bytes of UTF-8.
    ///   - repetition: When the removal is sent again.
    ///   - deadline: For the whole call, above zero; nil for the configuration's.
    /// - Returns: Whether the attempt that was answered removed one.
    /// - Throws: ``HoldfastError``.
    @discardableResult
    public func delete(
        _ key: String,
        repetition: Repetition = .whenNotDone,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> Bool {
        let reply = try await send(Words("DEL", key).list, key, repetition.effect, deadline)
        guard case .integer(let count) = reply else { throw .unreadable("DEL") }
        return count > 0
    }

    private func send(
        _ words: [[UInt8]],
        _ key: String,
        _ effect: CallEffect,
        _ deadline: Duration?
    ) async throws(HoldfastError) -> RESPValue {
        let slot = HashSlot.of(Array(key.utf8))
        return try await command(words, slot: slot, effect: effect, deadline: deadline)
    }

    private func setWords(
        _ key: String,
        _ value: [UInt8],
        _ life: Duration?
    ) throws(HoldfastError) -> [[UInt8]] {
        var words = Words("SET", key)
        words.list.append(value)
        guard let life else { return words.list }
        guard life > .zero, life <= Limits.deadlineMax else {
            throw .invalid("a life is above zero and at most a hundred years")
        }
        let (seconds, attoseconds) = life.components
        let milliseconds =
            seconds * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        words.option("PX", String(milliseconds))
        return words.list
    }
}
