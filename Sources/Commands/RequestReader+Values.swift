// The Redis face: SET and its relatives, expiry, SCAN. The checks and their texts are Redis 7.0's.

import HoldfastWire
import SessionMachine

extension RequestReader {
    /// `SET key value [NX|XX] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]`
    func set(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        var set = SetValue(key: try key(frame, 1), value: try value(frame, 2))
        var hasExpiry = false
        var place = 3
        while place < frame.count {
            if frame.equals(place, "NX"), set.condition == .always {
                set.condition = .ifAbsent
            } else if frame.equals(place, "XX"), set.condition == .always {
                set.condition = .ifPresent
            } else if frame.equals(place, "GET") {
                set.reply = .oldValue
            } else if frame.equals(place, "KEEPTTL"), !hasExpiry {
                set.expiry = .keep
                hasExpiry = true
            } else if let change = try expiryOption(frame, &place, "set"), !hasExpiry {
                set.expiry = change
                hasExpiry = true
            } else {
                throw .syntax
            }
            place += 1
        }
        let reply: WriteReply = set.reply == .oldValue ? .value : .status
        return KeyedOperation(slot: slot(frame, 1), action: .write(.set(set), reply))
    }

    func setIfAbsent(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        let set = SetValue(
            key: try key(frame, 1),
            value: try value(frame, 2),
            condition: .ifAbsent
        )
        return KeyedOperation(slot: slot(frame, 1), action: .write(.set(set), .stored))
    }

    func setExpiring(
        _ frame: RequestFrame,
        _ unit: TimeUnit,
        _ name: String
    ) throws(RequestError) -> KeyedOperation {
        let count = try integer(frame, 2)
        let duration = try duration(count, unit, name)
        let set = SetValue(
            key: try key(frame, 1),
            value: try value(frame, 3),
            expiry: .to(.after(duration))
        )
        return KeyedOperation(slot: slot(frame, 1), action: .write(.set(set), .status))
    }

    /// `GETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST]`
    func getExpiring(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        let key = try key(frame, 1)
        guard frame.count > 2 else {
            return KeyedOperation(slot: slot(frame, 1), action: .read(.get(key)))
        }
        var place = 2
        var change = ExpiryChange.clear
        if !frame.equals(2, "PERSIST") {
            guard let option = try expiryOption(frame, &place, "getex") else { throw .syntax }
            change = option
        }
        guard place + 1 == frame.count else { throw .syntax }
        return KeyedOperation(
            slot: slot(frame, 1),
            action: .write(.getExpiring(key, change), .value)
        )
    }

    /// `EXPIRE key n [NX|XX|GT|LT]` and its three relatives.
    func expire(
        _ frame: RequestFrame,
        _ unit: TimeUnit,
        isAbsolute: Bool,
        _ name: String
    ) throws(RequestError) -> KeyedOperation {
        let key = try key(frame, 1)
        let count = try integer(frame, 2)
        let condition = try expireCondition(frame)
        let milliseconds = try milliseconds(count, unit, name)
        // A time in the past deletes the key, as in Redis.
        let whole = Milliseconds(UInt64(max(0, milliseconds)))
        let time: ExpiryTime =
            isAbsolute
            ? .at(MachineTime(millisecondsSince1970: whole.count)) : .after(whole)
        return KeyedOperation(
            slot: slot(frame, 1),
            action: .write(.expire(key, time, condition), .integer)
        )
    }

    private func expireCondition(
        _ frame: RequestFrame
    ) throws(RequestError) -> ExpireCondition {
        var (nx, xx, gt, lt) = (false, false, false, false)
        for place in 3..<max(3, frame.count) {
            if frame.equals(place, "NX") {
                nx = true
            } else if frame.equals(place, "XX") {
                xx = true
            } else if frame.equals(place, "GT") {
                gt = true
            } else if frame.equals(place, "LT") {
                lt = true
            } else {
                throw RequestError("ERR Unsupported option \(Self.prefix(frame, place, 128))")
            }
        }
        if nx, xx || gt || lt {
            throw RequestError(
                "ERR NX and XX, GT or LT options at the same time are not compatible"
            )
        }
        if gt, lt {
            throw RequestError("ERR GT and LT options at the same time are not compatible")
        }
        if nx { return .ifPersistent }
        if gt { return .ifLater }
        if lt { return xx ? .ifExpiringAndEarlier : .ifEarlier }
        return xx ? .ifExpiring : .always
    }

    /// `SCAN cursor [MATCH p] [COUNT n] [TYPE t]`
    func scan(_ frame: RequestFrame) throws(RequestError) -> SpreadOperation {
        let text = frame.string(1)
        guard let number = UInt64(text), text.first != "+",
            let cursor = ScanCursor(rawValue: number)
        else { throw RequestError("ERR invalid cursor") }
        var scan = ScanAction(
            position: cursor.position,
            count: 10,
            pattern: nil,
            isTypeMatched: true
        )
        var place = 2
        while place < frame.count {
            guard place + 1 < frame.count else { throw .syntax }
            if frame.equals(place, "MATCH") {
                guard frame.byteCount(place + 1) <= RequestBounds.patternBytesMax else {
                    throw RequestError(
                        "ERR the pattern has more than \(RequestBounds.patternBytesMax) bytes"
                    )
                }
                scan.pattern = GlobPattern(frame.bytes(place + 1))
            } else if frame.equals(place, "COUNT") {
                let count = try integer(frame, place + 1)
                guard count >= 1 else { throw .syntax }
                scan.count = min(Int(clamping: count), RequestBounds.scanKeysMax)
            } else if frame.equals(place, "TYPE") {
                scan.isTypeMatched = frame.equals(place + 1, "STRING")
            } else {
                throw .syntax
            }
            place += 2
        }
        return .scan(cursor, scan)
    }

    // MARK: Times

    /// `EX s`, `PX ms`, `EXAT s` or `PXAT ms` at `place`, which is moved to its number; nil for any
    /// other word.
    private func expiryOption(
        _ frame: RequestFrame,
        _ place: inout Int,
        _ name: String
    ) throws(RequestError) -> ExpiryChange? {
        let unit: TimeUnit
        let isAbsolute: Bool
        if frame.equals(place, "EX") {
            (unit, isAbsolute) = (.seconds, false)
        } else if frame.equals(place, "PX") {
            (unit, isAbsolute) = (.milliseconds, false)
        } else if frame.equals(place, "EXAT") {
            (unit, isAbsolute) = (.seconds, true)
        } else if frame.equals(place, "PXAT") {
            (unit, isAbsolute) = (.milliseconds, true)
        } else {
            return nil
        }
        place += 1
        let length = try duration(try integer(frame, place), unit, name)
        return .to(
            isAbsolute ? .at(MachineTime(millisecondsSince1970: length.count)) : .after(length)
        )
    }

    /// A time that must be above zero and fit 63 bits of milliseconds.
    private func duration(
        _ count: Int64,
        _ unit: TimeUnit,
        _ name: String
    ) throws(RequestError) -> Milliseconds {
        let milliseconds = try milliseconds(count, unit, name)
        guard milliseconds > 0 else { throw .invalidExpire(name) }
        return Milliseconds(UInt64(milliseconds))
    }

    private func milliseconds(
        _ count: Int64,
        _ unit: TimeUnit,
        _ name: String
    ) throws(RequestError) -> Int64 {
        guard case .seconds = unit else { return count }
        let (milliseconds, overflow) = count.multipliedReportingOverflow(by: 1_000)
        guard !overflow else { throw .invalidExpire(name) }
        return milliseconds
    }
}
