// The answers that a session remembers, as bytes: the last part of its record.
//
//     number of requests | id u64 | kind u8 | answer | ...
//
//     1 SET    version varint
//     2 UNSET  how many varint
//     3 TAKE   nothing was there
//     4 TAKE   value, after its length

import Bytes

private enum AnswerKind: UInt8 {
    case version = 1
    case removed = 2
    case takenNothing = 3
    case taken = 4
}

extension SessionLayout {
    static func write(_ request: RememberedRequest, to writer: inout ByteWriter) {
        writer.write(request.id.rawValue)
        switch request.answer {
        case .version(let version):
            writer.write(AnswerKind.version.rawValue)
            writer.writeVarint(version)
        case .removed(let count):
            writer.write(AnswerKind.removed.rawValue)
            writer.writeCount(count)
        case .taken(nil):
            writer.write(AnswerKind.takenNothing.rawValue)
        case .taken(let value?):
            writer.write(AnswerKind.taken.rawValue)
            writer.writeLengthPrefixed(value)
        }
    }

    static func readRequests(
        _ reader: inout ByteReader
    ) throws(DecodeError) -> [RememberedRequest] {
        let count = try reader.readCount(limit: Limits.requestsRemembered)
        var requests: [RememberedRequest] = []
        for _ in 0..<count {
            guard let id = RequestID(rawValue: try reader.readUInt64()) else {
                throw .invalid("a request without an id")
            }
            requests.append(RememberedRequest(id: id, answer: try readAnswer(&reader)))
        }
        return requests
    }

    private static func readAnswer(
        _ reader: inout ByteReader
    ) throws(DecodeError) -> RememberedRequest.Answer {
        let byte = try reader.readUInt8()
        switch AnswerKind(rawValue: byte) {
        case .version: return .version(try reader.readVarint())
        case .removed: return .removed(try reader.readCount(limit: Limits.fields))
        case .takenNothing: return .taken(nil)
        case .taken: return .taken(try reader.readLengthPrefixed(limit: Limits.sessionBytes))
        case nil: throw .unknownTag(byte)
        }
    }
}
