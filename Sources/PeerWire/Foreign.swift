// Reading numbers that a peer sent. They are bounded where they come in, so that nothing behind the
// decoder has to think of overflow.

import Bytes
import RaftCore

/// Bounds on numbers from outside, so that the core's arithmetic on them stays inside 64 bits. At a
/// billion a second it would take 146 years to reach them.
enum Foreign {
    static let indexMax = UInt64(1) << 62
    static let termMax = UInt64(1) << 62
    static let roundMax = UInt64(1) << 62
    static let offsetMax = UInt64(1) << 62
}

extension ByteReader {
    mutating func readCluster() throws(DecodeError) -> ClusterID {
        let high = try readUInt64()
        return ClusterID(high: high, low: try readUInt64())
    }

    mutating func readGroup() throws(DecodeError) -> GroupID {
        GroupID(UInt16(try readCount(limit: Int(UInt16.max))))
    }

    mutating func readTerm() throws(DecodeError) -> Term {
        let value = try readVarint()
        guard value <= Foreign.termMax else { throw .invalid("a term beyond reach") }
        return Term(value)
    }

    mutating func readIndex() throws(DecodeError) -> LogIndex {
        let value = try readVarint()
        guard value <= Foreign.indexMax else { throw .invalid("a log index beyond reach") }
        return LogIndex(value)
    }

    mutating func readPosition() throws(DecodeError) -> LogPosition {
        let term = try readTerm()
        return LogPosition(term: term, index: try readIndex())
    }

    mutating func readOffset() throws(DecodeError) -> UInt64 {
        let value = try readVarint()
        guard value <= Foreign.offsetMax else { throw .invalid("an offset beyond reach") }
        return value
    }

    mutating func readRound() throws(DecodeError) -> ReadRound {
        let value = try readVarint()
        guard value <= Foreign.roundMax else { throw .invalid("a round beyond reach") }
        return ReadRound(rawValue: value)
    }

    mutating func readFlag() throws(DecodeError) -> Bool {
        let value = try readUInt8()
        guard value <= 1 else { throw .unknownTag(value) }
        return value == 1
    }
}
