// A plain value as bytes: kind (1), length of the key (2), key, value. One allocation per record,
// and a reader gets a slice of it without a copy.

enum ValueLayout {
    static let headerBytes = 3

    static func payload(key: Key, value: ArraySlice<UInt8>) -> [UInt8] {
        let keyLength = UInt16(truncatingIfNeeded: key.bytes.count)
        var payload: [UInt8] = []
        payload.reserveCapacity(headerBytes + key.bytes.count + value.count)
        payload.append(RecordKind.value.rawValue)
        payload.append(UInt8(truncatingIfNeeded: keyLength))
        payload.append(UInt8(truncatingIfNeeded: keyLength >> 8))
        payload.append(contentsOf: key.bytes)
        payload.append(contentsOf: value)
        return payload
    }

    static func key(of payload: [UInt8]) -> ArraySlice<UInt8> {
        payload[headerBytes..<valueStart(payload)]
    }

    static func value(of payload: [UInt8]) -> ArraySlice<UInt8> {
        payload[valueStart(payload)...]
    }

    @inline(__always)
    static func hasKey(_ payload: [UInt8], _ key: Key) -> Bool {
        let start = valueStart(payload)
        guard start - headerBytes == key.bytes.count else { return false }
        let stored = payload.span.bytes.extracting(headerBytes..<start)
        return stored.isEqual(to: key.bytes.span.bytes)
    }

    /// Whether foreign bytes are a value record.
    static func isWellFormed(_ payload: [UInt8]) -> Bool {
        guard payload.count >= headerBytes else { return false }
        return valueStart(payload) <= payload.count
            && valueStart(payload) - headerBytes <= Limits.keyBytes
    }

    @inline(__always)
    private static func valueStart(_ payload: [UInt8]) -> Int {
        headerBytes + Int(payload[1]) + Int(payload[2]) << 8
    }
}
