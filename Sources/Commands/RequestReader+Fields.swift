// `SESSION GET`, `SET`, `UNSET` and `TAKE`: the fields of a session, one by one.
//
// Options stand before the fields, each at most once. So a client that gives both can name its
// fields as it likes; one that gives none has two names that cannot come first.

import HoldfastWire
import SessionMachine

extension RequestReader {
    /// `SESSION GET id [f ...]`
    func getFields(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        let id = try id(frame, 2)
        let names = try fieldNames(frame, from: 3)
        let validate = ValidateAction(
            handle: id.handle,
            digest: secrets.digest(ofSecret: id.secret),
            purpose: .look,
            fields: names.isEmpty ? .all : .named(names),
            reply: .fields
        )
        return KeyedOperation(slot: id.handle.slot, action: .validate(validate))
    }

    /// `SESSION SET id [IFVERSION n] [REQ r] f v ...`
    func setFields(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        let id = try id(frame, 2)
        var place = 3
        let options = try fieldOptions(frame, &place, takesVersion: true)
        let fields = try fields(frame, from: place)
        guard !fields.isEmpty else { throw .arity("session|set") }
        var bytes = 0
        for field in fields { bytes += field.name.count + field.value.count }
        guard bytes <= RequestBounds.sessionBytesMax else {
            throw RequestError(
                "ERR a session has at most \(RequestBounds.sessionBytesMax) bytes with its fields"
            )
        }
        var set = SetFields(
            handle: SessionHandle128(id.handle),
            digest: secrets.digest(ofSecret: id.secret),
            fields: fields
        )
        set.ifVersion = options.version
        set.request = options.request
        return KeyedOperation(slot: id.handle.slot, action: .write(.setFields(set), .field))
    }

    /// `SESSION UNSET id [REQ r] f ...`
    func unsetFields(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        let id = try id(frame, 2)
        var place = 3
        let options = try fieldOptions(frame, &place, takesVersion: false)
        let names = try fieldNames(frame, from: place)
        guard !names.isEmpty else { throw .arity("session|unset") }
        var unset = UnsetFields(
            handle: SessionHandle128(id.handle),
            digest: secrets.digest(ofSecret: id.secret),
            names: names.map { $0[...] }
        )
        unset.request = options.request
        return KeyedOperation(slot: id.handle.slot, action: .write(.unsetFields(unset), .field))
    }

    /// `SESSION TAKE id [REQ r] f`
    func takeField(_ frame: RequestFrame) throws(RequestError) -> KeyedOperation {
        let id = try id(frame, 2)
        var place = 3
        let options = try fieldOptions(frame, &place, takesVersion: false)
        let names = try fieldNames(frame, from: place)
        guard names.count == 1 else { throw .arity("session|take") }
        var take = TakeField(
            handle: SessionHandle128(id.handle),
            digest: secrets.digest(ofSecret: id.secret),
            name: names[0][...]
        )
        take.request = options.request
        return KeyedOperation(slot: id.handle.slot, action: .write(.takeField(take), .field))
    }

    private struct FieldOptions {
        var version: UInt64?
        var request: RequestID?
    }

    private func fieldOptions(
        _ frame: RequestFrame,
        _ place: inout Int,
        takesVersion: Bool
    ) throws(RequestError) -> FieldOptions {
        var options = FieldOptions()
        var hasVersion = !takesVersion
        while place + 1 < frame.count {
            if !hasVersion, frame.equals(place, "IFVERSION") {
                let version = try integer(frame, place + 1)
                guard version >= 0 else { throw RequestError("ERR IFVERSION must be 0 or more") }
                options.version = version == 0 ? nil : UInt64(version)
                hasVersion = true
            } else if options.request == nil, frame.equals(place, "REQ") {
                options.request = try requestID(frame, place + 1)
            } else {
                break
            }
            place += 2
        }
        return options
    }

    func fieldNames(
        _ frame: RequestFrame,
        from start: Int
    ) throws(RequestError) -> [[UInt8]] {
        guard frame.count - start <= RequestBounds.fieldsMax else {
            throw RequestError("ERR name at most \(RequestBounds.fieldsMax) fields at a time")
        }
        var names: [[UInt8]] = []
        for place in start..<frame.count {
            guard frame.byteCount(place) <= RequestBounds.fieldNameBytesMax else {
                throw RequestError(
                    "ERR a field name has at most \(RequestBounds.fieldNameBytesMax) bytes"
                )
            }
            names.append(frame.bytes(place))
        }
        return names
    }
}
